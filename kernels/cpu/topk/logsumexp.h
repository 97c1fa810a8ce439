/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of the sum of e^(score / T) over a customer's eligible items, from the sums that the
 * screen has anyway. */
#ifndef BR_KERNELS_CPU_TOPK_LOGSUMEXP_H
#define BR_KERNELS_CPU_TOPK_LOGSUMEXP_H

#include "kernels/cpu/topk/items.h"
#include "kernels/ref/score_topk.h"

#define BR_LSE_LANES 16

/* One customer: 2^reference (total + lanes) is its sum so far. */
typedef struct br_lse_row {
    double               total;
    float                reference; /* within 4 of the largest exponent so far; before it 1e30 */
    float                per_sum;   /* exponent of one unit of a sum, but for the panel's scale */
    const br_topk_rules *rules;
    _Alignas(64) float lane[BR_LSE_LANES];
} br_lse_row;

typedef struct br_lse {
    const br_cpu_items *items;
    double              per_score;             /* log2(e) / T */
    double              tolerance;             /* of the sum, that leaving early may lose */
    br_lse_row         *row;                   /* [BR_TILE_ROWS] */
    bool                is_wide;               /* as the screen: AVX-512 */
    br_lse_row          nobody;                /* stands where a tile has no customer */
    _Alignas(64) float bias_C[BR_SCREEN_COLS]; /* of the panel, as exponents; NO_TERM: no item */
} br_lse;

/* temperature > 0; the rows are the caller's. */
br_lse br_lse_begin(const br_cpu_items *items, br_lse_kind kind, double temperature);

/* scale: of the customer's codes. */
void br_lse_start_row(const br_lse *lse, br_lse_row *row, float scale, const br_topk_rules *rules);

/* Before its tiles: the panel's biases. */
void br_lse_enter_panel(br_lse *lse, int64_t panel);

/* The approximate score of an item whose segments the customer has: keeps the reference near the
 * largest. Before the first one nothing is summed. */
void br_lse_raise(const br_lse *lse, br_lse_row *row, float approx);

/* A tile's 12 rows, the first n of them customers; the others' lanes may become anything. */
void br_lse_add(const br_lse *lse, int64_t panel, br_lse_row *const *row_R, int n,
                const br_screen_tile *tile);

/* A candidate was scored exactly: its term becomes exact too. */
void br_lse_correct(const br_lse *lse, br_lse_row *row, float approx, float exact);

/* Every few dozen panels: float32 lanes into the float64 total. */
void br_lse_gather(br_lse_row *row);

/* What is left from a panel on is within the tolerance for a customer of this norm. */
bool br_lse_is_done(const br_lse *lse, const br_lse_row *row, double norm, int64_t panel);

/* The logarithm for row `at` of args, less what its never-list excludes; from the definition where
 * that is nearly all of the sum. */
double br_lse_finish(const br_lse *lse, const br_lse_row *row, const br_score_topk_args *args,
                     int64_t at);

#endif
