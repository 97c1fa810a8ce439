/* SPDX-License-Identifier: Apache-2.0
 *
 * A tile of customers on its way through the catalogue: what is known of each, its candidates, and
 * the bounds that decide what is scored exactly. score_topk.c drives it. */
#ifndef BR_KERNELS_CPU_TOPK_TILE_H
#define BR_KERNELS_CPU_TOPK_TILE_H

#include "kernels/backend.h"
#include "kernels/cpu/topk/candidates.h"
#include "kernels/cpu/topk/items.h"
#include "kernels/ref/score_topk.h"

#define BR_TILE_ROWS 258 /* whole blocks of customers: 64 KiB of codes at D = 128, in L2 */

/* One customer of the tile. */
typedef struct br_tile_row {
    double        norm;
    double        code_scale;    /* INT16: x is about scale * code */
    double        code_norm;     /* INT16: |scale * code| */
    double        code_residual; /* INT16: |x - scale * code| */
    float         floor;         /* K eligible items are known to score at least this */
    float         error;         /* of this panel: docs/EXACTNESS.md, E */
    int32_t       n_best;        /* entries of the output row, exact and in order */
    bool          is_slow;
    bool          is_resolved_early;
    bool          has_rules;
    br_topk_rules rules;
    br_candidates pending;
} br_tile_row;

typedef struct br_tile {
    br_score_topk_args *args;
    const br_cpu_items *items;
    int64_t             first_row; /* of the tile, in args */
    int64_t             n_rows;
    int64_t             n_items;
    int64_t             D;
    int64_t             n_pairs;  /* of codes */
    int32_t             capacity; /* candidates per customer */
    br_tile_row        *row;      /* [BR_TILE_ROWS] */
    uint64_t           *key;      /* [K + capacity] */
    int16_t            *code_RD;  /* INT16: [BR_TILE_ROWS][2 n_pairs] */
    int64_t             n_rescored;
} br_tile;

int32_t br_tile_capacity(int32_t k);

/* Measures and encodes row b and empties its candidates. */
void br_tile_start_row(br_tile *tile, int64_t b);

/* Bound of |approx - canonical score| beside |approx| 2^-22, in this panel. */
float br_tile_error(const br_tile *tile, const br_tile_row *row, int64_t panel);

/* What an approximate score must reach for its upper bound to reach the floor. */
float br_tile_threshold(const br_tile_row *row);

/* No item from this panel on can reach the floor. */
bool br_tile_is_done(const br_tile *tile, const br_tile_row *row, int64_t panel);

/* Raises the floor to what K lower bounds reach and drops what cannot reach it. */
void br_tile_prune(const br_tile *tile, br_tile_row *row);

/* One more candidate, by position; makes room first where there is none. */
br_status br_tile_add(br_tile *tile, int64_t b, int64_t position, float approx);

/* The list of row b into the output. */
br_status br_tile_finish_row(br_tile *tile, int64_t b);

#endif
