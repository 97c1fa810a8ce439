/* SPDX-License-Identifier: Apache-2.0
 *
 * What files say of themselves: headers of .npy and .safetensors.
 * Called once, by `info`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/file_kind.h"

#define MAX_HEADER_BYTES ((uint64_t)100 << 20)
#define NPY_START_BYTES  12

static uint64_t little_endian(const uint8_t *bytes, int n)
{
    uint64_t value = 0;

    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* Where the header begins, and its length. */
static br_status locate(FILE *file, const char *path, br_file_kind kind, long *at, uint64_t *n)
{
    uint8_t start[NPY_START_BYTES] = {0};

    if (fread(start, 1, sizeof start, file) < 10)
        return br_fail(BR_E_INPUT, "%s: ends in its first bytes", path);
    if (kind == BR_KIND_SAFETENSORS) {
        *at = 8;
        *n  = little_endian(start, 8);
    } else if (start[6] == 1) {
        *at = 10;
        *n  = little_endian(start + 8, 2);
    } else {
        *at = NPY_START_BYTES;
        *n  = little_endian(start + 8, 4);
    }
    if (*n > MAX_HEADER_BYTES)
        return br_fail(BR_E_INPUT, "%s: a header of %" PRIu64 " bytes", path, *n);
    return BR_OK;
}

br_status br_file_header(const char *path, br_file_kind kind, char **text, size_t *n_bytes)
{
    br_status st     = BR_OK;
    char     *header = NULL;
    FILE     *file   = fopen(path, "rbe");
    uint64_t  n      = 0;
    long      at     = 0;

    *text = NULL;
    if (file == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    BR_TRY(st, locate(file, path, kind, &at, &n));
    BR_TRY(st, br_alloc((int64_t)n + 1, 1, "header of a file", (void **)&header));
    if (fseek(file, at, SEEK_SET) != 0 || fread(header, 1, n, file) != n)
        BR_FAIL(st, ferror(file) != 0 ? BR_E_IO : BR_E_INPUT,
                "%s: ends before its header of %" PRIu64 " bytes does", path, n);
    *text    = header;
    *n_bytes = n;
    header   = NULL;
done:
    br_free(&header);
    if (file != NULL)
        (void)fclose(file);
    return st;
}
