/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources of the HDF5 gate share with each other; nobody else includes this. */
#ifndef BR_HOST_IO_H5_INNER_H
#define BR_HOST_IO_H5_INNER_H

#include <sys/stat.h>

#include "host/io/h5/access.h"

/* Of the whole life of an open file. */
typedef struct br_h5_access {
    br_names denied;
    br_names opened;
} br_h5_access;

struct br_h5_file {
    char         *path;
    hid_t         id;
    struct stat   opened; /* as it was when opened; a change while reading is an error */
    bool          is_stand_in;
    int32_t       n_objects;
    int32_t       capacity;
    br_h5_object *object;
    br_h5_access *access;
};

/* An object seen from the group that holds it: the group is open, the object is not. */
typedef struct br_h5_place {
    hid_t       group; /* the caller's to H5Gclose */
    const char *name;  /* in the group: the last part of the path given; "." for the root */
    H5O_info_t  info;  /* type and number of attributes */
} br_h5_place;

/* Finds the object at `path` part by part, hard links only; only groups are opened on the way.
 * place->group is -1 after a failure. BR_E_SELFCHECK for an object that is denied. */
br_status br_h5_place_find(const br_h5_file *file, const char *path, br_h5_place *place);

/* The only place where datasets are opened, and recorded. *id is H5Dclose'd by the caller. */
br_status br_h5_dataset_id(const br_h5_file *file, const char *path, hid_t *id);

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
