/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk on the device: what its kernels share. A call goes through its customers in tiles:
 *
 *   check.cu      what the caller promised of temperatures and extras
 *   score_topk    the exact best items of each (topk/)
 *   heads.cu      Plackett-Luce: the best and the extras, perturbed, and who is above the threshold
 *   lists.cu      Plackett-Luce: the list from these and from lazy noise, where it is certain
 *   slow.cu       Plackett-Luce: the list from all items, for the others
 *   all.cu        every item's canonical score: perturbed, or summed
 *   sums.cu       what a list left, and its propensities
 *   epsilon.cu    Epsilon: lists and propensities
 *   part.cu       of a part of a catalogue: what its lists leave, or its best items
 *   draw_topk.cu  the order of all this, and the memory
 *
 * A block owns a customer, but for all.cu. docs/EXACTNESS.md proves why lists are exact. */
#ifndef BR_KERNELS_CUDA_DRAW_DRAW_CUH
#define BR_KERNELS_CUDA_DRAW_DRAW_CUH

#include "kernels/cuda/score/canonical.cuh"
#include "kernels/cuda/topk/rules.cuh"
#include "kernels/draw/left.h"
#include "kernels/draw/step.h"
#include "kernels/quota.h"
#include "kernels/random.h"

#define BR_DRAW_THREADS 256
#define BR_DRAW_WARPS   (BR_DRAW_THREADS / BR_WARP)
#define BR_DRAW_GROUPS  (BR_DRAW_THREADS / BR_CHAINS) /* eight lanes own an item */

#define BR_DRAW_POOL_BESIDE 1024 /* items that a pool has room for beside the head's */

/* What a caller broke, in the order in which it is looked at. */
typedef enum {
    BR_DRAW_BAD_HEAT,
    BR_DRAW_BAD_EXTRAS, /* how many */
    BR_DRAW_BAD_EXTRA,  /* one of them */
    BR_DRAW_BAD_ABOVE   /* more noise above the threshold than can be: not the caller */
} br_draw_bad;

typedef struct br_draw_counters {
    unsigned long long bad; /* row << 8 | br_draw_bad, the least; all ones: none */
    int32_t            extras_most;
    int32_t            n_slow;   /* rows in slow_R */
    int32_t            n_summed; /* rows in summed_R */
} br_draw_counters;

/* The parameter of every kernel. Rows count from the tile's first. */
typedef struct br_draw_tile {
    int64_t                 N, D;
    int64_t                 first_item; /* in the whole, of a part (draw/part.h) */
    br_draw_step            step;
    int32_t                 k;
    int32_t                 n_shortlist;
    bool                    is_epsilon;
    br_view<const float>    item_ND;
    br_view<const float>    bias_N;
    br_view<const float>    query_BD;
    br_view<const float>    heat_B; /* temperature, or epsilon */
    br_view<const uint64_t> customer_B;
    br_topk_rules           rules;
    const int64_t          *extra_offset_B1; /* NULL: no extras */
    const int32_t          *extra_item_X;
    const float            *extra_score_X;
    br_quota_groups         quotas;
    uint64_t                seed;
    br_gumbel               law;
    double                  floor; /* of terms (kernels/draw/left.h) */
    br_view<int32_t>        item_BK;
    br_view<float>          score_BK;
    br_view<float>          log_BK;
    br_view<float>          normaliser_B;
    br_view<float>          remaining_B;
    br_view<double>         key_BK; /* of a part */
    br_view<float>          best_B;
    br_view<int64_t>        n_B;
    br_view<uint64_t>       left_B2;
    int64_t                 first_row; /* in the call */
    int32_t                 n_rows;
    int32_t                 m;            /* of the shortlist */
    int32_t                 n_head_most;  /* H */
    int32_t                 n_pool_most;  /* P */
    int32_t                 n_above_most; /* A */
    int32_t                 n_entries;    /* E, of a row's room; 0: no quotas */
    int32_t                 n_blocks;     /* of BR_SUM_BLOCK items */
    br_draw_counters       *counters;
    const int32_t          *best_item_RM; /* the shortlists */
    const float            *best_score_RM;
    int32_t                *head_item_RH; /* best items and extras */
    float                  *head_score_RH;
    int32_t                *head_above_RH; /* place among those above; -1 */
    int32_t                *n_head_R;
    bool                   *is_all_R; /* no items but the head's take part */
    int32_t                *above_RA; /* item rows; -1 - item: it is in the head */
    int32_t                *n_above_R;
    int32_t                *before_R;  /* of those above, that stand before the part */
    double                 *pool_y_RP; /* perturbed items */
    int32_t                *pool_item_RP;
    float                  *pool_score_RP;
    int32_t                *n_R; /* listed; -1: slow */
    br_room_entry          *room_RE;
    br_logsum              *leave_RK; /* of what had no room from the next slot on */
    br_left                *left_R;   /* what the list left */
    int32_t                *slow_R;
    int32_t                *summed_R;
} br_draw_tile;

/* Slow rows on their way: every item's perturbed score. */
typedef struct br_draw_slow {
    const int32_t *row_S;
    int32_t        n_rows;
    double        *y_SN; /* -inf: does not take part */
    float         *score_SN;
} br_draw_slow;

br_status br_draw_check(br_dev *dev, const br_draw_tile *all);
/* Heads, and pools of them. */
br_status br_draw_heads(br_dev *dev, const br_draw_tile *tile);
br_status br_draw_lists(br_dev *dev, const br_draw_tile *tile);
br_status br_draw_epsilon(br_dev *dev, const br_draw_tile *tile);
/* Lists of slow rows. */
br_status br_draw_slowly(br_dev *dev, const br_draw_tile *tile, const br_draw_slow *slow);
/* Propensities where the head tells what is left; other rows go to summed_R, the largest term of
 * what is left in left_R. */
br_status br_draw_settle(br_dev *dev, const br_draw_tile *tile);
br_status br_draw_sum(br_dev *dev, const br_draw_tile *tile, int32_t n_summed);
/* part.cu: keys and the best left of lists that are there; the best items, as lists; the scores of
 * given items; heads alone, for what given lists leave. */
br_status br_draw_tell_lists(br_dev *dev, const br_draw_tile *tile);
br_status br_draw_tell_best(br_dev *dev, const br_draw_tile *tile);
br_status br_draw_tell_scores(br_dev *dev, const br_draw_tile *tile);
br_status br_draw_given_heads(br_dev *dev, const br_draw_tile *tile);
/* all.cu: y and score of every item into a slow row; left_R of summed rows, extras apart. */
br_status br_draw_score_all(br_dev *dev, const br_draw_tile *tile, const br_draw_slow *slow);
br_status br_draw_sum_all(br_dev *dev, const br_draw_tile *tile, int32_t n_summed);

#endif
