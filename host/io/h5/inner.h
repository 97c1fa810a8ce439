/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources of the HDF5 gate share with each other; nobody else includes this. */
#ifndef BR_HOST_IO_H5_INNER_H
#define BR_HOST_IO_H5_INNER_H

#include <sys/stat.h>

#include "host/io/h5.h"

struct br_h5_file {
    char         *path;
    hid_t         id;
    struct stat   opened; /* as it was when opened; a change while reading is an error */
    int32_t       n_objects;
    int32_t       capacity;
    br_h5_object *object;
};

/* Opens the object at `path` part by part, hard links only. *id is H5Oclose'd by the caller. */
br_status br_h5_object_open(const br_h5_file *file, const char *path, hid_t *id);

/* Right after a failed HDF5 call: "FILE: PATH: WHAT: complaint", BR_E_INPUT; or BR_E_IO when it was
 * the system that could not read. */
br_status br_h5_blame(const br_h5_file *file, const char *path, const char *what);

/* BR_E_INPUT when the file is no longer what was opened. */
br_status br_h5_check_unchanged(const br_h5_file *file);

/* The checks of a dataset that need its creation properties: layout, filters, chunks, sizes. */
br_status br_h5_check_storage(const br_h5_dataset *set, int64_t n_bytes);

/* "i32", "big-endian f64", "variable-length string", ... Returns `text`. */
#define BR_H5_TYPE_TEXT_BYTES 64
const char *br_h5_type_text(hid_t type, char text[BR_H5_TYPE_TEXT_BYTES]);

#endif
