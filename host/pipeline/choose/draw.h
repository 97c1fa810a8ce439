/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists drawn at random, with their propensities. */
#ifndef BR_HOST_PIPELINE_CHOOSE_DRAW_H
#define BR_HOST_PIPELINE_CHOOSE_DRAW_H

#include "host/pipeline/lanes.h"

/* Whom the draws of a customer belong to: FNV-1a of the key's bytes (numbers: of their decimal
 * digits), so that they do not depend on the row. */
uint64_t br_draw_customer(const br_keys *key, int64_t row);

/* Adjusted items of a chunk, on the device: they take part in the draws (choose.h). */
typedef struct br_draw_extras {
    br_mat offset_B1; /* absent: none */
    br_mat item_X;
    br_mat score_X;
} br_draw_extras;

/* job->quotas, where lists are drawn under quotas. */
br_status br_draw_open(br_job *job);

/* Fills item_BK, score_BK and what is logged of a chunk. */
br_status br_draw_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows, br_mat query_BQ,
                       const br_draw_extras *extras);

#endif
