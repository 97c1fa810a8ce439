/* SPDX-License-Identifier: Apache-2.0
 *
 * From a customer's query to the listed items: the exact best by the ranking pair and, where those
 * are not yet the list, what is decided among candidates on the host: expected value (eq. 8 on
 * probabilities) and penalties of (customer, item) pairs. */
#ifndef BR_HOST_PIPELINE_CHOOSE_CHOOSE_H
#define BR_HOST_PIPELINE_CHOOSE_CHOOSE_H

#include <stddef.h>

#include "host/base/status.h"
#include "host/pipeline/choose/draw.h"
#include "host/pipeline/lanes.h"

#define BR_EXTRA_COLUMNS 64 /* pairs with a penalty that a customer's pass takes at a time */

/* A lane's arrays for one chunk of customers; M candidates each. */
typedef struct br_choose_room {
    int32_t       *item_BM; /* as wide as the larger of M and BR_EXTRA_COLUMNS */
    float         *score_BM;
    float         *penalty_BM;
    double        *total_BM;
    int32_t       *list_item_BK; /* the best so far: k, or more where they are shaped */
    float         *list_score_BK;
    int32_t       *n_B;
    bool          *is_all_B; /* no other item may be listed */
    /* penalised items of a chunk that draws */
    br_span        extra_score;
    br_span        extra_offset;
    br_draw_extras extra;
} br_choose_room;

/* The rooms of the lanes, whose tasks must be planned. */
br_status br_choose_open(br_job *job);
void      br_choose_close(br_job *job);

/* Candidates per customer: list.k, or more where they are ranked again. */
int32_t br_choose_n_candidates(const br_job *job);

/* The most that score_topk is asked for. */
int32_t br_choose_most_candidates(const br_job *job);

/* Scratch that a lane needs for it beside that of score_topk. */
size_t br_choose_scratch_bytes(const br_job *job);

/* Fills item_BK and score_BK (on the device) of a chunk. */
br_status br_choose_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows);

/* Of a shard, where lists are drawn from more than the best of all shards: what the merged ones, in
 * item_BK, left of it (part.left_B2), or the scores of its items on them (score_BK). */
br_status br_choose_tell_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows);

#endif
