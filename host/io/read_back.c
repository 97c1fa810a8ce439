/* SPDX-License-Identifier: Apache-2.0
 *
 * Does the disk have what was published? Called once per part. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/watch/watch.h"
#include "host/io/publish.h"

static br_status open_from_disk(const char *path, int *fd)
{
    *fd = br_open(path, O_RDONLY);
    if (*fd < 0)
        return br_fail(BR_E_IO, "%s: was published, and cannot be read back: %s", path,
                       strerror(errno));
    (void)posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED); /* clean since its fsync */
    return BR_OK;
}

br_status br_publish_read_back(const char *path, const char *sha256)
{
    br_status st = BR_OK;
    char      found[BR_DIGEST_TEXT_BYTES];
    int       fd;

    BR_TRY(st, open_from_disk(path, &fd));
    (void)close(fd);
    BR_TRY(st, br_digest_file(path, found));
    if (strcmp(found, sha256) != 0)
        BR_FAIL(st, BR_E_SELFCHECK,
                "%s: read back it has SHA-256 %s, expected %s as written: disk or memory erred",
                path, found, sha256);
done:
    return st;
}

static br_status compare(int fd, const char *path, const unsigned char *data, size_t n_bytes)
{
    unsigned char piece[1 << 16];
    size_t        at = 0;
    ssize_t       n;

    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return br_fail(BR_E_IO, "%s: was published, and cannot be read back: %s", path,
                           strerror(errno));
        if ((size_t)n > n_bytes - at || memcmp(piece, data + at, (size_t)n) != 0)
            return br_fail(BR_E_SELFCHECK,
                           "%s: read back it has other bytes than were written, from %zu to %zu at "
                           "the latest: disk or memory erred",
                           path, at, at + (size_t)n);
        at += (size_t)n;
        br_watch_tick();
    }
    if (at < n_bytes)
        return br_fail(BR_E_SELFCHECK, "%s: read back it has %zu bytes, expected %zu", path, at,
                       n_bytes);
    return BR_OK;
}

br_status br_publish_read_bytes_back(const char *path, const void *data, size_t n_bytes)
{
    br_status st = BR_OK;
    int       fd;

    BR_TRY(st, open_from_disk(path, &fd));
    st = compare(fd, path, data, n_bytes);
    (void)close(fd);
done:
    return st;
}
