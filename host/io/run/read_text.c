/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading text. Called for receipts, manifests and the audit log; never per customer. */
#include "host/io/run/read_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/base/files/open.h"

#define BLOCK_BYTES 4096

static br_status read_all(int fd, const char *path, size_t max_bytes, br_strbuf *out)
{
    for (;;) {
        char    block[BLOCK_BYTES];
        ssize_t n = read(fd, block, sizeof block);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return br_fail(BR_E_IO, "%s: cannot read: %s", path, strerror(errno));
        br_strbuf_add_bytes(out, block, (size_t)n);
        if (out->n_bytes > max_bytes)
            return br_fail(BR_E_INPUT, "%s: longer than %zu bytes", path, max_bytes);
        if (n == 0 || out->has_failed)
            return br_strbuf_check(out);
    }
}

br_status br_text_read(const char *path, size_t max_bytes, br_strbuf *out)
{
    br_status st = BR_OK;
    int       fd;

    *out = (br_strbuf){0};
    fd   = br_open(path, O_RDONLY);
    if (fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    BR_TRY(st, read_all(fd, path, max_bytes, out));
done:
    if (fd >= 0)
        (void)close(fd);
    if (st != BR_OK)
        br_strbuf_free(out);
    return st;
}
