/* SPDX-License-Identifier: Apache-2.0
 *
 * Where thresholds are foretold from what has been scanned, and by which candidate. */
#ifndef BR_KERNELS_CPU_TOPK_FORETELL_H
#define BR_KERNELS_CPU_TOPK_FORETELL_H

#include <stdint.h>

#include "kernels/cpu/topk/items.h"
#include "kernels/foretell.h"

#define BR_MOST_CHECKPOINTS 64

/* After `panel` panels, the rank-th best candidate's score is, very likely, not above the k-th best
 * of the catalogue. */
typedef struct br_checkpoint {
    int64_t panel;
    int32_t rank;
} br_checkpoint;

typedef struct br_checkpoints {
    int           n;
    br_checkpoint at[BR_MOST_CHECKPOINTS];
} br_checkpoints;

br_checkpoints br_foretell_plan(const br_cpu_items *items, int32_t k);

#endif
