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

/* What is drawn of a chunk. */
typedef struct br_draw_task {
    br_rows        rows;
    br_mat         query_BQ;
    br_draw_extras extras;
    br_draw_step   step; /* WHOLE, or of the shard that this rank holds */
} br_draw_task;

br_draw_law br_draw_law_of(const br_config *config);

/* Items of a customer that a shard tells: the shortlist, or as many as a list. */
int32_t br_draw_width(const br_config *config);

/* Are lists of a catalogue in shards drawn from the best of all shards? Else by perturbed scores of
 * each, and what lists leave is summed. */
bool br_draw_is_from_best(const br_config *config);

/* job->quotas, where lists are drawn under quotas. */
br_status br_draw_open(br_job *job);

/* Fills item_BK, score_BK and what is logged of a chunk; of a shard its `part`, or score_BK
 * (kernels/draw/part.h). */
br_status br_draw_rows(br_job *job, br_batch *batch, br_dev *lane, const br_draw_task *task);

#endif
