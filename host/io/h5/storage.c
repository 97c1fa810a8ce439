/* SPDX-License-Identifier: Apache-2.0
 *
 * How a dataset is stored: filters, chunks, and whether the bytes it declares are there at all. A
 * 1,400-byte file can declare 8 TiB; it is refused here, before anything is allocated. */
#include "host/io/h5/inner.h"

#define MAX_FILTERS 3

static br_status check_filters(const br_h5_dataset *set, hid_t creation)
{
    int n_filters = H5Pget_nfilters(creation);

    if (n_filters < 0 || n_filters > MAX_FILTERS)
        return br_fail(BR_E_INPUT, "%s: %s: %d filters; at most %d", br_h5_path(set->file),
                       set->path, n_filters, MAX_FILTERS);
    for (int i = 0; i < n_filters; i++) {
        unsigned     flags, config, values[32];
        size_t       n_values = sizeof values / sizeof values[0];
        char         name[64] = "";
        H5Z_filter_t filter   = H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, values,
                                               sizeof name, name, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            return br_fail(BR_E_INPUT,
                           "%s: %s: filter %d (%.63s); expected only shuffle, deflate, Fletcher32",
                           br_h5_path(set->file), set->path, (int)filter, name);
    }
    return BR_OK;
}

/* Bytes of one chunk and the number of chunks the shape needs. */
static br_status chunk_shape(const br_h5_dataset *set, hid_t creation, int64_t *chunk_bytes,
                             int64_t *n_chunks)
{
    hsize_t chunk[2] = {1, 1};
    int64_t dims[2]  = {set->n_rows, set->n_cols};
    int     rank     = H5Pget_chunk(creation, 2, chunk);

    *chunk_bytes = set->value_bytes;
    *n_chunks    = 1;
    if (rank != set->rank)
        return br_fail(BR_E_INPUT, "%s: %s: chunks of %d dimensions; expected %d",
                       br_h5_path(set->file), set->path, rank, set->rank);
    for (int i = 0; i < rank; i++) {
        if (chunk[i] < 1 || chunk[i] > (hsize_t)BR_H5_MAX_CHUNK ||
            __builtin_mul_overflow(*chunk_bytes, (int64_t)chunk[i], chunk_bytes) ||
            *chunk_bytes > BR_H5_MAX_CHUNK)
            return br_fail(BR_E_INPUT, "%s: %s: chunks of more than %lld bytes",
                           br_h5_path(set->file), set->path, (long long)BR_H5_MAX_CHUNK);
        if (__builtin_mul_overflow(*n_chunks,
                                   dims[i] / (int64_t)chunk[i] + (dims[i] % (int64_t)chunk[i] != 0),
                                   n_chunks))
            return br_fail(BR_E_INPUT, "%s: %s: too many chunks", br_h5_path(set->file), set->path);
    }
    return BR_OK;
}

static br_status check_chunks(const br_h5_dataset *set, hid_t creation, int64_t n_stored)
{
    br_status st = BR_OK;
    int64_t   chunk_bytes, n_chunks, full_bytes;
    hsize_t   n_there = 0;
    hid_t     space   = -1;

    BR_TRY(st, chunk_shape(set, creation, &chunk_bytes, &n_chunks));
    if (n_chunks > 0 && n_stored == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: declares %lld rows but stores nothing",
                br_h5_path(set->file), set->path, (long long)set->n_rows);
    space = H5Dget_space(set->id);
    if (n_chunks > 0 && H5Dget_num_chunks(set->id, space, &n_there) < 0)
        BR_TRY(st, br_h5_blame(set->file, set->path, "damaged chunk index"));
    if ((int64_t)n_there < n_chunks)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: only %llu of %lld chunks are stored",
                br_h5_path(set->file), set->path, (unsigned long long)n_there, (long long)n_chunks);
    if (__builtin_mul_overflow(chunk_bytes, n_chunks, &full_bytes))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: too many chunks", br_h5_path(set->file), set->path);
    if (full_bytes >= BR_H5_RATIO_FLOOR && full_bytes / BR_H5_MAX_RATIO > n_stored)
        BR_FAIL(st, BR_E_INPUT,
                "%s: %s: %lld bytes unpack to %lld, more than %d : 1: store it uncompressed",
                br_h5_path(set->file), set->path, (long long)n_stored, (long long)full_bytes,
                BR_H5_MAX_RATIO);
done:
    if (space >= 0)
        H5Sclose(space);
    return st;
}

br_status br_h5_check_storage(const br_h5_dataset *set, int64_t n_bytes)
{
    br_status st       = BR_OK;
    hid_t     creation = H5Dget_create_plist(set->id);
    int64_t   n_stored;

    if (creation < 0)
        BR_TRY(st, br_h5_blame(set->file, set->path, "damaged dataset"));
    BR_TRY(st, check_filters(set, creation));
    n_stored = (int64_t)H5Dget_storage_size(set->id);
    if (H5Pget_layout(creation) == H5D_CHUNKED)
        BR_TRY(st, check_chunks(set, creation, n_stored));
    else if (n_stored < n_bytes)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: stores %lld of the %lld bytes its shape needs",
                br_h5_path(set->file), set->path, (long long)n_stored, (long long)n_bytes);
done:
    if (creation >= 0)
        H5Pclose(creation);
    return st;
}
