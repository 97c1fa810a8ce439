/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run of draw_topk gave, to be compared with another's. */
#ifndef BR_TESTS_KERNELS_DRAW_DRAW_RESULT_H
#define BR_TESTS_KERNELS_DRAW_DRAW_RESULT_H

#include "tests/kernels/draw/draw_case.h"

typedef struct result {
    int32_t *item_BK;
    float   *score_BK, *log_BK, *normaliser_B, *remaining_B;
} result;

/* A copy of the case's last results. */
result take_result(const draw_case *c);
void   free_result(result *r);

/* Within tolerance x max(1, |want|); NaN and infinities are themselves. */
bool is_near(float got, double want, double tolerance);

/* The same lists, score bits and logarithms; these within 1e-6 under quotas. */
void check_same(const draw_case *c, const result *want);

/* The same bytes. */
void check_equal(const draw_case *c, const result *want);

#endif
