/* SPDX-License-Identifier: Apache-2.0
 *
 * The HDF5 library of this process: started once, silent, without plugins, behind one lock. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/io/h5/inner.h"

#ifdef __SANITIZE_ADDRESS__
/* libhdf5 1.10 loses some bytes of each file it rejects; the leak checker asks here. A program with
 * suppressions of its own overrides this. */
__attribute__((weak)) const char *__lsan_default_suppressions(void);
const char                       *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}
#endif

static pthread_once_t     setup_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t    library_lock;
static bool               is_ready;
static _Thread_local bool thread_is_silent;

/* HDF5_PLUGIN_PATH, HDF5_USE_FILE_LOCKING, HDF5_DRIVER and others would change what a file means
 * or run foreign code (research: a plugin's constructor runs at a mere question). */
static void clear_environment(void)
{
    char   name[128];
    char **entry = environ;

    while (entry != NULL && *entry != NULL) {
        const char *equals = strchr(*entry, '=');
        size_t      length = equals == NULL ? 0 : (size_t)(equals - *entry);
        if (strncmp(*entry, "HDF5_", 5) == 0 && length > 0 && length < sizeof name) {
            memcpy(name, *entry, length);
            name[length] = '\0';
            unsetenv(name);
            entry = environ; /* the table has moved */
        } else {
            entry++;
        }
    }
}

static void setup(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&library_lock, &attr);
    pthread_mutexattr_destroy(&attr);
    clear_environment();
    /* No exit handler: closing files after an I/O error is where HDF5 1.10 crashes. */
    is_ready = H5dont_atexit() >= 0 && H5open() >= 0 && H5PLset_loading_state(0) >= 0;
}

br_status br_h5_setup(void)
{
    pthread_once(&setup_once, setup);
    if (!is_ready)
        return br_fail(BR_E_IO, "the HDF5 library does not start");
    return BR_OK;
}

void br_h5_enter(void)
{
    pthread_once(&setup_once, setup);
    pthread_mutex_lock(&library_lock);
    if (!thread_is_silent) {
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the error stack belongs to the thread */
        thread_is_silent = true;
    }
}

void br_h5_leave(void)
{
    pthread_mutex_unlock(&library_lock);
}

#define SYSTEM_SAYS "the system says "

/* The file driver's complaint has the time, a pointer and more in it: the errno's text is kept. */
static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    static const char mark[] = "error message = '";
    char             *text   = context;
    const char       *at     = error->desc == NULL ? NULL : strstr(error->desc, mark);

    (void)n;
    if (at != NULL) {
        at += sizeof mark - 1;
        snprintf(text, BR_H5_COMPLAINT_BYTES, SYSTEM_SAYS "%.*s", (int)strcspn(at, "'"), at);
        return 1;
    }
    if (error->desc != NULL)
        snprintf(text, BR_H5_COMPLAINT_BYTES, "%s", error->desc);
    return 0;
}

const char *br_h5_complaint(char text[BR_H5_COMPLAINT_BYTES])
{
    snprintf(text, BR_H5_COMPLAINT_BYTES, "no reason given");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, text);
    return text;
}

br_status br_h5_blame(const br_h5_file *file, const char *path, const char *what)
{
    char text[BR_H5_COMPLAINT_BYTES];

    if (strncmp(br_h5_complaint(text), SYSTEM_SAYS, sizeof SYSTEM_SAYS - 1) == 0)
        return br_fail(BR_E_IO, "%s: %s: cannot read: %s", file->path, path,
                       text + sizeof SYSTEM_SAYS - 1);
    return br_fail(BR_E_INPUT, "%s: %s: %s: %s", file->path, path, what, text);
}
