/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy headers and rows. The header is parsed once per file, rows are read in blocks. */
#include "host/io/matrix/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/files/open.h"

#define MAX_HEADER_BYTES 4096

static br_status read_at(int fd, const char *path, int64_t at, size_t n_bytes, void *to)
{
    size_t done = 0;

    while (done < n_bytes) {
        ssize_t n = pread(fd, (char *)to + done, n_bytes - done, (off_t)at + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return br_fail(BR_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            return br_fail(BR_E_INPUT,
                           "%s: found the end of the file at byte %lld, expected %zu "
                           "more",
                           path, (long long)at + (long long)done, n_bytes - done);
        done += (size_t)n;
    }
    return BR_OK;
}

/* The text after 'key': in the header dictionary; NULL when absent. */
static const char *value_of(const char *header, const char *key)
{
    char        quoted[32];
    const char *at;

    (void)snprintf(quoted, sizeof quoted, "'%s':", key);
    at = strstr(header, quoted);
    if (at == NULL)
        return NULL;
    at += strlen(quoted);
    return at + strspn(at, " ");
}

static bool parse_dtype(const char *at, br_npy *out)
{
    const char *end;

    if (at == NULL || *at != '\'')
        return false;
    end = strchr(at + 1, '\'');
    if (end == NULL || end - at - 1 < 3 || end - at - 1 >= (int)sizeof out->dtype)
        return false;
    memcpy(out->dtype, at + 1, (size_t)(end - at - 1));
    out->item_bytes = atoi(out->dtype + 2);
    if (out->dtype[1] == 'U')
        out->item_bytes *= 4;
    return out->item_bytes > 0 && out->item_bytes <= 4096;
}

static bool parse_count(const char **at, int64_t *out)
{
    char     *end;
    long long n;

    errno = 0;
    n     = strtoll(*at, &end, 10);
    if (end == *at || errno != 0 || n < 0)
        return false;
    *out = n;
    *at  = end + strspn(end, " ");
    return true;
}

/* "(3,)" or "(3, 4)" */
static bool parse_shape(const char *at, br_npy *out)
{
    if (at == NULL || *at != '(')
        return false;
    at++;
    out->n_cols = 1;
    if (!parse_count(&at, &out->n_rows) || *at != ',')
        return false;
    at++;
    at += strspn(at, " ");
    if (*at == ')')
        return true;
    return parse_count(&at, &out->n_cols) && *at == ')';
}

static br_status parse_header(const char *path, const char *header, br_npy *out)
{
    const char *order = value_of(header, "fortran_order");

    if (order == NULL || !parse_dtype(value_of(header, "descr"), out))
        return br_fail(BR_E_INPUT, "%s: the .npy header has no plain 'descr' and 'fortran_order'",
                       path);
    if (strncmp(order, "False", 5) != 0)
        return br_fail(BR_E_INPUT,
                       "%s: found Fortran order, expected C order: save "
                       "numpy.ascontiguousarray(x)",
                       path);
    if (!parse_shape(value_of(header, "shape"), out))
        return br_fail(BR_E_INPUT, "%s: found shape %.40s, expected one or two dimensions", path,
                       value_of(header, "shape") ? value_of(header, "shape") : "none");
    return BR_OK;
}

static br_status check_size(const char *path, int64_t file_bytes, const br_npy *npy)
{
    int64_t row_bytes, expected;

    if (npy->n_rows == INT64_MAX || npy->n_cols > INT64_MAX / 2 / 4096 / (npy->n_rows + 1))
        return br_fail(BR_E_INPUT, "%s: shape [%lld, %lld] cannot be addressed", path,
                       (long long)npy->n_rows, (long long)npy->n_cols);
    row_bytes = npy->n_cols * npy->item_bytes;
    expected  = npy->data_at + npy->n_rows * row_bytes;
    if (file_bytes != expected)
        return br_fail(BR_E_INPUT, "%s: found %lld bytes, expected %lld for [%lld, %lld] of %s",
                       path, (long long)file_bytes, (long long)expected, (long long)npy->n_rows,
                       (long long)npy->n_cols, npy->dtype);
    return BR_OK;
}

static br_status read_header(const char *path, int64_t file_bytes, br_npy *out)
{
    br_status     st = BR_OK;
    unsigned char start[12];
    char          header[MAX_HEADER_BYTES + 1];
    size_t        n_bytes;

    if (file_bytes < 12)
        return br_fail(BR_E_INPUT, "%s: found %lld bytes, expected a .npy file", path,
                       (long long)file_bytes);
    BR_TRY(st, read_at(out->fd, path, 0, sizeof start, start));
    if (memcmp(start, "\x89HDF\r\n\x1a\n", 8) == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is an HDF5 file; expected the dataset too: %s:/dataset", path,
                path);
    if (memcmp(start, "\x93NUMPY", 6) != 0 || start[6] < 1 || start[6] > 3)
        BR_FAIL(st, BR_E_INPUT, "%s: not a .npy file of format 1, 2 or 3", path);
    n_bytes = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] > 1)
        n_bytes |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    out->data_at = (start[6] > 1 ? 12 : 10) + (int64_t)n_bytes;
    if (n_bytes > MAX_HEADER_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: found a header of %zu bytes, expected at most %d", path,
                n_bytes, MAX_HEADER_BYTES);
    BR_TRY(st, read_at(out->fd, path, out->data_at - (int64_t)n_bytes, n_bytes, header));
    header[n_bytes] = '\0';
    BR_TRY(st, parse_header(path, header, out));
    BR_TRY(st, check_size(path, file_bytes, out));
done:
    return st;
}

br_status br_npy_open(const char *path, br_npy *out)
{
    br_status   st = BR_OK;
    struct stat info;

    *out    = (br_npy){.fd = -1};
    out->fd = br_open(path, O_RDONLY | O_NONBLOCK);
    if (out->fd < 0 || fstat(out->fd, &info) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        BR_FAIL(st, BR_E_IO, "%s: found a %s, expected a file", path,
                S_ISDIR(info.st_mode) ? "folder" : "pipe or device");
    BR_TRY(st, read_header(path, (int64_t)info.st_size, out));
done:
    if (st != BR_OK)
        br_npy_close(out);
    return st;
}

void br_npy_close(br_npy *npy)
{
    if (npy->fd > 0)
        (void)close(npy->fd);
    npy->fd = -1;
}

br_status br_npy_read(const br_npy *npy, const char *path, int64_t row, int64_t n_rows, void *to)
{
    int64_t row_bytes = npy->n_cols * npy->item_bytes;

    return read_at(npy->fd, path, npy->data_at + row * row_bytes, (size_t)(n_rows * row_bytes), to);
}
