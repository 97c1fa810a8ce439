/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact best items of a chunk of customers, under the rules that act before selection. */
#ifndef BR_HOST_PIPELINE_CHOOSE_CANDIDATES_H
#define BR_HOST_PIPELINE_CHOOSE_CANDIDATES_H

#include "host/base/status.h"
#include "host/pipeline/lanes.h"

/* Customers that are no run of rows, with never-lists of their own, on the device. */
typedef struct br_subset {
    const int64_t *row_B; /* in the batch */
    br_mat         never_offset_B1;
    br_mat         never_item_S;
    br_mat         have_B; /* absent: no item requires anything */
} br_subset;

typedef struct br_candidates_args {
    br_mat           query_BQ;
    int32_t          m;
    br_mat           item_BM; /* listed rows, best first, -1 where fewer remain */
    br_mat           score_BM;
    br_mat           floor_B; /* m items of each row score so much or more; absent: not known */
    const br_subset *subset;  /* NULL: the rows */
} br_candidates_args;

/* BR_E_INPUT naming customer and item of a score that overflows. */
br_status br_candidates_overflow(const br_job *job, const br_batch *batch, br_rows rows,
                                 int64_t bad_row, int64_t bad_item);

/* A score that overflows is BR_E_INPUT naming customer and item. */
br_status br_candidates(br_job *job, br_batch *batch, br_dev *lane, br_rows rows,
                        const br_candidates_args *args);

#endif
