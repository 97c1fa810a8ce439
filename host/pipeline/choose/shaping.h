/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates to lists of a shape: quotas, pins, diversity, fallbacks (docs/RULES.md). Where the
 * candidates do not suffice, more are asked for, until the list is the one that all items of the
 * catalogue would give. */
#ifndef BR_HOST_PIPELINE_CHOOSE_SHAPING_H
#define BR_HOST_PIPELINE_CHOOSE_SHAPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/shape.h"
#include "host/pipeline/choose/chunk.h"
#include "host/pipeline/choose/ladders.h"

struct br_shape_lane;

typedef struct br_shaping {
    br_shape              shape;
    br_pin                pin[BR_SHAPE_MAX_PINS];
    float                *item_ND; /* of the model's table, for diversity; NULL: not needed, or the
                                      catalogue has them */
    br_ladders            ladders;
    struct br_shape_lane *lane; /* one per lane */
} br_shaping;

/* job->shaping, where the configuration asks for a shape; lanes and popularity must be there. */
br_status br_shaping_open(br_job *job);
void      br_shaping_close(br_job *job);

/* Candidates to begin with. */
int32_t br_shaping_n_candidates(const br_setup *setup);
/* May these not suffice? */
bool    br_shaping_asks_again(const br_setup *setup);
size_t  br_shaping_scratch_bytes(const br_setup *setup);
/* Host memory of the job and, for each lane, beside the rooms of choose.h. */
size_t  br_shaping_bytes(const br_setup *setup, size_t *lane_bytes);

/* Fills item_BK, score_BK (on the device), source_BK and short_B of a chunk. */
br_status br_shaping_rows(br_chunk *chunk, br_mat item_BK, br_mat score_BK);

#endif
