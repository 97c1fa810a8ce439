/* SPDX-License-Identifier: Apache-2.0
 *
 * What columns of the inputs are called where people name them ("static.age", "segment"), and which
 * objects of the file hold each (docs/GOVERNANCE.md). */
#ifndef BR_HOST_IO_COLUMNS_INPUT_COLUMNS_H
#define BR_HOST_IO_COLUMNS_INPUT_COLUMNS_H

#include "host/base/names.h"

typedef enum br_input { BR_INPUT_CUSTOMERS, BR_INPUT_CATALOGUE, BR_N_INPUTS } br_input;

/* "customer", "item": whose columns a file has. */
extern const char *const br_input_whose[BR_N_INPUTS];

#define BR_COLUMN_NAME_BYTES 256

/* One kind of column. */
typedef struct br_column_place {
    br_input    input;
    const char *word;       /* "static.", a name follows; or "segment", the whole name */
    const char *object[2];  /* "/static/", the name follows; NULL: none */
    bool        is_feature; /* a model may be trained on it: model.json may deny it by its name */
    const char *needed;     /* why it cannot be denied; NULL: it can */
} br_column_place;

/* The kind of a name in full; NULL: no column is called so. */
const br_column_place *br_input_column_place(br_input input, const char *column);

/* The columns that a file has: links are listed and the names of /aggregate read; no dataset is
 * opened. BR_E_IO, BR_E_INPUT where the file is no HDF5 or its aggregates have no names. */
br_status br_input_columns(br_input input, const char *path, br_names *out);

/* Adds the columns, in full, that a model may mean by a feature's name, in the file or not. */
br_status br_input_feature_columns(br_input input, const char *name, br_names *out);

/* Adds the objects that hold a column, as br_h5_deny and manifests name them: "/static/age" and
 * "/static_key/age", "/aggregate[income]". BR_E_SELFCHECK for a name that is no column's. */
br_status br_input_column_objects(br_input input, const char *column, br_names *out);

#endif
