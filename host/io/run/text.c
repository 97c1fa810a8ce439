/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing and reading text. Called for receipts, manifests and audit lines; never per customer. */
#include "host/io/run/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIN_BYTES ((size_t)4096)

static br_status grow(br_text *text, size_t n_more)
{
    size_t wanted = text->n_bytes + n_more + 1;
    size_t bytes  = text->capacity_bytes < MIN_BYTES ? MIN_BYTES : text->capacity_bytes;
    char  *data;

    if (wanted <= text->capacity_bytes)
        return BR_OK;
    while (bytes < wanted)
        bytes *= 2;
    data = realloc(text->data, bytes);
    if (data == NULL)
        return br_fail(BR_E_MEMORY, "text: cannot allocate %zu bytes", bytes);
    text->data           = data;
    text->capacity_bytes = bytes;
    return BR_OK;
}

br_status br_text_add_bytes(br_text *text, const char *data, size_t n_bytes)
{
    br_status st = grow(text, n_bytes);

    if (st != BR_OK)
        return st;
    memcpy(text->data + text->n_bytes, data, n_bytes);
    text->n_bytes += n_bytes;
    text->data[text->n_bytes] = '\0';
    return BR_OK;
}

br_status br_text_add(br_text *text, const char *fmt, ...)
{
    br_status st;
    va_list   args;
    int       n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    st = n < 0 ? br_fail(BR_E_SELFCHECK, "text: bad format %s", fmt) : grow(text, (size_t)n);
    if (st != BR_OK)
        return st;
    va_start(args, fmt);
    (void)vsnprintf(text->data + text->n_bytes, (size_t)n + 1, fmt, args);
    va_end(args);
    text->n_bytes += (size_t)n;
    return BR_OK;
}

void br_text_free(br_text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}

static br_status read_all(int fd, const char *path, size_t max_bytes, br_text *out)
{
    for (;;) {
        br_status st = grow(out, MIN_BYTES);
        ssize_t   n;
        if (st != BR_OK)
            return st;
        n = read(fd, out->data + out->n_bytes, out->capacity_bytes - out->n_bytes - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return br_fail(BR_E_IO, "%s: cannot read: %s", path, strerror(errno));
        out->n_bytes += (size_t)n;
        out->data[out->n_bytes] = '\0';
        if (out->n_bytes > max_bytes)
            return br_fail(BR_E_INPUT, "%s: longer than %zu bytes", path, max_bytes);
        if (n == 0)
            return BR_OK;
    }
}

br_status br_text_read(const char *path, size_t max_bytes, br_text *out)
{
    br_status st = BR_OK;
    int       fd;

    memset(out, 0, sizeof *out);
    do
        fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    BR_TRY(st, read_all(fd, path, max_bytes, out));
done:
    if (fd >= 0)
        (void)close(fd);
    if (st != BR_OK)
        br_text_free(out);
    return st;
}
