/* SPDX-License-Identifier: Apache-2.0
 *
 * Likeness of lists, exposures and outcomes on cases worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/decide/compare.h"

#define CLOSE 1e-12

static void close_to(double found, double wanted)
{
    assert_true(fabs(found - wanted) < CLOSE);
}

static void test_lists(void **state)
{
    const int32_t a[] = {3, 1, 2}, swapped[] = {1, 3, 2}, other[] = {4, 5, 6};
    const int32_t shorter[] = {3, -1, -1}, none[] = {-1, -1, -1};
    br_comparer   c;

    (void)state;
    assert_int_equal(br_comparer_open(7, &c), BR_OK);
    close_to(br_compare_lists(&c, a, a, 3).rbo, 1.0);
    close_to(br_compare_lists(&c, a, a, 3).share, 1.0);
    assert_int_equal(br_compare_lists(&c, a, other, 3).n_common, 0);
    close_to(br_compare_lists(&c, a, other, 3).rbo, 0.0);
    assert_int_equal(br_compare_lists(&c, a, swapped, 3).n_common, 3);
    /* agreement 0, 1, 1: 0.1 (0.9 + 0.81) + 0.9^3 */
    close_to(br_compare_lists(&c, a, swapped, 3).rbo, 0.1 * (0.9 + 0.81) + 0.729);
    /* agreement 1, 1/2, 1/3 */
    close_to(br_compare_lists(&c, a, shorter, 3).share, 1.0 / 3.0);
    close_to(br_compare_lists(&c, a, shorter, 3).rbo, 0.1 * (1 + 0.45 + 0.27) + 0.243);
    close_to(br_compare_lists(&c, shorter, a, 3).rbo, 0.1 * (1 + 0.45 + 0.27) + 0.243);
    close_to(br_compare_lists(&c, none, none, 3).rbo, 1.0);
    close_to(br_compare_lists(&c, none, a, 3).share, 0.0);
    br_comparer_close(&c);
}

static void test_exposure(void **state)
{
    const int64_t a[] = {2, 2, 0}, b[] = {0, 1, 1}, none[] = {0, 0, 0};
    int64_t       even[] = {4, 4, 4}, one[] = {0, 9, 0}, some[] = {3, 1, 2};

    (void)state;
    close_to(br_total_variation(a, a, 3), 0.0);
    close_to(br_total_variation(a, b, 3), 0.5);
    close_to(br_total_variation(a, none, 3), 0.0);
    close_to(br_gini(even, 3), 0.0);
    close_to(br_gini(one, 3), 2.0 / 3.0);
    close_to(br_gini(some, 3), (-2.0 + 6.0) / 18.0);
}

static void test_pareto(void **state)
{
    const double outcome[] = {1, 5, 2, 4, 1, 4, 2, 4, 3, 6};
    const bool   is_less[] = {false, true};
    bool         efficient[5];

    (void)state;
    br_pareto(outcome, 5, 2, is_less, efficient);
    assert_false(efficient[0]); /* more of the second, less of the first */
    assert_true(efficient[1]);
    assert_false(efficient[2]); /* as good in the second, worse in the first */
    assert_true(efficient[3]);  /* alike: neither is better */
    assert_true(efficient[4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_exposure),
                                       cmocka_unit_test(test_pareto)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
