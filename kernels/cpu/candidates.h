/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates of score_topk: items that may still be among the K best of a customer, known by an
 * approximate score with a bound on its error. */
#ifndef BR_KERNELS_CPU_CANDIDATES_H
#define BR_KERNELS_CPU_CANDIDATES_H

#include <stdint.h>

typedef struct br_candidate {
    float   approx;
    int32_t item;
} br_candidate;

/* The k-th largest of n values (1 <= k <= n); reorders them. */
float br_kth_largest(float *value, int64_t n, int64_t k);

/* Best approximate score first. */
void br_candidates_sort(br_candidate *candidate, int64_t n);

/* Is score[j] + bias[j] >= threshold for any of n <= 64 items? */
int br_any_reaches(const float *score, const float *bias, int64_t n, float threshold);

/* The canonical dot product, vectorised: the same bits as br_canonical_dot. */
double br_canonical_dot_fast(const float *x_D, const float *z_D, int64_t D);

#endif
