/* SPDX-License-Identifier: Apache-2.0
 *
 * What kind of file or folder a path is, from its first bytes and its format attribute, never
 * from its name alone. Called once, by `info`. */
#ifndef BR_HOST_IO_FILE_KIND_H
#define BR_HOST_IO_FILE_KIND_H

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

typedef enum {
    BR_KIND_CUSTOMERS,
    BR_KIND_CATALOGUE,
    BR_KIND_VOCABULARY,
    BR_KIND_LISTS,
    BR_KIND_RUN,    /* folder with run.json */
    BR_KIND_BUNDLE, /* folder with model.json */
    BR_KIND_NPY,
    BR_KIND_SAFETENSORS,
    BR_KIND_HDF5 /* another HDF5 file */
} br_file_kind;

/* BR_E_IO: cannot be read. BR_E_INPUT: none of these. */
br_status br_file_kind_of(const char *path, br_file_kind *out);

/* The header of a .npy (a Python dictionary) or .safetensors file (a JSON object) as text with a
 * NUL at its end; br_free. BR_E_INPUT: longer than the file or than 100 MB. */
br_status br_file_header(const char *path, br_file_kind kind, char **text, size_t *n_bytes);

/* The datasets of an HDF5 file that passes the gate of inputs; *objects: br_free. */
#define BR_FILE_OBJECT_BYTES 256
typedef struct br_file_object {
    char    path[BR_FILE_OBJECT_BYTES];
    char    type[16]; /* "f32", "i64", "S11", ... */
    int32_t rank;
    int64_t n_rows;
    int64_t n_cols;
} br_file_object;

br_status br_file_objects(const char *path, br_file_object **objects, int64_t *n_objects);

#endif
