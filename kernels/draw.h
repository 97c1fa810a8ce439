/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists drawn at random with exact propensities: a part of the seam (ops.h includes it). */
#ifndef BR_KERNELS_DRAW_H
#define BR_KERNELS_DRAW_H

#include "kernels/detect/witness.h"
#include "kernels/device.h"
#include "kernels/draw/part.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BR_DRAW_MOST_EXTRAS 4096 /* of a row */
#define BR_DRAW_MOST_QUOTAS 16

/* A column of groups in host memory, of which a list holds at most `max` items each. */
typedef struct br_quota_column {
    const int32_t *group_N; /* 0 .. n_groups-1; -1: in no group */
    int32_t        n_groups;
    int32_t        max;
} br_quota_column;

typedef struct br_quotas br_quotas; /* columns made ready for draw_topk, on a device */

/* quotas_prepare: 1 .. BR_DRAW_MOST_QUOTAS columns of the N item rows, once per run. The columns
 * are copied. BR_E_SELFCHECK for a group outside its column's range, or a max below 1. */
br_status br_quotas_prepare(br_dev *dev, const br_quota_column *column_Q, int32_t n_quotas,
                            int64_t n_items, br_quotas **out);
void      br_quotas_free(br_quotas **quotas);

/* draw_topk: K eligible items for each query, drawn one after the other without replacement.
 *   law    PLACKETT_LUCE: each with probability e^(score / T) over the sum of all that are left.
 *          EPSILON: with probability 1 - e the best that is left, else any that is left
 *   left   takes part, is not listed yet and, under quotas, has room: none of its groups has its
 *          most on the list
 *   in     query_BD f32, items, never-list and have_B as in score_topk; temperature_B f32 [B, 1]
 *          > 0, or epsilon_B f32 [B, 1] in [0, 1]; seed; customer_B u64 [B, 1];
 *          extras (CSR: extra_offset_B1 i64 [B+1, 1] into extra_item_X i32 and extra_score_X f32;
 *          all absent: none): items of the row's never-list that take part after all, with these
 *          scores in place of their own; finite, ascending by item within a row;
 *          n_shortlist: only the so many best take part (1..1024, at least K); 0: all;
 *          quotas of the same N items, or NULL; part: the items are a part of a catalogue
 *          (draw/part.h)
 *   out    item_BK i32, score_BK f32 (canonical, or the extra's), in the order drawn; -1 and NaN
 *          where nothing is left; log_propensity_BK f32: ln of the probability of each item given
 *          those before it, NaN beside -1; log_normaliser_B and log_remaining_B f32 [B, 1] (or
 *          absent): ln sum e^(score / T) over all that take part, and over what the whole list
 *          leaves (EPSILON: ln of their number); -inf for nothing
 *   counts rows whose list was certain with the first shortlist, with a longer one, or only after
 *          every item was looked at
 *   errors BR_E_INPUT when a score overflows fp32 (bad_row, bad_item); BR_E_SELFCHECK for a
 *          temperature, epsilon or extra that breaks the above
 *   fixed  a row's list depends on its scores, seed, customer and K alone
 *   cost   of score_topk, and unless T makes all but the best items negligible one canonical score
 *          and e^x of every item (cuda: of a full group's once more)
 *   agrees with ref: the same items, order and bits of scores and logarithms; under quotas the
 *          logarithms within 1e-6 x max(1, |ref|) */
typedef struct br_draw_topk_args {
    const br_items  *items;
    br_mat           query_BD;
    br_mat           never_offset_B1;
    br_mat           never_item_S;
    br_mat           have_B;
    br_draw_law      law;
    br_mat           temperature_B;
    br_mat           epsilon_B;
    uint64_t         seed;
    br_mat           customer_B;
    br_mat           extra_offset_B1;
    br_mat           extra_item_X;
    br_mat           extra_score_X;
    int32_t          n_shortlist;
    const br_quotas *quotas;
    int32_t          k;
    br_mat           item_BK;
    br_mat           score_BK;
    br_mat           log_propensity_BK;
    br_mat           log_normaliser_B;
    br_mat           log_remaining_B;
    br_draw_part     part;
    int64_t          bad_row; /* out, on BR_E_INPUT */
    int64_t          bad_item;
    int64_t          n_first; /* out: rows certain with the first shortlist */
    int64_t          n_longer;
    int64_t          n_slow;
    int64_t          n_summed; /* rows whose every eligible score was summed */
    br_witness       witness;  /* out, as score_topk's */
} br_draw_topk_args;
br_status br_op_draw_topk(br_dev *dev, br_draw_topk_args *args);

/* Scratch that draw_topk takes from its lane, at most; score_topk's included. */
size_t br_draw_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k, int32_t n_quotas);

#ifdef __cplusplus
}
#endif

#endif
