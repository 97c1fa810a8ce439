/* SPDX-License-Identifier: Apache-2.0
 *
 * A library to preload that counts the system calls of publishing and breaks one of them:
 *   BREAK_CALL   open write fsync rename close fallocate mkdir unlink read
 *   BREAK_AT     number of the call, from 1
 *   BREAK_HOW    an errno's number; "short" (half of a write or read); "kill" (before the call);
 *                "tear" (half of a write, then kill)
 *   BREAK_ALWAYS 1: that call and all later ones
 *   BREAK_UNDER  only calls that name a path, or a descriptor opened for a path, under this folder
 *   BREAK_COUNT  a file that gets the number of calls seen, and whether the fault fired
 * Used by test_outputs.py. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FDS 1024

static bool is_ours_F[MAX_FDS]; /* by descriptor */
static long n_seen;
static int  has_fired;

static void *next_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value == NULL ? "" : value;
}

static bool is_under(const char *path)
{
    const char *folder = setting("BREAK_UNDER");

    return folder[0] != '\0' && path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

/* Is this call the one? Then errno is set, or the process killed. */
static bool breaks(const char *call)
{
    const char *how = setting("BREAK_HOW");
    long        at  = atol(setting("BREAK_AT"));

    if (strcmp(setting("BREAK_CALL"), call) != 0)
        return false;
    n_seen++;
    if (n_seen != at && !(n_seen > at && setting("BREAK_ALWAYS")[0] == '1'))
        return false;
    has_fired = 1;
    if (strcmp(how, "kill") == 0)
        (void)kill(getpid(), SIGKILL);
    errno = atoi(how);
    return true;
}

__attribute__((destructor)) static void report(void)
{
    FILE *file = setting("BREAK_COUNT")[0] == '\0' ? NULL : fopen(setting("BREAK_COUNT"), "w");

    if (file == NULL)
        return;
    (void)fprintf(file, "%ld %d\n", n_seen, has_fired);
    (void)fclose(file);
}

static int note_fd(int fd, bool is_ours)
{
    if (fd >= 0 && fd < MAX_FDS)
        is_ours_F[fd] = is_ours;
    return fd;
}

static bool is_ours(int fd)
{
    return fd >= 0 && fd < MAX_FDS && is_ours_F[fd];
}

int open(const char *path, int flags, ...)
{
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))next_of("open");
    va_list args;
    int     mode;

    va_start(args, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    if (is_under(path) && breaks("open"))
        return -1;
    return note_fd(next(path, flags, mode), is_under(path));
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))next_of("write");
    const char *how = setting("BREAK_HOW");

    if (!is_ours(fd) || !breaks("write"))
        return next(fd, data, n);
    if (strcmp(how, "tear") == 0) {
        (void)!next(fd, data, n / 2);
        (void)kill(getpid(), SIGKILL);
    }
    return strcmp(how, "short") == 0 ? next(fd, data, n > 1 ? n / 2 : n) : -1;
}

ssize_t read(int fd, void *data, size_t n)
{
    ssize_t (*next)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))next_of("read");

    if (!is_ours(fd) || !breaks("read"))
        return next(fd, data, n);
    return strcmp(setting("BREAK_HOW"), "short") == 0 ? next(fd, data, n > 1 ? n / 2 : n) : -1;
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at)
{
    ssize_t (*next)(int, void *, size_t, off64_t) =
        (ssize_t(*)(int, void *, size_t, off64_t))next_of("pread64");

    if (!is_ours(fd) || !breaks("read"))
        return next(fd, data, n, at);
    return strcmp(setting("BREAK_HOW"), "short") == 0 ? next(fd, data, n > 1 ? n / 2 : n, at) : -1;
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))next_of("fsync");

    return is_ours(fd) && breaks("fsync") ? -1 : next(fd);
}

int close(int fd)
{
    int (*next)(int) = (int (*)(int))next_of("close");
    bool was_ours    = is_ours(fd);
    int  result;

    (void)note_fd(fd, false);
    result = next(fd); /* a close that fails has closed all the same */
    return was_ours && breaks("close") ? -1 : result;
}

int fallocate(int fd, int mode, off_t offset, off_t n)
{
    int (*next)(int, int, off_t, off_t) = (int (*)(int, int, off_t, off_t))next_of("fallocate");

    return is_ours(fd) && breaks("fallocate") ? -1 : next(fd, mode, offset, n);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) =
        (int (*)(const char *, const char *))next_of("rename");

    return is_under(to) && breaks("rename") ? -1 : next(from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int (*next)(int, const char *, int, const char *, unsigned) =
        (int (*)(int, const char *, int, const char *, unsigned))next_of("renameat2");

    return is_under(to) && breaks("rename") ? -1 : next(from_dir, from, to_dir, to, flags);
}

int unlink(const char *path)
{
    int (*next)(const char *) = (int (*)(const char *))next_of("unlink");

    return is_under(path) && breaks("unlink") ? -1 : next(path);
}

int mkdir(const char *path, mode_t mode)
{
    int (*next)(const char *, mode_t) = (int (*)(const char *, mode_t))next_of("mkdir");

    return is_under(path) && breaks("mkdir") ? -1 : next(path, mode);
}
