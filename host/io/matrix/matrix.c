/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain float32 matrices and keys from .npy files, HDF5 datasets and text. Opened once, read in
 * blocks of rows. */
#include "host/io/matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/strbuf.h"
#include "host/io/h5.h"
#include "host/io/matrix/npy.h"
#include "host/io/matrix/text_keys.h"
#include "host/io/publish.h"

struct br_matrix {
    char          *where;
    int64_t        n_rows;
    int64_t        n_cols;
    br_npy         npy; /* fd -1: HDF5 */
    br_h5_file    *file;
    br_h5_dataset *set;
};

bool br_matrix_split_h5(const char *where, char *path, size_t path_bytes, const char **dataset)
{
    const char *colon = strstr(where, ":/");

    /* the last ":/" whose left side ends like a file name */
    while (colon != NULL && strstr(colon + 1, ":/") != NULL)
        colon = strstr(colon + 1, ":/");
    if (colon == NULL || (size_t)(colon - where) >= path_bytes)
        return false;
    (void)snprintf(path, path_bytes, "%.*s", (int)(colon - where), where);
    *dataset = colon + 1;
    return true;
}

static br_status open_h5(br_matrix *m, const char *path, const char *dataset)
{
    br_status        st   = BR_OK;
    const br_h5_want want = {.path = dataset, .type = BR_H5_F32, .n_rows = -1, .n_cols = -1};

    BR_TRY(st, br_h5_setup());
    BR_TRY(st, br_h5_open(path, &m->file));
    BR_TRY(st, br_h5_dataset_open(m->file, &want, &m->set));
    m->n_rows = m->set->n_rows;
    m->n_cols = m->set->n_cols;
done:
    return st;
}

static br_status open_npy(br_matrix *m, const char *path)
{
    br_status st = BR_OK;

    BR_TRY(st, br_npy_open(path, &m->npy));
    if (strcmp(m->npy.dtype, "<f4") != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: found dtype '%s', expected '<f4': save x.astype('float32')",
                path, m->npy.dtype);
    if (m->npy.n_cols < 1)
        BR_FAIL(st, BR_E_INPUT, "%s: found %lld columns, expected at least 1", path,
                (long long)m->npy.n_cols);
    m->n_rows = m->npy.n_rows;
    m->n_cols = m->npy.n_cols;
done:
    return st;
}

br_status br_matrix_open(const char *where, br_matrix **out)
{
    br_status   st = BR_OK;
    br_matrix  *m  = NULL;
    char        path[4096];
    const char *dataset;

    *out = NULL;
    BR_ALLOC(st, m, 1, "matrix");
    m->npy.fd = -1;
    m->where  = strdup(where);
    if (m->where == NULL)
        BR_FAIL(st, BR_E_MEMORY, "cannot hold the name of %s", where);
    if (br_matrix_split_h5(where, path, sizeof path, &dataset))
        BR_TRY(st, open_h5(m, path, dataset));
    else
        BR_TRY(st, open_npy(m, where));
    *out = m;
    m    = NULL;
done:
    br_matrix_close(&m);
    return st;
}

void br_matrix_close(br_matrix **matrix)
{
    if (*matrix == NULL)
        return;
    br_npy_close(&(*matrix)->npy);
    br_h5_dataset_close(&(*matrix)->set);
    br_h5_close(&(*matrix)->file);
    free((*matrix)->where);
    br_free(matrix);
}

int64_t br_matrix_n_rows(const br_matrix *matrix)
{
    return matrix->n_rows;
}

int64_t br_matrix_n_cols(const br_matrix *matrix)
{
    return matrix->n_cols;
}

br_status br_matrix_read(br_matrix *m, int64_t row, int64_t n_rows, float *to)
{
    br_status st = BR_OK;

    if (row < 0 || n_rows < 0 || row + n_rows > m->n_rows)
        BR_FAIL(st, BR_E_INPUT, "%s: rows %lld..%lld asked for, found %lld rows", m->where,
                (long long)row, (long long)(row + n_rows - 1), (long long)m->n_rows);
    if (m->set != NULL)
        BR_TRY(st, br_h5_read(m->set, row, n_rows, to));
    else
        BR_TRY(st, br_npy_read(&m->npy, m->where, row, n_rows, to));
    for (int64_t i = 0; i < n_rows * m->n_cols; i++)
        if (!isfinite(to[i]))
            BR_FAIL(st, BR_E_INPUT, "%s: row %lld column %lld: found %g, expected a finite number",
                    m->where, (long long)(row + i / m->n_cols), (long long)(i % m->n_cols),
                    (double)to[i]);
done:
    return st;
}

static br_status keys_from_npy(const char *path, br_keys *out)
{
    br_status st  = BR_OK;
    br_npy    npy = {.fd = -1};

    BR_TRY(st, br_npy_open(path, &npy));
    out->is_number = strcmp(npy.dtype, "<u8") == 0 || strcmp(npy.dtype, "<i8") == 0;
    if ((!out->is_number && strncmp(npy.dtype, "|S", 2) != 0) || npy.n_cols != 1)
        BR_FAIL(st, BR_E_INPUT,
                "%s: found dtype '%s' and %lld columns, expected one dimension of "
                "'S<n>', 'uint64' or 'int64'",
                path, npy.dtype, (long long)npy.n_cols);
    if (npy.item_bytes > BR_H5_MAX_KEY_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: found keys of %d bytes, expected at most %d", path,
                npy.item_bytes, BR_H5_MAX_KEY_BYTES);
    out->width_bytes = npy.item_bytes;
    out->n_keys      = npy.n_rows;
    BR_TRY(st, br_alloc(npy.n_rows, (size_t)npy.item_bytes, "keys", (void **)&out->data));
    BR_TRY(st, br_npy_read(&npy, path, 0, npy.n_rows, out->data));
    for (int64_t i = 0; npy.dtype[1] == 'i' && i < npy.n_rows; i++) /* little-endian: last byte */
        if (out->data[i * 8 + 7] & 0x80)
            BR_FAIL(st, BR_E_INPUT, "%s: row %lld: found a negative key, expected 0 or more", path,
                    (long long)i);
done:
    br_npy_close(&npy);
    return st;
}

static br_status keys_from_h5(const char *path, const char *dataset, br_keys *out)
{
    br_status        st   = BR_OK;
    br_h5_file      *file = NULL;
    br_h5_dataset   *set  = NULL;
    const br_h5_want want = {.path = dataset, .type = BR_H5_KEY, .rank = 1, .n_rows = -1};

    BR_TRY(st, br_h5_setup());
    BR_TRY(st, br_h5_open(path, &file));
    BR_TRY(st, br_h5_dataset_open(file, &want, &set));
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, out));
done:
    br_h5_dataset_close(&set);
    br_h5_close(&file);
    return st;
}

static bool is_npy_name(const char *path)
{
    size_t n = strlen(path);

    return n >= 4 && strcmp(path + n - 4, ".npy") == 0;
}

br_status br_matrix_read_keys(const char *where, int64_t n_wanted, br_keys *out)
{
    br_status   st = BR_OK;
    char        path[4096];
    const char *dataset;

    *out = (br_keys){0};
    if (br_matrix_split_h5(where, path, sizeof path, &dataset))
        BR_TRY(st, keys_from_h5(path, dataset, out));
    else if (is_npy_name(where))
        BR_TRY(st, keys_from_npy(where, out));
    else
        BR_TRY(st, br_text_keys_read(where, out));
    if (out->n_keys != n_wanted)
        BR_FAIL(st, BR_E_INPUT, "%s: found %lld keys, expected %lld, one per row", where,
                (long long)out->n_keys, (long long)n_wanted);
done:
    if (st != BR_OK)
        br_keys_free(out);
    return st;
}

br_status br_matrix_write_npy(const char *path, const float *x, int64_t n)
{
    static const char start[] = "\x93NUMPY\x01\x00\x76\x00"; /* version 1.0, 118 bytes of header */
    br_status         st      = BR_OK;
    br_strbuf         text    = {0};
    char              header[119];
    int               used;

    used = snprintf(header, sizeof header,
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld,), }", (long long)n);
    memset(header + used, ' ', sizeof header - 1 - (size_t)used);
    header[117] = '\n';
    br_strbuf_add_bytes(&text, start, sizeof start - 1);
    br_strbuf_add_bytes(&text, header, sizeof header - 1);
    br_strbuf_add_bytes(&text, (const char *)x, (size_t)n * sizeof *x);
    BR_TRY(st, br_strbuf_check(&text));
    BR_TRY(st, br_publish_file(path, text.data, text.n_bytes));
done:
    br_strbuf_free(&text);
    return st;
}
