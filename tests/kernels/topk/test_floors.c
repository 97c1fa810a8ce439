/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk with floors: what K items are known to score. Any true floor leaves the lists as they
 * are, a false one is never silently wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/kernels/op_case.h"
#include "tests/kernels/topk/topk_case.h"

/* The k-th best score itself, a little less, or nothing as the floor: the same lists. */
static void test_floors(void **state)
{
    static const data_kind kinds[] = {RANDOM, TIED, ASCENDING, SKEWED};

    (void)state;
    for (int i = 0; i < 8; i++) {
        problem p = {.kind         = kinds[i / 2],
                     .B            = 40,
                     .N            = 5000,
                     .D            = 24,
                     .k            = i % 2 ? 1 : 33,
                     .has_bias     = i % 2,
                     .has_rules    = i != 3,
                     .has_unwanted = i == 4};
        float   floor_B[40];

        fit_problem(&p);
        make_problem(&p);
        assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
        for (int64_t b = 0; b < p.B; b++) {
            float last = p.score_BK[(b + 1) * p.k - 1];

            floor_B[b] = b % 3 == 0 || isnan(last) ? -INFINITY : last - (float)(b % 3 - 1) * 0.1f;
        }
        p.floor_B = floor_B;
        check_made(&p, op_tested(), "floors");
        free_problem(&p);
    }
}

/* A floor that too few items reach is found out, or does no harm. */
static void test_false_floor(void **state)
{
    problem p          = {.kind = RANDOM, .B = 3, .N = 2000, .D = 16, .k = 10, .has_rules = true};
    float   floor_B[3] = {-INFINITY, 1e6f, -INFINITY};

    (void)state;
    fit_problem(&p);
    make_problem(&p);
    p.floor_B = floor_B;
    if (run(&p, op_tested(), 1, p.B, NULL) == BR_OK)
        check_lists(&p, "false floor");
    else
        assert_int_equal(br_error_last()->code, BR_E_SELFCHECK);
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_false_floor),
    };
    (void)printf("seed %u\n", TOPK_SEED);
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
