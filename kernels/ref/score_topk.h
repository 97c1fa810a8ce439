/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces of score_topk that every host backend shares: rules, insertion, the slow path. */
#ifndef BR_KERNELS_REF_SCORE_TOPK_H
#define BR_KERNELS_REF_SCORE_TOPK_H

#include "kernels/backend.h"

/* What decides whether a customer may be shown an item. */
typedef struct br_topk_rules {
    bool            is_wanted; /* false: no item */
    const uint64_t *require_N; /* NULL: no segments */
    uint64_t        have;
    const int32_t  *never; /* ascending */
    int64_t         n_never;
} br_topk_rules;

br_topk_rules br_topk_rules_of(const br_score_topk_args *args, int64_t row);
bool          br_topk_is_allowed(const br_topk_rules *rules, int32_t item);

/* Puts an item into a list of n entries in canonical order, at most k stay; returns the new n. */
int32_t br_topk_insert(int32_t *item_K, float *score_K, int32_t n, int32_t k, int32_t item,
                       float score);

/* BR_E_INPUT with bad_row and bad_item filled. */
br_status br_topk_bad_score(br_score_topk_args *args, int64_t row, int64_t item, float score);

/* ln sum e^(score / T) over what the row may be shown, in fp64 in row order; -inf for nothing. */
double br_ref_logsumexp(const br_score_topk_args *args, int64_t row);

/* One row by the definition: every item, no screening. */
br_status br_ref_score_topk_row(br_score_topk_args *args, int64_t row);

#endif
