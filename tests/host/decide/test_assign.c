/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignment: GrowthBook's published values, shares of arms, hold-outs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/assign.h"

/* GrowthBook's test vectors of hash version 2: (salt, key, bucket / 10000). */
static void test_published(void **state)
{
    static const struct {
        const char *salt, *key;
        int32_t     bucket;
    } rows[] = {{"seed", "a", 505},
                {"seed", "b", 2696},
                {"foo", "ab", 2575},
                {"foo", "def", 2019},
                {"89123klj", "8952klfjas09ujkasdf", 1240},
                {"90850943850283058242805", "123", 7516},
                {"()**(%$##$%#$#", "___)((*\":&", 128}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(br_assign_bucket(rows[i].salt, rows[i].key, strlen(rows[i].key)),
                         rows[i].bucket);
}

static void test_shares(void **state)
{
    const double weight[3] = {0.5, 0.3, 0.2};
    int32_t      first[4], n_of[4] = {0};

    (void)state;
    br_assign_deal(500, 3, weight, first);
    assert_int_equal(first[0], 500);
    assert_int_equal(first[1], 500 + 4750);
    assert_int_equal(first[2], 500 + 7600);
    assert_int_equal(first[3], BR_ASSIGN_BUCKETS);
    for (int32_t u = 0; u < 200000; u++) {
        char    key[16];
        int     n   = snprintf(key, sizeof key, "C%d", u);
        int32_t arm = br_assign_arm(br_assign_bucket("spring", key, (size_t)n), 3, first);

        assert_in_range(arm + 1, 0, 3);
        n_of[arm + 1]++;
    }
    /* five standard deviations of a binomial draw */
    assert_in_range(n_of[0], 10000 - 490, 10000 + 490);
    assert_in_range(n_of[1], 95000 - 1120, 95000 + 1120);
    assert_in_range(n_of[2], 57000 - 1010, 57000 + 1010);
    assert_in_range(n_of[3], 38000 - 880, 38000 + 880);
}

/* Another salt deals anew: the arms of two experiments are independent. */
static void test_salts(void **state)
{
    int32_t n_both = 0;

    (void)state;
    for (int32_t u = 0; u < 100000; u++) {
        char key[16];
        int  n = snprintf(key, sizeof key, "%d", u);

        n_both += br_assign_bucket("one", key, (size_t)n) < 5000 &&
                  br_assign_bucket("two", key, (size_t)n) < 5000;
    }
    assert_in_range(n_both, 25000 - 690, 25000 + 690);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published),
                                       cmocka_unit_test(test_shares), cmocka_unit_test(test_salts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
