/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocations that fail, by who asks for them; and who is in the stack of a process that dies of a
 * signal. See break.h. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fault/break.h"

#define MAX_OBJECTS 128
#define MAX_FRAMES  64
#define NAME_BYTES  64

/* The C library's own: dlsym itself allocates, so they are not looked up. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t each);
extern void *__libc_realloc(void *old, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

typedef struct object {
    uintptr_t from, to;
    char      name[NAME_BYTES]; /* of the file; "" for the program */
} object;

static object  objects[MAX_OBJECTS];
static int     n_objects;
static object *caller; /* whose allocations break; NULL: nobody's */
static char    signal_path[4096];
static char    signal_stack[1 << 16]; /* a process may die because its own is used up */

static int note_object(struct dl_phdr_info *info, size_t size, void *context)
{
    object     *o     = &objects[n_objects];
    const char *slash = strrchr(info->dlpi_name, '/');

    (void)size;
    (void)context;
    if (n_objects == MAX_OBJECTS)
        return 1;
    o->from = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at           = info->dlpi_addr + part->p_vaddr;

        if (part->p_type != PT_LOAD)
            continue;
        o->from = at < o->from ? at : o->from;
        o->to   = at + part->p_memsz > o->to ? at + part->p_memsz : o->to;
    }
    (void)snprintf(o->name, sizeof o->name, "%s", slash != NULL ? slash + 1 : info->dlpi_name);
    n_objects++;
    return 0;
}

static object *object_at(uintptr_t address)
{
    for (int i = 0; i < n_objects; i++)
        if (address >= objects[i].from && address < objects[i].to)
            return &objects[i];
    return NULL;
}

/* Only what may be called in a handler. */
static void on_signal(int number)
{
    void *frame[MAX_FRAMES];
    int   n  = backtrace(frame, MAX_FRAMES);
    int   fd = open(signal_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    for (int i = 0; i < n; i++) {
        const object *o    = object_at((uintptr_t)frame[i]);
        const char   *name = o == NULL ? "?" : o->name[0] == '\0' ? "program" : o->name;

        (void)!write(fd, name, strlen(name));
        (void)!write(fd, "\n", 1);
    }
    (void)close(fd);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

__attribute__((constructor)) static void look_around(void)
{
    static const int       numbers[]     = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
    const stack_t          stack         = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    const struct sigaction action        = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    const char            *name          = break_setting("BREAK_CALLER");
    void                  *first_call[1] = {NULL};

    (void)dl_iterate_phdr(note_object, NULL);
    for (int i = 0; i < n_objects && caller == NULL && break_wants("malloc"); i++)
        if (name[0] == '\0' ? i == 0 : strstr(objects[i].name, name) != NULL)
            caller = &objects[i];
    (void)snprintf(signal_path, sizeof signal_path, "%s", break_setting("BREAK_SIGNAL"));
    if (signal_path[0] == '\0')
        return;
    (void)backtrace(first_call, 1);  /* it loads a library the first time */
    (void)sigaltstack(&stack, NULL); /* of the first thread */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &action, NULL);
}

static bool breaks(void *from)
{
    const object *c = caller;

    if (c == NULL || (uintptr_t)from < c->from || (uintptr_t)from >= c->to)
        return false;
    return break_this("malloc");
}

void *malloc(size_t n)
{
    return breaks(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t each)
{
    return breaks(__builtin_return_address(0)) ? NULL : __libc_calloc(n, each);
}

void *realloc(void *old, size_t n)
{
    return breaks(__builtin_return_address(0)) ? NULL : __libc_realloc(old, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return breaks(__builtin_return_address(0)) ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    if (breaks(__builtin_return_address(0)))
        return ENOMEM;
    *out = __libc_memalign(align, n);
    return *out == NULL ? ENOMEM : 0;
}
