/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls on files, in the C library's place; see break.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/break.h"

#define MAX_FDS 1024

static bool is_ours_F[MAX_FDS]; /* by descriptor: opened for a path under BREAK_UNDER */

static bool is_ours(int fd)
{
    return fd >= 0 && fd < MAX_FDS && is_ours_F[fd];
}

typedef int (*open_fn)(const char *, int, ...);

static int open_with(const char *name, const char *path, int flags, int mode)
{
    open_fn next = (open_fn)break_next(name);
    bool    ours = break_is_under(path), is_new;
    int     fd;

    if (ours && break_this("open"))
        return -1;
    if (!ours) {
        fd = next(path, flags, mode);
        if (fd >= 0 && fd < MAX_FDS)
            is_ours_F[fd] = false;
        return fd;
    }
    trace_begin();
    is_new = (flags & O_CREAT) != 0 && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    fd     = next(path, flags, mode);
    if (fd >= 0 && fd < MAX_FDS)
        is_ours_F[fd] = true;
    if (fd >= 0)
        trace_line("open\t%d\t%s\t%s", fd, path, is_new ? "new" : "old");
    trace_end();
    return fd;
}

static int mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, int) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    int     mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_with("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    int     mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_with("open64", path, flags, mode);
}

DIR *opendir(const char *path)
{
    DIR *(*next)(const char *) = (DIR * (*)(const char *)) break_next("opendir");

    return break_is_under(path) && break_this("open") ? NULL : next(path);
}

static ssize_t write_traced(int fd, const void *data, size_t n)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))break_next("write");
    ssize_t done;

    trace_begin();
    done = next(fd, data, n);
    if (done > 0)
        trace_write(fd, data, (size_t)done, lseek(fd, 0, SEEK_CUR) - done);
    trace_end();
    return done;
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))break_next("write");

    if (!is_ours(fd))
        return next(fd, data, n);
    if (!break_this("write"))
        return write_traced(fd, data, n);
    if (break_is("tear")) {
        (void)write_traced(fd, data, n / 2);
        break_kill();
    }
    return break_is("short") ? write_traced(fd, data, n > 1 ? n / 2 : n) : -1;
}

typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);

static ssize_t pwrite_with(const char *name, int fd, const void *data, size_t n, off_t at)
{
    pwrite_fn next  = (pwrite_fn)break_next(name);
    bool      halve = false;
    ssize_t   done;

    if (!is_ours(fd))
        return next(fd, data, n, at);
    if (break_this("write")) {
        halve = break_is("tear") || break_is("short");
        if (!halve)
            return -1;
    }
    trace_begin();
    done = next(fd, data, halve && n > 1 ? n / 2 : n, at);
    if (done > 0)
        trace_write(fd, data, (size_t)done, at);
    trace_end();
    if (halve && break_is("tear"))
        break_kill();
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return pwrite_with("pwrite", fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return pwrite_with("pwrite64", fd, data, n, at);
}

ssize_t read(int fd, void *data, size_t n)
{
    ssize_t (*next)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))break_next("read");

    if (!is_ours(fd) || !break_this("read"))
        return next(fd, data, n);
    return break_is("short") ? next(fd, data, n > 1 ? n / 2 : n) : -1;
}

typedef ssize_t (*pread_fn)(int, void *, size_t, off_t);

static ssize_t pread_with(const char *name, int fd, void *data, size_t n, off_t at)
{
    pread_fn next = (pread_fn)break_next(name);

    if (!is_ours(fd) || !break_this("read"))
        return next(fd, data, n, at);
    return break_is("short") ? next(fd, data, n > 1 ? n / 2 : n, at) : -1;
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
    return pread_with("pread", fd, data, n, at);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at)
{
    return pread_with("pread64", fd, data, n, at);
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))break_next("fsync");
    int result;

    if (!is_ours(fd))
        return next(fd);
    if (break_this("fsync"))
        return -1;
    trace_begin();
    result = next(fd);
    if (result == 0)
        trace_line("fsync\t%d", fd);
    trace_end();
    return result;
}

int close(int fd)
{
    int (*next)(int) = (int (*)(int))break_next("close");
    bool was_ours    = is_ours(fd);
    int  result;

    if (was_ours)
        is_ours_F[fd] = false;
    result = next(fd); /* a close that fails has closed all the same */
    return was_ours && break_this("close") ? -1 : result;
}

int fallocate(int fd, int mode, off_t offset, off_t n)
{
    int (*next)(int, int, off_t, off_t) = (int (*)(int, int, off_t, off_t))break_next("fallocate");

    return is_ours(fd) && break_this("fallocate") ? -1 : next(fd, mode, offset, n);
}

int ftruncate(int fd, off_t n)
{
    int (*next)(int, off_t) = (int (*)(int, off_t))break_next("ftruncate");
    int result;

    if (!is_ours(fd))
        return next(fd, n);
    if (break_this("truncate"))
        return -1;
    trace_begin();
    result = next(fd, n);
    if (result == 0)
        trace_line("truncate\t%d\t%lld", fd, (long long)n);
    trace_end();
    return result;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    void *(*next)(void *, size_t, int, int, int, off_t) =
        (void *(*)(void *, size_t, int, int, int, off_t))break_next("mmap");

    return is_ours(fd) && break_this("mmap") ? MAP_FAILED
                                             : next(at, n, protection, flags, fd, offset);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* Ends a change that trace_begin began: noted when it happened. */
static int noted(int result, const char *what, const char *from, const char *to)
{
    int error = errno;

    if (result == 0)
        trace_line("%s\t%s\t%s", what, from, to);
    trace_end();
    errno = error;
    return result;
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) =
        (int (*)(const char *, const char *))break_next("rename");

    if (!break_is_under(to))
        return next(from, to);
    if (break_this("rename"))
        return -1;
    trace_begin();
    return noted(next(from, to), "rename", from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int (*next)(int, const char *, int, const char *, unsigned) =
        (int (*)(int, const char *, int, const char *, unsigned))break_next("renameat2");

    if (!break_is_under(to))
        return next(from_dir, from, to_dir, to, flags);
    if (break_this("rename"))
        return -1;
    trace_begin();
    return noted(next(from_dir, from, to_dir, to, flags), "rename", from, to);
}

int link(const char *from, const char *to)
{
    int (*next)(const char *, const char *) =
        (int (*)(const char *, const char *))break_next("link");

    if (!break_is_under(to))
        return next(from, to);
    if (break_this("link"))
        return -1;
    trace_begin();
    return noted(next(from, to), "link", from, to);
}

int symlink(const char *target, const char *path)
{
    int (*next)(const char *, const char *) =
        (int (*)(const char *, const char *))break_next("symlink");

    if (!break_is_under(path))
        return next(target, path);
    if (break_this("link"))
        return -1;
    trace_begin();
    return noted(next(target, path), "symlink", target, path);
}

int unlink(const char *path)
{
    int (*next)(const char *) = (int (*)(const char *))break_next("unlink");

    if (!break_is_under(path))
        return next(path);
    if (break_this("unlink"))
        return -1;
    trace_begin();
    return noted(next(path), "unlink", path, "");
}

int mkdir(const char *path, mode_t mode)
{
    int (*next)(const char *, mode_t) = (int (*)(const char *, mode_t))break_next("mkdir");

    if (!break_is_under(path))
        return next(path, mode);
    if (break_this("mkdir"))
        return -1;
    trace_begin();
    return noted(next(path, mode), "mkdir", path, "");
}
