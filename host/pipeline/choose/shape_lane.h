/* SPDX-License-Identifier: Apache-2.0
 *
 * What a lane needs to shape lists. Private to choose/. */
#ifndef BR_HOST_PIPELINE_CHOOSE_SHAPE_LANE_H
#define BR_HOST_PIPELINE_CHOOSE_SHAPE_LANE_H

#include "host/pipeline/choose/shaping.h"

#define BR_AGAIN_ROWS 64 /* customers who are asked for again at a time */

typedef struct br_shape_lane {
    br_shape_work *work;
    const float  **vector_W; /* of the candidates in the window */
    float         *pin_score_BP;
    int32_t       *item_BK; /* the lists of a chunk */
    float         *score_BK;
    int32_t       *todo_B; /* customers of the chunk whose candidates do not suffice */
    int64_t        n_todo;

    /* asking again (again.c); absent where the first candidates suffice */
    br_choose_room again;
    br_choose_room far; /* of one customer */
    int64_t        row_B[BR_AGAIN_ROWS];
    uint64_t       have_B[BR_AGAIN_ROWS];
    int64_t        never_offset_B1[BR_AGAIN_ROWS + 1];
    int32_t       *never_item_S; /* [n_listed] */
    uint64_t      *drop_N;       /* bits */
    int32_t       *count_G[BR_SHAPE_MAX_QUOTAS];
    int32_t       *far_item_M; /* window, chosen ones, new candidates */
    float         *far_score_M;
    int64_t        n_far;
} br_shape_lane;

/* The candidates of one customer, best first. */
typedef struct br_ranked {
    int64_t        n;
    const int32_t *item_M;
    const float   *score_M;
    bool           is_all;
} br_ranked;

/* The list of customer b of the chunk. False: it needs more candidates. */
bool br_shape_one(br_shape_lane *lane, const br_chunk *chunk, int64_t b, const br_ranked *ranked);

br_status br_again_open(const br_setup *setup, br_shape_lane *lane);
void      br_again_close(br_shape_lane *lane);
size_t    br_again_bytes(const br_setup *setup);

/* The lists of the customers in todo_B. */
br_status br_again(br_shape_lane *lane, br_chunk *chunk);

#endif
