/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a number of a list is from the reference's: what is no number never passes for near. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/pipeline/detect/agree.h"

static void test_numbers(void **state)
{
    (void)state;
    assert_true(br_agree_share(1.0, 1.0, 0.0) == 0.0);
    assert_true(br_agree_share(1.5, 1.0, 1.0) == 0.5);
    assert_true(br_agree_share(0.5, 1.0, 0.25) == 2.0);
    assert_true(br_agree_share(1.0, 0.0, 0.0) > 1.0);
}

static void test_no_numbers(void **state)
{
    static const double allowed[] = {0.0, 1e-6, 1.0, HUGE_VAL, NAN, -1.0};

    (void)state;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        assert_true(br_agree_share(NAN, NAN, allowed[i]) == 0.0);
        assert_true(br_agree_share(HUGE_VAL, HUGE_VAL, allowed[i]) == 0.0);
        assert_true(br_agree_share(NAN, 0.5, allowed[i]) > 1.0);
        assert_true(br_agree_share(0.5, NAN, allowed[i]) > 1.0);
        assert_true(br_agree_share(HUGE_VAL, -HUGE_VAL, allowed[i]) > 1.0);
    }
    assert_true(br_agree_share(0.5, 0.6, NAN) > 1.0);
    assert_true(br_agree_share(0.5, 0.6, -1.0) > 1.0);
    assert_true(br_agree_share(HUGE_VAL, 0.5, 1.0) > 1.0);
    assert_true(br_agree_share(HUGE_VAL, 0.5, HUGE_VAL) > 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_no_numbers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
