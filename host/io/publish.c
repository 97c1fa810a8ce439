/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing a file: temporary name, write, fsync, close, rename, fsync of the folder. Called once
 * per finished part and for the few files of a run directory; never in the batch loop. */
#include "host/io/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "host/base/fault.h"
#include "host/base/files/open.h"
#include "host/base/log.h"

#define TEMPORARY_MARK  ".tmp-"
#define N_NAME_ATTEMPTS 16

static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t      n     = slash == NULL ? 0 : (size_t)(slash - path);

    if (slash == NULL)
        (void)snprintf(folder, PATH_MAX, ".");
    else if (n == 0)
        (void)snprintf(folder, PATH_MAX, "/");
    else
        (void)snprintf(folder, PATH_MAX, "%.*s", (int)n, path);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* Bytes free in the folder for us, or -1. */
static int64_t free_bytes_at(const char *folder)
{
    struct statvfs vfs;

    if (statvfs(folder, &vfs) != 0)
        return -1;
    return (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize;
}

static br_status io_failure(const char *path, const char *what, int error, size_t wanted_bytes)
{
    char folder[PATH_MAX];

    folder_of(path, folder);
    if (error == ENOSPC || error == EDQUOT)
        return br_fail(BR_E_IO,
                       "%s: cannot %s: %s (%zu bytes wanted, %" PRId64 " bytes free in %s)", path,
                       what, strerror(error), wanted_bytes, free_bytes_at(folder), folder);
    return br_fail(BR_E_IO, "%s: cannot %s: %s (%zu bytes wanted)", path, what, strerror(error),
                   wanted_bytes);
}

bool br_publish_is_temporary(const char *name)
{
    return name[0] == '.' && strstr(name + 1, TEMPORARY_MARK) != NULL;
}

/* A name beside `path` that no other attempt uses. */
static br_status temporary_name(const char *path, char name[PATH_MAX])
{
    static atomic_uint n_attempts;
    char               folder[PATH_MAX];
    const char        *base = base_of(path);
    struct timespec    now;
    int                n;

    if (strlen(path) + 64 >= PATH_MAX)
        return br_fail(BR_E_IO, "%.64s...: the path is too long (%zu bytes)", path, strlen(path));
    if (base[0] == '\0')
        return br_fail(BR_E_IO, "%s: names a folder where a file was expected", path);
    folder_of(path, folder);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    n = snprintf(name, PATH_MAX, "%s/.%s%s%ld-%lx-%x", folder, base, TEMPORARY_MARK, (long)getpid(),
                 (unsigned long)now.tv_sec * 1000000000UL + (unsigned long)now.tv_nsec,
                 atomic_fetch_add(&n_attempts, 1));
    if (n < 0 || n >= PATH_MAX)
        return br_fail(BR_E_IO, "%s: the path is too long", path);
    return BR_OK;
}

static br_status open_temporary(const char *path, size_t n_bytes, char name[PATH_MAX], int *fd)
{
    br_status st;

    *fd = -1;
    for (int i = 0; i < N_NAME_ATTEMPTS && *fd < 0; i++) {
        st = temporary_name(path, name);
        if (st != BR_OK)
            return st;
        *fd = br_open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
        if (*fd < 0 && errno != EEXIST)
            break;
    }
    if (*fd < 0)
        return io_failure(path, "create a temporary file beside it", errno, n_bytes);
    return BR_OK;
}

static br_status write_all(int fd, const char *path, const void *data, size_t n_bytes)
{
    const unsigned char *at     = data;
    size_t               n_left = n_bytes;

    while (n_left > 0) {
        ssize_t n = write(fd, at, n_left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io_failure(path, "write", n == 0 ? EIO : errno, n_bytes);
        at += n;
        n_left -= (size_t)n;
    }
    return BR_OK;
}

/* Space is asked for before the first byte, so that a full disk shows early. A file system that
 * cannot say is left to fail at the write. */
static br_status reserve(int fd, const char *path, size_t n_bytes)
{
    if (n_bytes == 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)n_bytes) == 0)
        return BR_OK;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO)
        return io_failure(path, "reserve space", errno, n_bytes);
    return BR_OK;
}

br_status br_publish_sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    int  fd, error;

    folder_of(path, folder);
    fd = br_open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return br_fail(BR_E_IO, "%s: cannot open the folder to flush it: %s", folder,
                       strerror(errno));
    error = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd); /* nothing was written through it */
    /* some file systems have no fsync of folders; they say so and keep names safe themselves */
    if (error != 0 && error != EINVAL && error != ENOTSUP)
        return br_fail(BR_E_IO, "%s: the file is in place, but its folder cannot be flushed: %s",
                       path, strerror(error));
    return BR_OK;
}

/* fsync is tried once: after a failure the kernel may have dropped the pages, and a second call
 * would report success for bytes that are lost. */
static br_status write_temporary(int *fd, const char *path, const void *data, size_t n_bytes)
{
    br_status st = BR_OK;
    int       closed;

    BR_TRY(st, reserve(*fd, path, n_bytes));
    BR_TRY(st, write_all(*fd, path, data, n_bytes));
    BR_TRY(st, br_fault_point(BR_FAULT_PUBLISH_WRITTEN, path));
    if (fsync(*fd) != 0) {
        st = io_failure(path, "flush to disk", errno, n_bytes);
        goto done;
    }
    closed = close(*fd);
    *fd    = -1;
    if (closed != 0 && errno != EINTR) { /* EINTR: closed all the same, and flushed before */
        st = io_failure(path, "close", errno, n_bytes);
        goto done;
    }
    BR_TRY(st, br_fault_point(BR_FAULT_PUBLISH_FLUSHED, path));
done:
    return st;
}

/* link + unlink where the file system has no rename that keeps an existing file. */
static br_status move_new(const char *from, const char *path, size_t n_bytes, bool *existed)
{
    *existed = false;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return BR_OK;
    if (errno == EEXIST) {
        *existed = true;
        return BR_OK;
    }
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return io_failure(path, "give the finished file its name", errno, n_bytes);
    if (link(from, path) != 0) {
        *existed = errno == EEXIST;
        return *existed ? BR_OK
                        : io_failure(path, "give the finished file its name", errno, n_bytes);
    }
    (void)unlink(from); /* a temporary that stays is harmless and goes with the next run */
    return BR_OK;
}

static br_status publish(const char *path, const void *data, size_t n_bytes, bool *existed)
{
    br_status st = BR_OK;
    char      name[PATH_MAX];
    int       fd       = -1;
    bool      has_name = false;

    BR_TRY(st, open_temporary(path, n_bytes, name, &fd));
    has_name = true;
    BR_TRY(st, br_fault_point(BR_FAULT_PUBLISH_MADE, path));
    BR_TRY(st, write_temporary(&fd, path, data, n_bytes));
    if (existed != NULL) {
        BR_TRY(st, move_new(name, path, n_bytes, existed));
        has_name = *existed;
    } else {
        if (rename(name, path) != 0) {
            st = io_failure(path, "give the finished file its name", errno, n_bytes);
            goto done;
        }
        has_name = false;
    }
    if (has_name) /* the name was taken before */
        goto done;
    BR_TRY(st, br_fault_point(BR_FAULT_PUBLISH_NAMED, path));
    BR_TRY(st, br_publish_sync_folder_of(path));
    BR_TRY(st, br_fault_point(BR_FAULT_PUBLISH_DONE, path));
done:
    if (fd >= 0)
        (void)close(fd);
    if (has_name && unlink(name) != 0)
        br_log(BR_LOG_WARN, "io", "%s: cannot remove this temporary file: %s", name,
               strerror(errno));
    return st;
}

br_status br_publish_file(const char *path, const void *data, size_t n_bytes)
{
    return publish(path, data, n_bytes, NULL);
}

br_status br_publish_new_file(const char *path, const void *data, size_t n_bytes, bool *existed)
{
    return publish(path, data, n_bytes, existed);
}

br_status br_publish_delete_temporaries(const char *path)
{
    br_status      st = BR_OK;
    char           folder[PATH_MAX];
    const char    *base = base_of(path);
    DIR           *dir;
    struct dirent *entry;

    folder_of(path, folder);
    dir = opendir(folder);
    if (dir == NULL)
        return br_fail(BR_E_IO, "%s: cannot list: %s", folder, strerror(errno));
    while ((entry = readdir(dir)) != NULL)
        if (br_publish_is_temporary(entry->d_name) &&
            strncmp(entry->d_name + 1, base, strlen(base)) == 0 &&
            unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
            BR_FAIL(st, BR_E_IO, "%s/%s: cannot remove this temporary file: %s", folder,
                    entry->d_name, strerror(errno));
done:
    (void)closedir(dir);
    return st;
}

br_status br_publish_link(const char *path, const char *target)
{
    br_status   st = BR_OK;
    char        name[PATH_MAX], folder[PATH_MAX];
    struct stat found;
    bool        has_name = false;

    if (lstat(path, &found) == 0 && !S_ISLNK(found.st_mode))
        return br_fail(BR_E_IO, "%s: is there and is no symbolic link; it is left alone", path);
    /* one name per target, whose lock the caller holds: what a kill leaves is found and replaced */
    folder_of(path, folder);
    if (snprintf(name, sizeof name, "%s/.%s" TEMPORARY_MARK "%s", folder, base_of(path), target) >=
        PATH_MAX)
        BR_FAIL(st, BR_E_IO, "%s: the path is too long", path);
    if (unlink(name) != 0 && errno != ENOENT)
        BR_FAIL(st, BR_E_IO, "%s: cannot remove this temporary link: %s", name, strerror(errno));
    if (symlink(target, name) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot make a symbolic link to %s: %s", path, target,
                strerror(errno));
    has_name = true;
    BR_TRY(st, br_fault_point(BR_FAULT_LATEST_MADE, path));
    if (rename(name, path) != 0)
        st = io_failure(path, "give the link its name", errno, 0);
    has_name = st != BR_OK;
    if (has_name)
        goto done;
    BR_TRY(st, br_fault_point(BR_FAULT_LATEST_NAMED, path));
    BR_TRY(st, br_publish_sync_folder_of(path));
    BR_TRY(st, br_fault_point(BR_FAULT_LATEST_DONE, path));
done:
    if (has_name)
        (void)unlink(name);
    return st;
}

static bool is_same_file(const struct stat *a, const char *path)
{
    struct stat b;

    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

br_status br_publish_check_target(const char *path, const char *const *inputs, int32_t n_inputs)
{
    struct stat info;
    char        folder[PATH_MAX];

    folder_of(path, folder);
    if (stat(folder, &info) != 0)
        return br_fail(BR_E_IO, "%s: its folder %s: %s", path, folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return br_fail(BR_E_IO, "%s: %s is no folder", path, folder);
    if (access(folder, W_OK | X_OK) != 0)
        return br_fail(BR_E_IO, "%s: cannot write to its folder %s: %s", path, folder,
                       strerror(errno));
    if (stat(path, &info) != 0)
        return BR_OK;
    if (!S_ISREG(info.st_mode))
        return br_fail(BR_E_USAGE, "%s: is a %s, expected the name of a file to write", path,
                       S_ISDIR(info.st_mode) ? "folder" : "pipe or device");
    for (int32_t i = 0; i < n_inputs; i++)
        if (inputs[i] != NULL && is_same_file(&info, inputs[i]))
            return br_fail(BR_E_USAGE, "%s: is also the input %s; expected another name", path,
                           inputs[i]);
    return BR_OK;
}

br_status br_publish_check_space(const char *folder, int64_t wanted_bytes)
{
    int64_t     n_free = free_bytes_at(folder);
    struct stat found;

    if (stat(folder, &found) != 0)
        return br_fail(BR_E_IO, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return br_fail(BR_E_IO, "%s: is no folder", folder);
    if (access(folder, W_OK | X_OK) != 0)
        return br_fail(BR_E_IO, "%s: cannot be written to: %s", folder, strerror(errno));
    if (n_free >= 0 && n_free < wanted_bytes)
        return br_fail(BR_E_IO, "%s: %" PRId64 " bytes wanted, %" PRId64 " bytes free", folder,
                       wanted_bytes, n_free);
    return BR_OK;
}
