/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of customers on its way through the catalogue: what is known of each, its candidates, and
 * how they become its list. score_topk.c drives it. */
#ifndef BR_KERNELS_CPU_TOPK_TILE_H
#define BR_KERNELS_CPU_TOPK_TILE_H

#include "kernels/cpu/topk/candidates.h"
#include "kernels/cpu/topk/logsumexp.h"
#include "kernels/ref/score_topk.h"

#define BR_TILE_ROWS  384 /* whole tiles; the last ones to leave a block still fill a tile */
#define BR_NEVER_BITS 1024

/* One customer. A threshold is what a canonical score must reach to matter. It is certain when k
 * eligible items are known to reach it, else foretold from a sample and verified in the end. */
typedef struct br_tile_row {
    double        norm;
    double        reach;     /* where among panel->reach_rest its norm lies, 0 to 3; -1: outside */
    float         scale;     /* x is about scale * code; 1 for fp32 */
    float         residual;  /* |x - scale * code|, at most */
    int32_t       offset;    /* what every sum of codes is too large by */
    float         floor;     /* certain */
    float         threshold; /* >= floor */
    int32_t       n_pruned;  /* candidates after the last pruning */
    int32_t       n_best;    /* entries of the output row, exact and in order */
    bool          is_slow;
    bool          is_second; /* the second pass: certain thresholds only */
    bool          is_resolved_early;
    br_topk_rules rules;
    uint64_t      never_bit[BR_NEVER_BITS / 64]; /* set: some item of the never-list has it */
    br_candidates pending;
} br_tile_row;

typedef struct br_tile {
    br_score_topk_args *args;
    const br_cpu_items *items;
    const int64_t      *at_R; /* of args: br_tile_at */
    int64_t             n_rows;
    bool                is_alike; /* the same segments for all: the scan tests panels by `have` */
    uint64_t            have;
    int64_t             D;
    int32_t             capacity; /* candidates per customer */
    br_tile_row        *row;      /* [BR_TILE_ROWS] */
    uint64_t           *key;      /* [K + capacity] */
    int32_t            *order_C;  /* [capacity] to rank candidates in */
    float              *value_C;  /* [capacity] the same */
    double             *x_D8;     /* one customer's vector in float64 */
    float              *x_D;      /* the same, rotated */
    int32_t            *unit_RU;  /* [BR_TILE_ROWS][n_units] */
    const br_lse       *lse;      /* NULL: not wanted, or complete */
    int64_t             n_rescored;
} br_tile;

int32_t br_tile_capacity(int32_t k);

/* The row of args that row b of the block is. */
static inline int64_t br_tile_at(const br_tile *tile, int64_t b)
{
    return tile->at_R[b];
}

const float *br_tile_query(const br_tile *tile, int64_t b);

/* Measures row b, writes its units, empties its candidates. */
void br_tile_start_row(br_tile *tile, int64_t b);

/* Foretells a threshold: that `rank` candidates reach what the list's last entry will score, or
 * more. Drops what cannot reach it. Does nothing while fewer are known. */
void br_tile_foretell(br_tile *tile, br_tile_row *row, int32_t rank);

/* Is an item that the customer has the segments for on the never-list? */
bool br_tile_is_never(const br_tile_row *row, int32_t item);

/* No item from this panel on can matter. */
bool br_tile_is_done(const br_tile_row *row, const br_panel *panel);

/* For at least one more candidate of row b. */
br_status br_tile_make_room(br_tile *tile, int64_t b);

/* One more candidate that may be shown. */
static inline br_status br_tile_add(br_tile *tile, int64_t b, br_candidate candidate)
{
    br_status      st = BR_OK;
    br_candidates *c  = &tile->row[b].pending;

    if (c->n == tile->capacity)
        BR_TRY(st, br_tile_make_room(tile, b));
    c->at_C[c->n++] = candidate;
done:
    return st;
}

/* The list of row b, which is not slow, into the output. *again: a foretold threshold was too high;
 * the row is ready for its second pass. */
br_status br_tile_finish_row(br_tile *tile, int64_t b, bool *again);

#endif
