/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing lists, exposures and outcomes of policies, on plain arrays. */
#ifndef BR_HOST_DECIDE_COMPARE_H
#define BR_HOST_DECIDE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"

/* Remembers which items were seen, so that a comparison costs no more than the lists are long. */
typedef struct br_comparer {
    int64_t *stamp_N;
    int64_t  serial;
} br_comparer;

typedef struct br_likeness {
    int32_t n_common;
    double  share; /* n_common / the longer list's length; two empty lists: 1 */
    double  rbo;   /* rank-biased overlap, p = 0.9, extrapolated; alike: 1, nothing in common: 0 */
} br_likeness;

br_status br_comparer_open(int64_t n_items, br_comparer *out);
void      br_comparer_close(br_comparer *comparer);

/* Lists of distinct items, best first, ended by -1 or after k. */
br_likeness br_compare_lists(br_comparer *comparer, const int32_t *a_K, const int32_t *b_K,
                             int32_t k);

/* Half the sum of |a_i / sum a - b_i / sum b|: 0 alike, 1 nothing in common. 0 where either is
 * nothing at all. */
double br_total_variation(const int64_t *a_N, const int64_t *b_N, int64_t n);

/* Gini coefficient of counts: 0 all alike, 1 - 1/n all in one. 0 where there is nothing. Sorts
 * count_N. */
double br_gini(int64_t *count_N, int64_t n);

/* efficient_V[v]: no other of the n_rows outcomes is at least as good in every column and better in
 * one. is_less_C[c]: less is better there. */
void br_pareto(const double *outcome_VC, int32_t n_rows, int32_t n_cols, const bool *is_less_C,
               bool *efficient_V);

#endif
