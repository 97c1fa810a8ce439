/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimators by hand, refusals, resampling, positions and strata as parts of the whole. Coverage is
 * in test_estimate_coverage.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/host/decide/shown_world.h"

static void assert_near(double found, double expected, double by)
{
    if (!(fabs(found - expected) <= by))
        fail_msg("found %.17g, expected %.17g", found, expected);
}

/* Three lists of two rows by hand; the second is not kept. */
static void test_by_hand(void **state)
{
    int64_t          first_L1[4]   = {0, 2, 4, 6};
    bool             is_kept_L[3]  = {true, false, true};
    int32_t          position_R[6] = {1, 2, 1, 2, 1, 2};
    double           p_R[6]        = {log(0.5), log(0.25), NAN, NAN, log(0.25), log(0.5)};
    double           target_R[6]   = {log(0.25), log(0.5), 0, 0, log(0.5), -INFINITY};
    double           reward_R[6]   = {1, 2, 99, 99, 4, 8};
    double           weight_R[6];
    br_shown_log     log  = {6, 3, 2, 2, 0, first_L1, is_kept_L, NULL, position_R, p_R, reward_R};
    br_estimate_args args = {.log       = &log,
                             .weight_R  = weight_R,
                             .stratum   = -1,
                             .clip      = 1.5,
                             .floor     = 0.3,
                             .max_share = 1};
    br_estimates     found;

    (void)state;
    br_shown_weigh(&log, target_R, BR_FORM_SLOT, weight_R); /* .5 2 | 2 0 */
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_near(found.of[BR_EST_IPS].value, (0.5 + 4 + 8) / 2, 1e-12);
    assert_near(found.of[BR_EST_IPS].se, 1.75, 1e-12); /* 4.5 and 8 */
    assert_near(found.of[BR_EST_SNIPS].value, 2 * 12.5 / 4.5, 1e-12);
    assert_near(found.of[BR_EST_CLIPPED].value, (0.5 + 3 + 6) / 2, 1e-12);
    assert_near(found.logged, 7.5, 1e-12);
    assert_near(found.support.ess, 4.5 * 4.5 / (2.5 * 2.5 + 4), 1e-12);
    assert_near(found.support.mean_weight, 4.5 / 4, 1e-12);
    assert_near(found.support.max_weight, 2, 1e-12);
    assert_near(found.support.max_share, 2.5 / 4.5, 1e-12);
    assert_near(found.support.below_floor_share, 0.5, 1e-12);
    assert_near(found.support.zero_share, 0.25, 1e-12);
    assert_near(found.support.clipped_share, 0.5, 1e-12);
    assert_false(found.of[BR_EST_DR].is_there);
    args.position = 2;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_near(found.of[BR_EST_IPS].value, 2, 1e-12);
    assert_int_equal(found.support.n_rows, 2);
    args.position = 0;
    args.form     = BR_FORM_CASCADE;
    br_shown_weigh(&log, target_R, args.form, weight_R); /* .5 1 | 2 0 */
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_near(found.of[BR_EST_IPS].value, (0.5 + 2 + 8) / 2, 1e-12);
    args.form = BR_FORM_LIST;
    br_shown_weigh(&log, target_R, args.form, weight_R); /* 1 | 0 */
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_near(found.of[BR_EST_IPS].value, 1.5, 1e-12);
    assert_near(found.of[BR_EST_SNIPS].value, 3, 1e-12);
    assert_near(found.support.ess, 1, 1e-12);
}

static void test_refusals(void **state)
{
    sample          *s = make_sample();
    br_estimate_args args;
    br_estimates     found;

    (void)state;
    seed_draws(SEED);
    fill(s, WORLD_SLOT);
    args         = args_of(s, BR_FORM_LIST);
    args.min_ess = LISTS;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.of[BR_EST_SNIPS].refusal, BR_REFUSE_ESS);
    assert_int_equal(found.of[BR_EST_DM].refusal, BR_REFUSE_NOT);
    args.min_ess   = 1;
    args.max_share = found.support.max_share * 0.99;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.of[BR_EST_IPS].refusal, BR_REFUSE_SHARE);
    for (int64_t r = 0; r < ROWS; r++)
        s->reward_R[r] = 0.0;
    args.max_share = 1;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.of[BR_EST_IPS].refusal, BR_REFUSE_SAME);
    for (int64_t r = 0; r < ROWS; r++) /* never shown by the target, whatever the log shows */
        s->log_target_R[r] = -INFINITY;
    args         = args_of(s, BR_FORM_SLOT);
    args.min_ess = 0;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.of[BR_EST_SNIPS].refusal, BR_REFUSE_ESS);
    for (int64_t l = 1; l < LISTS; l++)
        s->is_kept_L[l] = false;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.of[BR_EST_DM].refusal, BR_REFUSE_LISTS);
    s->is_kept_L[0] = false;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.support.n_lists, 0);
    assert_int_equal(found.of[BR_EST_IPS].refusal, BR_REFUSE_LISTS);
    free(s);
}

/* A ratio too large for a double is not NaN but a refusal. */
static void test_overflow(void **state)
{
    sample          *s = make_sample();
    br_estimate_args args;
    br_estimates     found;

    (void)state;
    seed_draws(SEED);
    fill(s, WORLD_SLOT);
    s->log_propensity_R[7] = -5000.0;
    args                   = args_of(s, BR_FORM_LIST);
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(found.of[BR_EST_IPS].refusal, BR_REFUSE_ESS);
    assert_true(isfinite(found.of[BR_EST_IPS].se) && found.support.max_share > 0.999);
    free(s);
}

/* Resampled intervals are those of the normal approximation here, and the same for a seed. */
static void test_resampling(void **state)
{
    sample          *s = make_sample();
    br_estimate_args args;
    br_estimates     found, again;

    (void)state;
    seed_draws(SEED);
    fill(s, WORLD_ABOVE);
    args        = args_of(s, BR_FORM_CASCADE);
    args.n_boot = 2000;
    args.seed   = 7;
    assert_int_equal(br_estimate_value(&args, &found), BR_OK);
    assert_int_equal(br_estimate_value(&args, &again), BR_OK);
    for (int e = 0; e < BR_N_ESTIMATORS; e++) {
        const br_estimate *x = &found.of[e];

        assert_near(x->boot_low, x->low, 0.35 * x->se + 1e-12);
        assert_near(x->boot_high, x->high, 0.35 * x->se + 1e-12);
        assert_true(x->boot_low == again.of[e].boot_low);
    }
    args.seed = 8;
    assert_int_equal(br_estimate_value(&args, &again), BR_OK);
    assert_true(found.of[0].boot_low != again.of[0].boot_low);
    free(s);
}

/* Positions and strata are parts of the whole. */
static void test_parts(void **state)
{
    sample          *s = make_sample();
    br_estimate_args args;
    br_estimates     all, part;
    double           by_position = 0.0, by_stratum = 0.0;

    (void)state;
    seed_draws(SEED);
    fill(s, WORLD_ABOVE);
    for (int form = 0; form < BR_N_FORMS; form++) {
        args = args_of(s, (br_form)form);
        assert_int_equal(br_estimate_value(&args, &all), BR_OK);
        by_position = by_stratum = 0.0;
        for (args.position = 1; args.position <= K; args.position++) {
            assert_int_equal(br_estimate_value(&args, &part), BR_OK);
            assert_int_equal(part.support.n_rows, LISTS);
            assert_false(part.of[BR_EST_DM].is_there);
            by_position += part.of[BR_EST_IPS].value;
        }
        args.position = 0;
        for (args.stratum = 0; args.stratum < 2; args.stratum++) {
            assert_int_equal(br_estimate_value(&args, &part), BR_OK);
            assert_int_equal(part.support.n_lists, LISTS / 2);
            by_stratum += part.of[BR_EST_DR].value / 2;
        }
        assert_near(by_position, all.of[BR_EST_IPS].value, 1e-9);
        assert_near(by_stratum, all.of[BR_EST_DR].value, 1e-9);
    }
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_overflow), cmocka_unit_test(test_resampling),
        cmocka_unit_test(test_parts)};

    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
