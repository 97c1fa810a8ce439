/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates of score_topk: items that may still be among the K best of a customer, known by
 * bounds on their canonical scores. */
#ifndef BR_KERNELS_CPU_TOPK_CANDIDATES_H
#define BR_KERNELS_CPU_TOPK_CANDIDATES_H

#include <stdint.h>
#include <string.h>

typedef struct br_candidate {
    float   approx;
    float   slack; /* |approx - canonical score|, at most */
    float   bias;
    int32_t item;
} br_candidate;

typedef struct br_candidates {
    int32_t       n;
    br_candidate *at_C;
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

#define BR_RANK_STEP 16

/* The rank-th largest of n values (1 <= rank <= n), or a little less: a number that at least
 * `rank` of them reach and, but for ties, no more. key_C: n places to work in, and
 * up to a multiple of BR_RANK_STEP. */
float br_candidates_rank(const float *value_C, int32_t n, int32_t rank, int32_t *key_C);

/* Drops what cannot reach `floor`; the rest keeps its order. */
void br_candidates_drop(br_candidates *candidates, float floor);

/* Puts those whose approx reaches `level` first; returns how many. */
int32_t br_candidates_part(br_candidates *candidates, float level);

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

/* The same of one customer with four items. x_D8 is x in float64, zeros up to a multiple of 8. */
void br_canonical_widen(const float *x_D, int64_t D, double *x_D8);
void br_canonical_dots(const double *x_D8, const float *const z_4D[4], int64_t D, double dot_4[4]);

#endif
