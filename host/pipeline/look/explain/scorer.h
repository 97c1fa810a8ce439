/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run ranks items by, for the one customer of a batch: what choose/ asks and computes, on
 * rows that the caller names. Private to this folder. */
#ifndef BR_HOST_PIPELINE_LOOK_EXPLAIN_SCORER_H
#define BR_HOST_PIPELINE_LOOK_EXPLAIN_SCORER_H

#include "host/pipeline/choose/chunk.h"

typedef struct br_scorer {
    br_job        *job;
    br_batch      *batch;
    br_mat         item_1M;
    br_mat         penalty_1M;
    br_mat         score_1M;
    br_choose_room room; /* of expected values */
} br_scorer;

br_status br_scorer_open(br_job *job, br_batch *batch, br_scorer *out);
void      br_scorer_close(br_scorer *scorer);

/* Listed rows, and what is taken off each (NULL: nothing). */
typedef struct br_scorer_rows {
    int64_t        n;
    const int32_t *row_N;
    const float   *penalty_N;
} br_scorer_rows;

/* Canonical scores of the ranking pair (objective/rank.h) less the penalties. */
br_status br_scorer_linear(br_scorer *scorer, br_scorer_rows rows, float *score_N);
/* What lists are ordered by: expected values where the objective asks for them, else the above. */
br_status br_scorer_rank(br_scorer *scorer, br_scorer_rows rows, float *score_N);

#endif
