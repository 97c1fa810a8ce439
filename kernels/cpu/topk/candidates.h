/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates of score_topk: items that may still be among the K best of a customer, known by
 * bounds on their canonical scores. */
#ifndef BR_KERNELS_CPU_TOPK_CANDIDATES_H
#define BR_KERNELS_CPU_TOPK_CANDIDATES_H

#include <stdint.h>
#include <string.h>

typedef struct br_candidates {
    int32_t  n;
    int32_t *lower_C; /* at least this: an order key of a float */
    float   *upper_C; /* at most this */
    int32_t *item_C;
} br_candidates;

/* Whole numbers in the order of the floats (no NaN), and back. */
static inline int32_t br_order_key(float value)
{
    int32_t bits;

    memcpy(&bits, &value, 4);
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

static inline float br_order_value(int32_t key)
{
    float value;

    key ^= (key >> 31) & 0x7fffffff;
    memcpy(&value, &key, 4);
    return value;
}

/* A number that at least k of the n lower bounds reach (1 <= k <= n), the largest but for ties of
 * count: the k-th largest or less. */
float br_candidates_floor(const br_candidates *candidates, int32_t k);

/* Drops what cannot reach `floor`; the rest keeps its order. */
void br_candidates_drop(br_candidates *candidates, float floor);

/* (score, item) as one number: ascending means score descending, then item ascending. */
static inline uint64_t br_rank_key(float score, int32_t item)
{
    uint32_t ascending = (uint32_t)br_order_key(score) ^ 0x80000000u;

    return (uint64_t)~ascending << 32 | (uint32_t)item;
}

static inline float br_rank_score(uint64_t key)
{
    return br_order_value((int32_t)(~(uint32_t)(key >> 32) ^ 0x80000000u));
}

void br_rank_sort(uint64_t *key, int64_t n); /* ascending; no two alike */

/* The canonical dot product, vectorised: the same bits as br_canonical_dot. */
double br_canonical_dot_fast(const float *x_D, const float *z_D, int64_t D);

#endif
