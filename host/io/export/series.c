/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a publication, written row by row through one block. Called for every row. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/memory.h"
#include "host/io/export/folder_state.h"

#define BLOCK_BYTES ((size_t)1 << 20)

struct br_export_series {
    br_export_folder *folder;
    br_export_kind    kind;
    char             *header;
    size_t            header_bytes;
    int64_t           n_records;
    int32_t           number; /* of the file */
    int               fd;     /* -1: none is open */
    br_digest        *digest;
    br_export_file    file;
    char              path[PATH_MAX + BR_EXPORT_NAME_BYTES + 1];
    size_t            block_used;
    char             *block;
};

static br_status failure(const br_export_series *s, const char *what)
{
    int            error = errno;
    struct statvfs vfs;

    if ((error == ENOSPC || error == EDQUOT) && statvfs(s->folder->stage, &vfs) == 0)
        return br_fail(BR_E_IO, "%s: cannot %s after %" PRId64 " bytes: %s (%lld bytes free)",
                       s->path, what, s->file.n_bytes, strerror(error),
                       (long long)vfs.f_bavail * (long long)vfs.f_frsize);
    return br_fail(BR_E_IO, "%s: cannot %s after %" PRId64 " bytes: %s", s->path, what,
                   s->file.n_bytes, strerror(error));
}

static br_status flush_block(br_export_series *s)
{
    br_status st = BR_OK;
    size_t    at = 0;

    while (at < s->block_used) {
        ssize_t n = write(s->fd, s->block + at, s->block_used - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return failure(s, "write");
        }
        at += (size_t)n;
    }
    BR_TRY(st, br_digest_add(s->digest, s->block, s->block_used));
    s->block_used = 0;
done:
    return st;
}

static br_status put(br_export_series *s, const char *data, size_t n_bytes)
{
    br_status st = BR_OK;

    s->file.n_bytes += (int64_t)n_bytes;
    while (n_bytes > 0) {
        size_t n = BLOCK_BYTES - s->block_used;
        n        = n < n_bytes ? n : n_bytes;
        memcpy(s->block + s->block_used, data, n);
        s->block_used += n;
        data += n;
        n_bytes -= n;
        if (s->block_used == BLOCK_BYTES)
            BR_TRY(st, flush_block(s));
    }
done:
    return st;
}

static br_status begin_file(br_export_series *s)
{
    br_status st = BR_OK;

    s->number++;
    memset(&s->file, 0, sizeof s->file);
    if (s->kind.split_bytes > 0)
        (void)snprintf(s->file.name, sizeof s->file.name, "%s-%05d.%s", s->kind.stem, s->number,
                       s->kind.extension);
    else
        (void)snprintf(s->file.name, sizeof s->file.name, "%s.%s", s->kind.stem, s->kind.extension);
    (void)snprintf(s->path, sizeof s->path, "%s/%s", s->folder->stage, s->file.name);
    s->fd = br_open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (s->fd < 0) {
        st = failure(s, "create the file");
        goto done;
    }
    BR_TRY(st, br_digest_start(&s->digest));
    BR_TRY(st, put(s, s->header, s->header_bytes));
done:
    return st;
}

/* fsync is tried once: a second call may report success for bytes that are lost. */
static br_status end_file(br_export_series *s)
{
    br_status st = BR_OK;
    int       closed;

    BR_TRY(st, flush_block(s));
    if (fsync(s->fd) != 0) {
        st = failure(s, "flush to disk");
        goto done;
    }
    closed = close(s->fd);
    s->fd  = -1;
    if (closed != 0 && errno != EINTR) {
        st = failure(s, "close");
        goto done;
    }
    BR_TRY(st, br_digest_end(&s->digest, s->file.sha256));
    BR_TRY(st, br_export_note(s->folder, &s->file));
done:
    return st;
}

br_status br_export_open(br_export_folder *folder, br_export_kind kind, const char *header,
                         size_t header_bytes, br_export_series **out)
{
    br_status         st = BR_OK;
    br_export_series *s  = NULL;

    *out = NULL;
    BR_ALLOC(st, s, 1, "series of files");
    s->folder       = folder;
    s->kind         = kind;
    s->header_bytes = header_bytes;
    s->fd           = -1;
    BR_ALLOC(st, s->block, (int64_t)BLOCK_BYTES, "block of a file");
    BR_ALLOC(st, s->header, (int64_t)header_bytes, "header of a file");
    if (header_bytes > 0)
        memcpy(s->header, header, header_bytes);
    BR_TRY(st, begin_file(s));
    *out = s;
    s    = NULL;
done:
    br_export_close(&s);
    return st;
}

br_status br_export_add(br_export_series *s, const char *record, size_t n_bytes, int64_t n_rows)
{
    br_status st    = BR_OK;
    int64_t   limit = s->kind.split_bytes;

    if (limit > 0 && (int64_t)(s->header_bytes + n_bytes) > limit)
        BR_FAIL(st, BR_E_USAGE,
                "%s: a header of %zu and a record of %zu bytes do not fit into files of %" PRId64
                " bytes",
                s->file.name, s->header_bytes, n_bytes, limit);
    if (limit > 0 && s->file.n_bytes + (int64_t)n_bytes > limit) {
        BR_TRY(st, end_file(s));
        BR_TRY(st, begin_file(s));
    }
    BR_TRY(st, put(s, record, n_bytes));
    s->file.n_rows += n_rows;
    s->n_records++;
done:
    return st;
}

br_status br_export_finish(br_export_series *s, int64_t *n_records)
{
    br_status st = BR_OK;

    BR_TRY(st, end_file(s));
    *n_records = s->n_records;
done:
    return st;
}

void br_export_close(br_export_series **series)
{
    br_export_series *s = *series;

    if (s == NULL)
        return;
    if (s->fd >= 0)
        (void)close(s->fd); /* unfinished; it goes with its folder */
    br_digest_drop(&s->digest);
    br_free(&s->header);
    br_free(&s->block);
    br_free(series);
}
