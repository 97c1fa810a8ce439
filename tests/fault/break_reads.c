/* SPDX-License-Identifier: Apache-2.0
 *
 * A library to preload that breaks one read of a file:
 *   BREAK_AT   number of the read, from 1; 0: none
 *   BREAK_HOW  an errno's number, or "short" (1 byte is read)
 *   BREAK_COUNT  a file that gets the number of reads seen
 * Used by failing_reads.py. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

typedef ssize_t (*read_fn)(int fd, void *to, size_t n, off_t at);

static int n_reads;

static void note_count(void)
{
    const char *path = getenv("BREAK_COUNT");
    FILE       *file = path == NULL ? NULL : fopen(path, "w");

    if (file != NULL) {
        fprintf(file, "%d\n", n_reads);
        fclose(file);
    }
}

static ssize_t broken_read(const char *name, int fd, void *to, size_t n, off_t at)
{
    const char *how      = getenv("BREAK_HOW");
    const char *break_at = getenv("BREAK_AT");
    read_fn     next     = (read_fn)dlsym(RTLD_NEXT, name);

    n_reads++;
    note_count();
    if (how == NULL || break_at == NULL || atoi(break_at) != n_reads)
        return next(fd, to, n, at);
    if (strcmp(how, "short") == 0)
        return next(fd, to, 1, at);
    errno = atoi(how);
    return -1;
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    return broken_read("pread", fd, to, n, at);
}

ssize_t pread64(int fd, void *to, size_t n, off_t at)
{
    return broken_read("pread64", fd, to, n, at);
}
