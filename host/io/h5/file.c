/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening an HDF5 input. The first bytes are read by us, so that the usual damage (truncation, a
 * killed writer, another format) gets a sentence of its own before the library sees the file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/inputs/stand_in.h"
#include "host/base/memory.h"
#include "host/io/h5/inner.h"

#define HEAD_BYTES      64
#define CORE_STEP_BYTES 65536

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

static const char *kind_text(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return "a device";
    if (S_ISSOCK(mode))
        return "a socket";
    return "no regular file";
}

static uint64_t u64_at(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

/* No signature at 0: another format, or a user block before it (at 512, 1024, ...). */
static br_status fail_signature(const char *path, int fd, const uint8_t head[HEAD_BYTES], off_t n)
{
    uint8_t bytes[8];

    for (off_t at = 512; at < n && at <= ((off_t)1 << 30); at *= 2)
        if (pread(fd, bytes, sizeof bytes, at) == (ssize_t)sizeof bytes &&
            memcmp(bytes, signature, sizeof signature) == 0)
            return br_fail(BR_E_INPUT, "%s: has a user block of %lld bytes; expected none", path,
                           (long long)at);
    return br_fail(BR_E_INPUT,
                   "%s: not an HDF5 file: starts with bytes %02x %02x %02x %02x, expected 89 48 44 "
                   "46",
                   path, head[0], head[1], head[2], head[3]);
}

/* The superblock: versions 0 and 1 hold base, free space, end; 2 and 3 flags, base, ext, end. */
static br_status check_superblock(const char *path, const uint8_t head[HEAD_BYTES], off_t n)
{
    int      version    = head[8];
    int      offsets_at = version < 2 ? 13 : 9;
    int      base_at    = version == 0 ? 24 : version == 1 ? 28 : 12;
    uint64_t end_bytes;

    if (version > 3)
        return br_fail(BR_E_INPUT, "%s: superblock version %d; versions 0 to 3 are read", path,
                       version);
    if (head[offsets_at] != 8 || head[offsets_at + 1] != 8)
        return br_fail(BR_E_INPUT, "%s: offsets of %d and lengths of %d bytes; expected 8 and 8",
                       path, head[offsets_at], head[offsets_at + 1]);
    if (version >= 2 && head[11] != 0)
        return br_fail(BR_E_INPUT,
                       "%s: still open for write, or its writer was killed (consistency flag "
                       "0x%02x, expected 0): write the file again",
                       path, head[11]);
    if (u64_at(head + base_at) != 0)
        return br_fail(BR_E_INPUT, "%s: base address %llu; expected 0 (no user block)", path,
                       (unsigned long long)u64_at(head + base_at));
    end_bytes = u64_at(head + base_at + 16);
    if (end_bytes > (uint64_t)n)
        return br_fail(BR_E_INPUT, "%s: truncated: has %lld bytes, its header says %llu", path,
                       (long long)n, (unsigned long long)end_bytes);
    if (end_bytes < (uint64_t)n)
        return br_fail(BR_E_INPUT, "%s: has %lld bytes, %llu more than its header says", path,
                       (long long)n, (unsigned long long)((uint64_t)n - end_bytes));
    return BR_OK;
}

/* Up to HEAD_BYTES from the start; fewer only at the end of the file; -1 with errno. */
static ssize_t read_head(int fd, uint8_t head[HEAD_BYTES])
{
    ssize_t n = 0;

    while (n < HEAD_BYTES) {
        ssize_t more = pread(fd, head + n, (size_t)(HEAD_BYTES - n), n);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        n += more;
    }
    return n;
}

static br_status check_head(const char *path, struct stat *stat_out)
{
    br_status st               = BR_OK;
    uint8_t   head[HEAD_BYTES] = {0};
    ssize_t   n_read;
    int       fd = br_open(br_stand_in(path), O_RDONLY | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(fd, stat_out) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot stat: %s", path, strerror(errno));
    if (!S_ISREG(stat_out->st_mode))
        BR_FAIL(st, BR_E_IO, "%s: is %s; expected an HDF5 file", path,
                kind_text(stat_out->st_mode));
    if (stat_out->st_size == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is empty; expected an HDF5 file", path);
    n_read = read_head(fd, head);
    if (n_read < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot read: %s", path, strerror(errno));
    if (memcmp(head, signature, sizeof signature) != 0) {
        if (n_read < 8 && memcmp(head, signature, (size_t)n_read) == 0)
            BR_FAIL(st, BR_E_INPUT, "%s: truncated: has %lld bytes", path, (long long)n_read);
        BR_TRY(st, fail_signature(path, fd, head, stat_out->st_size));
    }
    if (n_read < HEAD_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: truncated: has %lld bytes, less than an HDF5 header", path,
                (long long)n_read);
    BR_TRY(st, check_superblock(path, head, stat_out->st_size));
done:
    if (fd >= 0)
        close(fd);
    return st;
}

bool br_h5_is(const char *path)
{
    uint8_t head[sizeof signature];
    bool    is = false;
    int     fd = br_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0) {
        is = pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
             memcmp(head, signature, sizeof head) == 0;
        close(fd);
    }
    return is;
}

/* Plain system calls, read-only, no locks: inputs may lie on read-only and network file systems,
 * and a change while reading is found by looking at the file again. */
static br_status library_open(br_h5_file *file)
{
    br_status   st = BR_OK;
    char        reason[BR_H5_COMPLAINT_BYTES];
    const char *place  = br_stand_in(file->path);
    hid_t       access = H5Pcreate(H5P_FILE_ACCESS);
    herr_t      driver;

    file->is_stand_in = strcmp(place, file->path) != 0;
    /* sec2 wants the real path of what it opens; memory has none */
    driver = file->is_stand_in ? H5Pset_fapl_core(access, CORE_STEP_BYTES, false)
                               : H5Pset_fapl_sec2(access);
    if (access < 0 || driver < 0 || H5Pset_file_locking(access, 0, 1) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0)
        BR_FAIL(st, BR_E_MEMORY, "%s: cannot prepare to open: %s", file->path,
                br_h5_complaint(reason));
    file->id = H5Fopen(place, H5F_ACC_RDONLY, access);
    if (file->id < 0)
        BR_TRY(st, br_h5_blame(file, "/", "damaged, cannot be opened as HDF5"));
    BR_TRY(st, br_h5_check_unchanged(file));
done:
    if (access >= 0)
        H5Pclose(access);
    return st;
}

br_status br_h5_open(const char *path, br_h5_file **out)
{
    br_status   st   = BR_OK;
    br_h5_file *file = NULL;

    *out = NULL;
    st   = br_h5_setup();
    if (st != BR_OK)
        return st;
    br_h5_enter();
    BR_ALLOC(st, file, 1, "HDF5 file");
    file->id = -1;
    BR_ALLOC(st, file->path, (int64_t)strlen(path) + 1, "path");
    strcpy(file->path, path);
    BR_ALLOC(st, file->access, 1, "record of an HDF5 file");
    BR_TRY(st, check_head(path, &file->opened));
    BR_TRY(st, library_open(file));
    *out = file;
    file = NULL;
done:
    br_h5_close(&file);
    br_h5_leave();
    return st;
}

void br_h5_close(br_h5_file **file)
{
    if (*file == NULL)
        return;
    br_h5_enter();
    if ((*file)->id >= 0)
        H5Fclose((*file)->id);
    br_h5_leave();
    if ((*file)->access != NULL) {
        br_names_free(&(*file)->access->denied);
        br_names_free(&(*file)->access->opened);
    }
    br_free(&(*file)->access);
    br_free(&(*file)->object);
    br_free(&(*file)->path);
    br_free(file);
}

const char *br_h5_path(const br_h5_file *file)
{
    return file->path;
}

br_status br_h5_check_unchanged(const br_h5_file *file)
{
    struct stat now;
    int        *fd = NULL;

    if (file->is_stand_in) /* nobody else can write to it */
        return BR_OK;
    if (H5Fget_vfd_handle(file->id, H5P_DEFAULT, (void **)&fd) < 0 || fstat(*fd, &now) != 0)
        return br_fail(BR_E_IO, "%s: cannot stat while reading: %s", file->path, strerror(errno));
    if (now.st_dev != file->opened.st_dev || now.st_ino != file->opened.st_ino)
        return br_fail(BR_E_INPUT, "%s: was replaced while being opened", file->path);
    if (now.st_size != file->opened.st_size || now.st_mtim.tv_sec != file->opened.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != file->opened.st_mtim.tv_nsec)
        return br_fail(BR_E_INPUT,
                       "%s: changed while being read (was %lld bytes, is %lld): start again when "
                       "its writer is done",
                       file->path, (long long)file->opened.st_size, (long long)now.st_size);
    return BR_OK;
}
