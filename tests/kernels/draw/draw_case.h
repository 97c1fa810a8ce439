/* SPDX-License-Identifier: Apache-2.0
 *
 * Problems for the tests of draw_topk: those of score_topk with temperatures, customers and extras,
 * and a way to run a backend on them in batches over lanes. */
#ifndef BR_TESTS_KERNELS_DRAW_DRAW_CASE_H
#define BR_TESTS_KERNELS_DRAW_DRAW_CASE_H

#include "tests/kernels/topk/topk_case.h"

#define CASE_QUOTAS 3

typedef struct draw_case {
    problem     p; /* its lists hold the result */
    br_draw_law law;
    double      temperature; /* of row b: times 1, 1/2 or 2 where rows differ */
    double      epsilon;
    bool        is_mixed; /* temperature and epsilon differ from row to row */
    bool        has_extras;
    bool        is_same; /* every customer has the first one's vector */
    float       scale;   /* of the customers' vectors; 0: 1 */
    int32_t     n_shortlist;
    int32_t     n_quotas; /* columns; groups at random unless filled in after make_case */
    int32_t     n_groups; /* of each; the share of items in none is 1 / (1 + n_groups) */
    int32_t     max_Q[CASE_QUOTAS];
    int32_t    *group_QN[CASE_QUOTAS];
    uint64_t    seed;
    float      *temperature_B, *epsilon_B;
    uint64_t   *customer_B;
    int64_t    *extra_offset_B1;
    int32_t    *extra_item_X;
    float      *extra_score_X;
    float      *log_BK, *normaliser_B, *remaining_B;
    int64_t     n_first, n_longer, n_slow, n_summed; /* of the last run */
} draw_case;

void make_case(draw_case *c);
void free_case(draw_case *c);

/* Runs the problem over lanes, `batch` customers a call; leaves the results in c. */
br_status run_case(draw_case *c, br_backend backend, int n_lanes, int64_t batch);

/* The score that the item takes part with; NaN: it does not (but for n_shortlist). */
float case_score(const draw_case *c, int64_t b, int32_t item);

/* Have the item's groups room beside the first n of a list? Counted anew. */
bool case_has_room(const draw_case *c, const int32_t *item_K, int32_t n, int32_t item);

/* sum (found - expected)^2 / expected over n_cells as a standard normal, about (Wilson and Hilferty
 * 1931); cells that expect less than 10 go together. */
double chi_square_z(const double *expected, const int64_t *found, int64_t n_cells);
#define Z_MOST 3.719 /* p = 1e-4 */

#endif
