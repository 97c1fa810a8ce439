/* SPDX-License-Identifier: Apache-2.0
 *
 * The lock of a run directory (flock). Called once per run. */
#include "host/io/run/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "host/base/files/open.h"

#define HOLDER_BYTES 128

static br_status refuse(int fd, const char *path)
{
    char    holder[HOLDER_BYTES] = {0};
    ssize_t n                    = pread(fd, holder, sizeof holder - 1, 0);

    holder[n > 0 ? n : 0]         = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return br_fail(BR_E_USAGE, "%s: another process works in this run directory (%s)", path,
                   holder[0] == '\0' ? "it left no name" : holder);
}

br_status br_lock_take(const char *path, int *fd)
{
    br_status st       = BR_OK;
    char      host[64] = "?", holder[HOLDER_BYTES];
    int       n, locked;

    *fd = br_open(path, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (*fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    do
        locked = flock(*fd, LOCK_EX | LOCK_NB);
    while (locked != 0 && errno == EINTR);
    if (locked != 0 && errno == EWOULDBLOCK) {
        st = refuse(*fd, path);
        goto done;
    }
    if (locked != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot lock: %s", path, strerror(errno));
    (void)gethostname(host, sizeof host - 1);
    n = snprintf(holder, sizeof holder, "process %ld on %s\n", (long)getpid(), host);
    /* only for the message above: the lock holds without it, on a full disk too */
    if (ftruncate(*fd, 0) != 0 || pwrite(*fd, holder, (size_t)n, 0) != n)
        (void)ftruncate(*fd, 0);
done:
    if (st != BR_OK)
        br_lock_drop(fd);
    return st;
}

void br_lock_drop(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}
