/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists by other weights of the objective's terms (setup->weighting), made in the same pass over
 * the customers: each weighting is the job as it would be with its weights, sharing all else. */
#ifndef BR_HOST_PIPELINE_CHOOSE_WEIGHTINGS_H
#define BR_HOST_PIPELINE_CHOOSE_WEIGHTINGS_H

#include "host/pipeline/lanes.h"

typedef struct br_weightings br_weightings;

/* Lists of a unit by one weighting, on the device. */
typedef struct br_weighted {
    br_mat    item_BK; /* listed rows */
    br_mat    score_BK;
    br_mat    term_BK[BR_MAX_TERMS]; /* of a sweep: as the batch's own */
    uint8_t  *source_BK;             /* of shaped lists, as the batch's own */
    uint8_t  *short_B;
    br_batch *view; /* the batch, with these lists in place of its own; borrows all it points at */
} br_weighted;

/* Queries, biases and items of each weighting; the catalogue must be placed. */
br_status br_weightings_open(br_job *job);
/* Ties them to the job once its lanes and rooms are there. */
void      br_weightings_bind(br_job *job);
void      br_weightings_close(br_job *job);

br_status br_weightings_alloc_batch(br_job *job, br_batch *batch);
void      br_weightings_free_batch(br_batch *batch);

/* Around the scoring of a unit, whose rules must be placed. */
void br_weightings_begin(const br_job *job, br_batch *batch);
void br_weightings_end(const br_job *job, br_batch *batch);

/* The lists of a chunk by every weighting. */
br_status br_weightings_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows);

/* Fills lists.shadow of a unit whose own lists are decided. */
br_status br_weightings_fetch(br_job *job, br_batch *batch);

/* Lists of a customer are by the model's scores: nothing holds it back, no fallback fills them. */
bool br_weightings_apply_to(const br_job *job, const br_batch *batch, int64_t b);

#endif
