/* SPDX-License-Identifier: Apache-2.0
 *
 * lists.h5: virtual datasets over the parts of a run, for other readers. Never the record: HDF5
 * shows fill values where a part is missing. Built once per run. */
#ifndef BR_HOST_IO_LISTS_LISTS_VIEW_H
#define BR_HOST_IO_LISTS_LISTS_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/io/keys.h"

#define BR_LISTS_PART_BYTES 64

typedef struct br_lists_view_part {
    char    name[BR_LISTS_PART_BYTES]; /* relative to the folder, and so in the view */
    int64_t n_rows;
} br_lists_view_part;

typedef struct br_lists_view {
    const char         *folder;
    int64_t             n_parts;
    br_lists_view_part *part;
    const br_keys      *item_key; /* NULL: left out */
} br_lists_view;

/* Types and widths come from the first part. *image: br_free. */
br_status br_lists_view_image(const br_lists_view *view, void **image, size_t *image_bytes);

#endif
