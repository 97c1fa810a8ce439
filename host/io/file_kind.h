/* SPDX-License-Identifier: Apache-2.0
 *
 * What kind of file or folder a path is, from its first bytes and its format attribute, never
 * from its name alone. Called once, by `info`. */
#ifndef BR_HOST_IO_FILE_KIND_H
#define BR_HOST_IO_FILE_KIND_H

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

#endif
