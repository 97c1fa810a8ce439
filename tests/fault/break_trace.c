/* SPDX-License-Identifier: Apache-2.0
 *
 * The trace of changes under BREAK_UNDER: one line each, fields divided by tabs, in the order in
 * which they were made, the number of the process first:
 *   open FD PATH new|old     write FD OFFSET BYTES AT     fsync FD      truncate FD BYTES
 *   rename FROM TO     link FROM TO     symlink TARGET PATH     unlink PATH     mkdir PATH
 * AT is where the bytes lie in BREAK_TRACE.data. Read by power_states.py. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/fault/break.h"

#define LINE_BYTES (2 * PATH_MAX + 128)

static pthread_mutex_t lock     = PTHREAD_MUTEX_INITIALIZER;
static int             lines_fd = -1;
static int             data_fd  = -1;

/* Not through our own functions: these are not under BREAK_UNDER, but would be looked at. */
static int open_append(const char *path)
{
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))break_next("open");

    return next(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static ssize_t append(int fd, const void *data, size_t n)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))break_next("write");

    return next(fd, data, n);
}

__attribute__((constructor)) static void open_trace(void)
{
    const char *path = break_setting("BREAK_TRACE");
    char        data[PATH_MAX];

    if (path[0] == '\0')
        return;
    (void)snprintf(data, sizeof data, "%s.data", path);
    lines_fd = open_append(path);
    data_fd  = open_append(data);
}

void trace_begin(void)
{
    (void)pthread_mutex_lock(&lock);
}

void trace_end(void)
{
    (void)pthread_mutex_unlock(&lock);
}

void trace_line(const char *fmt, ...)
{
    char    line[LINE_BYTES];
    int     n;
    va_list args;

    if (lines_fd < 0)
        return;
    n = snprintf(line, sizeof line, "%ld\t", (long)getpid());
    va_start(args, fmt);
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, args);
    va_end(args);
    line[n++] = '\n';
    (void)!append(lines_fd, line, (size_t)n);
}

/* A process ends itself at a fault point: not between another thread's change and its line. */
int kill(pid_t pid, int number)
{
    int (*next)(pid_t, int) = (int (*)(pid_t, int))break_next("kill");
    int result;

    if (pid != getpid() || number != SIGKILL)
        return next(pid, number);
    trace_begin();
    result = next(pid, number);
    trace_end();
    return result;
}

void trace_write(int fd, const void *data, size_t n, off_t offset)
{
    off_t at;

    if (data_fd < 0)
        return;
    at = lseek(data_fd, 0, SEEK_END);
    (void)!append(data_fd, data, n);
    trace_line("write\t%d\t%lld\t%zu\t%lld", fd, (long long)offset, n, (long long)at);
}
