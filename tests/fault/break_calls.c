/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings, counting, and the decision which call breaks; see break.h. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/break.h"

static struct {
    const char *call, *how, *under, *count;
    long        at;
    bool        is_always, is_here;
} break_at;

static atomic_long n_seen;
static atomic_long n_fired;

const char *break_setting(const char *name)
{
    const char *value = getenv(name);

    return value == NULL ? "" : value;
}

void *break_next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static bool is_this_rank(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                            "SLURM_PROCID"};
    const char              *wanted      = break_setting("BREAK_RANK");

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i]) != NULL)
            return wanted[0] == '\0' || strcmp(getenv(variables[i]), wanted) == 0;
    return wanted[0] == '\0' || strcmp(wanted, "0") == 0;
}

/* Before main, and before other threads. */
__attribute__((constructor)) static void read_settings(void)
{
    break_at.how       = break_setting("BREAK_HOW");
    break_at.under     = break_setting("BREAK_UNDER");
    break_at.count     = break_setting("BREAK_COUNT");
    break_at.at        = atol(break_setting("BREAK_AT"));
    break_at.is_always = break_setting("BREAK_ALWAYS")[0] == '1';
    break_at.is_here   = is_this_rank();
    break_at.call      = break_at.is_here ? break_setting("BREAK_CALL") : "";
}

/* Also right before a kill: nothing is left to chance. */
static void report(void)
{
    int (*next_open)(const char *, int, ...)         = break_next("open");
    ssize_t (*next_write)(int, const void *, size_t) = break_next("write");
    int (*next_close)(int)                           = break_next("close");
    char text[64];
    int  n = snprintf(text, sizeof text, "%ld %ld\n", n_seen, n_fired);
    int  fd;

    if (break_at.count == NULL || break_at.count[0] == '\0' || !break_at.is_here)
        return;
    fd = next_open(break_at.count, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!next_write(fd, text, (size_t)n);
        (void)next_close(fd);
    }
}

/* Of parent and child of a fork, the one with calls to tell of has the word. */
__attribute__((destructor)) static void report_at_end(void)
{
    if (n_seen > 0 || access(break_at.count, F_OK) != 0)
        report();
}

/* A child may end this way, without destructors. */
void _exit(int code)
{
    void (*next)(int) = (void (*)(int))break_next("_exit");

    report_at_end();
    next(code);
    __builtin_unreachable();
}

bool break_is_under(const char *path)
{
    return path != NULL && break_at.under != NULL && break_at.under[0] != '\0' &&
           strncmp(path, break_at.under, strlen(break_at.under)) == 0;
}

bool break_wants(const char *call)
{
    return break_at.call != NULL && strcmp(break_at.call, call) == 0;
}

bool break_is(const char *how)
{
    return strcmp(break_at.how, how) == 0;
}

void break_kill(void)
{
    (void)kill(getpid(), SIGKILL);
}

bool break_this(const char *call)
{
    struct timespec wait = {0, 100000000};
    long            n;

    if (!break_wants(call))
        return false;
    n = atomic_fetch_add(&n_seen, 1) + 1;
    if (break_at.at < 1 || n < break_at.at || (n > break_at.at && !break_at.is_always))
        return false;
    n_fired++;
    if (break_is("kill") || break_is("tear"))
        report();
    if (break_is("kill"))
        break_kill();
    if (break_is("delay")) {
        (void)nanosleep(&wait, NULL);
        return false;
    }
    errno = atoi(break_at.how);
    return true;
}
