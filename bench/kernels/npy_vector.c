/* SPDX-License-Identifier: Apache-2.0
 *
 * See npy_vector.h. Version 1 files only: what numpy.save writes for plain vectors. */
#include "bench/kernels/npy_vector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

#define PREFACE_BYTES    10
#define MAX_HEADER_BYTES 4096

/* Reads the header, leaves the file at the first element. */
static br_status read_head(FILE *file, const char *path, const char *descr, int64_t *n)
{
    br_status     st = BR_OK;
    unsigned char preface[PREFACE_BYTES];
    char          head[MAX_HEADER_BYTES + 1], wanted[32];
    const char   *shape;
    char         *end     = NULL;
    size_t        n_bytes = 0;

    if (fread(preface, 1, sizeof preface, file) != sizeof preface ||
        memcmp(preface, "\x93NUMPY\x01", 7) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: not a version 1 .npy file", path);
    n_bytes = preface[8] + 256u * preface[9];
    if (n_bytes > MAX_HEADER_BYTES || fread(head, 1, n_bytes, file) != n_bytes)
        BR_FAIL(st, BR_E_INPUT, "%s: its header ends early", path);
    head[n_bytes] = '\0';
    (void)snprintf(wanted, sizeof wanted, "'descr': '%s'", descr);
    shape = strstr(head, "'shape': (");
    if (strstr(head, wanted) == NULL || shape == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: expected elements %s, found %s", path, descr, head);
    *n = strtoll(shape + strlen("'shape': ("), &end, 10);
    if (*n < 0 || strncmp(end, ",)", 2) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: expected one dimension, found %s", path, head);
done:
    return st;
}

br_status br_npy_vector(const char *path, const char *descr, void **out, int64_t *n)
{
    br_status st            = BR_OK;
    size_t    element_bytes = (size_t)(descr[2] - '0');
    void     *data          = NULL;
    FILE     *file          = fopen(path, "rb");

    *out = NULL;
    if (file == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot open", path);
    BR_TRY(st, read_head(file, path, descr, n));
    BR_TRY(st, br_alloc(*n, element_bytes, path, &data));
    if (*n > 0 && fread(data, element_bytes, (size_t)*n, file) != (size_t)*n)
        BR_FAIL(st, BR_E_INPUT, "%s: ends before element %lld", path, (long long)*n);
    *out = data;
    data = NULL;
done:
    br_free(&data);
    if (file != NULL)
        (void)fclose(file);
    return st;
}
