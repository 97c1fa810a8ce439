/* SPDX-License-Identifier: Apache-2.0
 *
 * Large HDF5 files written block by block in bounded memory (generated inputs, encoded vectors):
 * datasets of known size, filled from the first row on. The file gets its name when it is whole:
 * HDF5 writes a temporary file beside it, which is then fsynced and renamed. The same calls give
 * the same bytes. Parts of a run are not written this way (lists.h): HDF5 must not own their
 * descriptor. */
#ifndef BR_HOST_IO_H5_STREAM_H
#define BR_HOST_IO_H5_STREAM_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/io/h5.h"

#define BR_H5_STREAM_MAX_SETS 64

typedef struct br_h5_stream br_h5_stream;

/* expected_bytes: BR_E_IO at once when the file system has less room. */
br_status br_h5_stream_create(const char *path, const char *format, int64_t expected_bytes,
                              br_h5_stream **out);
/* Drops the temporary file. */
void      br_h5_stream_abort(br_h5_stream **stream);

br_status br_h5_stream_group(br_h5_stream *stream, const char *path);
/* A fixed-string attribute of a group. */
br_status br_h5_stream_attr(br_h5_stream *stream, const char *object, const char *name,
                            const char *value);
/* What a dataset will be; n_cols 0: rank 1. key_bytes: width of BR_H5_TEXT. */
typedef struct br_h5_stream_set {
    const char *path;
    br_h5_type  type;
    int32_t     key_bytes;
    int64_t     n_rows;
    int64_t     n_cols;
} br_h5_stream_set;

/* Returns a handle for br_h5_stream_append in *set. */
br_status br_h5_stream_dataset(br_h5_stream *stream, const br_h5_stream_set *what, int32_t *set);
br_status br_h5_stream_append(br_h5_stream *stream, int32_t set, int64_t n_rows, const void *rows);

/* Closes, fsyncs and renames. BR_E_SELFCHECK when a dataset is not full. */
br_status br_h5_stream_commit(br_h5_stream **stream);

#endif
