/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked access to the datasets of a lists file, for lists_read.c and lists_view.c: hard links
 * only, storage inside the file, no filter but Fletcher32. Private to host/io. */
#ifndef BR_HOST_IO_LISTS_LISTS_DATASET_H
#define BR_HOST_IO_LISTS_LISTS_DATASET_H

#include <stdbool.h>

#include "host/io/lists.h"
#include "host/io/lists/h5_image.h"

typedef struct br_lists_reader {
    const char *path;
    hid_t       file;
    br_lists   *lists;       /* n_rows is the row count that arrays must have */
    bool        allows_view; /* virtual datasets too: for their shapes, never for values */
} br_lists_reader;

typedef struct br_lists_wanted {
    const char *dataset;
    hid_t       type;
    int64_t     n_cols; /* 0: rank 1 */
} br_lists_wanted;

typedef struct br_lists_names {
    char (*name)[BR_LISTS_NAME_BYTES];
    int  n;
    bool is_too_much;
} br_lists_names;

/* Opens read-only and checks `format` and `version`. BR_E_IO: no such file, unreadable. */
br_status br_lists_open_file(const char *path, const char *format, hid_t *file);
void      br_lists_close_file(hid_t *file);
/* BR_E_INPUT: "file: dataset: why (HDF5's reason)". */
br_status br_lists_refuse(const br_lists_reader *r, const char *dataset, const char *why);
/* Is there a link? A damaged file is an error, not an absence. */
br_status br_lists_has(const br_lists_reader *r, const char *path, bool *is_there);
/* Rank 1 or 2; dims[1] is 0 for rank 1. Checked but for type and shape. The caller closes it,
 * also after a failure when *dataset >= 0. */
br_status br_lists_open_dataset(const br_lists_reader *r, const char *path, hid_t *dataset,
                                hsize_t dims[2]);
/* Are the lists virtual datasets? false in a file without lists. */
br_status br_lists_is_view(const br_lists_reader *r, bool *is_view);
bool      br_lists_has_type(hid_t dataset, hid_t type);
/* Reads a whole dataset of n_rows rows into a new array (br_free). */
br_status br_lists_read_array(const br_lists_reader *r, br_lists_wanted want, void **out);
/* Names of a group's members in the order they were made; none when it is missing. */
br_status br_lists_members(const br_lists_reader *r, const char *path, br_lists_names *list);

/* A scalar i64 attribute of a dataset. */
br_status br_lists_read_number(const br_lists_reader *r, const char *path, const char *name,
                               int64_t *out);
/* Names, periods and lengths of the survival heads, without values. */
br_status br_lists_read_curves(const br_lists_reader *r, br_curve *out, int32_t *n);
/* The attribute `names` S<64>[n] of a dataset, into n * BR_LISTS_NAME_BYTES bytes. */
br_status br_lists_read_names(const br_lists_reader *r, const char *path, int n, char *names);

#endif
