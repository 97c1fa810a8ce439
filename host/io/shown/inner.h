/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources of the log's reader share; nobody else includes this. */
#ifndef BR_HOST_IO_SHOWN_INNER_H
#define BR_HOST_IO_SHOWN_INNER_H

#include "host/io/h5.h"
#include "host/io/shown.h"

#define BR_SHOWN_BLOCK    65536 /* rows read at once */
#define BR_SHOWN_ROUNDING 1e-5  /* a logarithm of 1 that was rounded up is taken as 0 */

struct br_shown_file {
    br_h5_file    *h5;
    br_shown_log   log;
    br_shown_about about;
};

/* A dataset of one dimension, whole; br_free. n_rows -1: any. *n_found may be NULL. */
br_status br_shown_column(br_h5_file *file, const br_h5_want *want, int64_t *n_found, void **out);
/* The same of f32 or f64, as doubles. */
br_status br_shown_reals(br_h5_file *file, const char *path, int64_t n_rows, const char *rows_of,
                         double **out);

/* /shown/list and /shown/position: where lists begin, that their positions are 1, 2, ... */
br_status br_shown_read_lists(br_shown_file *file);
/* /shown/customer and /shown/item: one customer per list, no item twice in it, no empty key. */
br_status br_shown_check_keys(br_shown_file *file);
/* /shown/arm, /shown/stratum: one value per list. *out is NULL when the dataset is not there. */
br_status br_shown_per_list(br_shown_file *file, const char *path, int32_t **out_L);

#endif
