/* SPDX-License-Identifier: Apache-2.0
 *
 * Intervals hold the truth at about their rate where a form's condition holds, and the mean of many
 * logs is the truth; a form whose condition is broken misses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/host/decide/shown_world.h"

#define REPEATS 400

/* Repeats of one world in one form: how often each interval holds the truth, and how far the mean
 * is from it in standard errors of the mean. */
static void repeat(world w, br_form form, double held[BR_N_ESTIMATORS], double off[BR_N_ESTIMATORS])
{
    sample *s     = make_sample();
    double  truth = truth_of(w), sum[BR_N_ESTIMATORS] = {0}, square[BR_N_ESTIMATORS] = {0};

    for (int e = 0; e < BR_N_ESTIMATORS; e++)
        held[e] = 0.0;
    seed_draws(SEED + (uint64_t)w * 100 + (uint64_t)form);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        br_estimate_args args;
        br_estimates     found;

        fill(s, w);
        args = args_of(s, form);
        assert_int_equal(br_estimate_value(&args, &found), BR_OK);
        assert_true(fabs(found.support.mean_weight - 1) < 6 * found.support.mean_weight_se);
        for (int e = 0; e < BR_N_ESTIMATORS; e++) {
            double gap = found.of[e].value - truth;

            assert_int_equal(found.of[e].refusal, BR_REFUSE_NOT);
            held[e] += (found.of[e].low <= truth && truth <= found.of[e].high) / (double)REPEATS;
            sum[e] += gap / REPEATS;
            square[e] += gap * gap / REPEATS;
        }
    }
    for (int e = 0; e < BR_N_ESTIMATORS; e++)
        off[e] = sum[e] / sqrt(square[e] / REPEATS);
    free(s);
}

/* In repeats of a 95 % interval the truth is held in 95 % with a deviation of 1.1 %. */
static void assert_unbiased(world w, br_form form)
{
    static const br_estimator which[] = {BR_EST_IPS, BR_EST_SNIPS, BR_EST_CLIPPED, BR_EST_DR,
                                         BR_EST_SNDR};
    double                    held[BR_N_ESTIMATORS], off[BR_N_ESTIMATORS];

    repeat(w, form, held, off);
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        printf("world %d, %-7s %-7s held %.3f, mean off by %+.2f standard errors\n", (int)w,
               br_form_name[form], br_estimator_name[which[i]], held[which[i]], off[which[i]]);
        assert_true(held[which[i]] > 0.91 && held[which[i]] < 0.985);
        assert_true(fabs(off[which[i]]) < 4.0);
    }
}

static void test_coverage_slot(void **state)
{
    (void)state;
    for (int form = 0; form < BR_N_FORMS; form++)
        assert_unbiased(WORLD_SLOT, (br_form)form);
}

static void test_coverage_above(void **state)
{
    (void)state;
    assert_unbiased(WORLD_ABOVE, BR_FORM_CASCADE);
    assert_unbiased(WORLD_ABOVE, BR_FORM_LIST);
}

static void test_coverage_below(void **state)
{
    (void)state;
    assert_unbiased(WORLD_BELOW, BR_FORM_LIST);
}

/* The forms are not the same thing: without their assumption they miss. */
static void test_broken_assumptions(void **state)
{
    double held[BR_N_ESTIMATORS], off[BR_N_ESTIMATORS];

    (void)state;
    repeat(WORLD_ABOVE, BR_FORM_SLOT, held, off);
    assert_true(fabs(off[BR_EST_IPS]) > 8.0);
    repeat(WORLD_BELOW, BR_FORM_CASCADE, held, off);
    assert_true(fabs(off[BR_EST_IPS]) > 8.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coverage_slot), cmocka_unit_test(test_coverage_above),
        cmocka_unit_test(test_coverage_below), cmocka_unit_test(test_broken_assumptions)};

    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
