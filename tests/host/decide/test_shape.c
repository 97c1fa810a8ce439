/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes that no list could have are refused; a list worked out by hand; the scratch of one thread
 * serves customer after customer. Random worlds: test_shape.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/shape.h"

#define N 6
#define K 4

static const int32_t group_N[N] = {0, 0, 0, 1, -1, -1};

static br_shape good_shape(br_quota *quota, br_pin pin[2])
{
    *quota = (br_quota){.name = "brand", .group_N = group_N, .n_groups = 2, .max = 2};
    pin[0] = (br_pin){.item = 3, .slot = 1};
    pin[1] = (br_pin){.item = 4, .slot = 3};
    return (br_shape){.k        = K,
                      .n_items  = N,
                      .n_quotas = 1,
                      .quota    = quota,
                      .n_pins   = 2,
                      .pin      = pin,
                      .lambda   = 1.0};
}

static void expect_refused(const br_shape *shape, br_status code, const char *text)
{
    assert_int_equal(br_shape_check(shape), code);
    assert_string_equal(br_error_last()->text, text);
}

static void test_refused(void **state)
{
    br_quota quota;
    br_pin   pin[2];
    br_shape s = good_shape(&quota, pin);

    (void)state;
    assert_int_equal(br_shape_check(&s), BR_OK);
    pin[1].slot = 1;
    expect_refused(&s, BR_E_USAGE, "slot 1 is pinned twice, to items 3 and 4");
    pin[1].slot = 0;
    expect_refused(&s, BR_E_USAGE, "pins: slot 0 behind slot 1, expected ascending slots");
    pin[1].slot = K;
    expect_refused(&s, BR_E_USAGE, "pin of item 4: slot 4, expected 0 to 3");
    pin[1] = (br_pin){.item = 3, .slot = 3};
    expect_refused(&s, BR_E_USAGE, "item 3 is pinned twice, at slots 1 and 3");
    pin[1].item = N;
    expect_refused(&s, BR_E_USAGE, "pin at slot 3: item 6, expected 0 to 5");
    s         = good_shape(&quota, pin);
    quota.max = 0;
    expect_refused(&s, BR_E_USAGE,
                   "quota on `brand`: at most 0 items of a group, expected 1 or more");
    quota.max      = 1;
    quota.n_groups = 1;
    expect_refused(&s, BR_E_INPUT, "quota on `brand`: item 3 is in group 1, expected -1 to 0");
    s        = good_shape(&quota, pin);
    s.lambda = 0.0;
    expect_refused(&s, BR_E_USAGE, "diversity: lambda 0, expected above 0 and at most 1");
    s.lambda = 0.5;
    s.window = K - 1;
    expect_refused(&s, BR_E_USAGE, "diversity: window 3, expected at least the list's 4 items");
    s.window = K;
    expect_refused(&s, BR_E_USAGE, "diversity: vectors of width 0, expected 1 or more");
}

typedef struct listed {
    int32_t   item_K[K];
    float     score_K[K];
    uint8_t   source_K[K];
    br_shaped list;
} listed;

static listed make(br_shape_work *work, const br_shape_input *in)
{
    listed l = {0};

    l.list = (br_shaped){.item_K = l.item_K, .score_K = l.score_K, .source_K = l.source_K};
    br_shape_list(work, in, &l.list);
    return l;
}

static bool all_eligible(const void *context, int32_t item)
{
    (void)context;
    return item >= 0;
}

static void test_by_hand(void **state)
{
    const int32_t   item_M[4]      = {2, 0, 1, 3};
    const float     score_M[4]     = {9, 8, 7, 6};
    const bool      eligible_P[2]  = {true, false};
    const float     pin_score_P[2] = {6, 0};
    const int32_t   rung[3]        = {1, 5, 4};
    const float     rung_score[3]  = {30, 20, 10};
    const br_ladder ladder         = {
                .source = BR_SOURCE_NEWEST, .n = 3, .item = rung, .score = rung_score};
    br_shape_input in = {.n                 = 2,
                         .item_M            = item_M,
                         .score_M           = score_M,
                         .pin_is_eligible_P = eligible_P,
                         .pin_score_P       = pin_score_P,
                         .is_eligible       = all_eligible};
    br_quota       quota;
    br_pin         pin[2];
    br_shape       shape = good_shape(&quota, pin);
    br_shape_work *work  = NULL;
    listed         l;

    (void)state;
    assert_int_equal(br_shape_work_create(&shape, &work), BR_OK);
    l = make(work, &in);
    assert_true(l.list.needs_more);
    assert_int_equal(l.list.short_reason, 0);
    in.n      = 4;
    in.is_all = true;
    l         = make(work, &in); /* item 1 is the third of its brand */
    assert_false(l.list.needs_more);
    assert_memory_equal(l.item_K, ((int32_t[K]){2, 3, 0, -1}), sizeof l.item_K);
    assert_int_equal(l.list.n, 3);
    assert_int_equal(l.list.short_reason, BR_SHORT_QUOTA);
    assert_int_equal(l.list.n_passed_over, 1);
    in.n_ladders = 1;
    in.ladder    = &ladder;
    l            = make(work, &in);
    assert_memory_equal(l.item_K, ((int32_t[K]){2, 3, 0, 5}), sizeof l.item_K);
    assert_memory_equal(l.source_K, ((uint8_t[K]){1, 5, 1, 4}), sizeof l.source_K);
    assert_int_equal(l.list.short_reason, 0);
    in = (br_shape_input){
        .is_all = true, .pin_is_eligible_P = eligible_P, .pin_score_P = pin_score_P};
    l = make(work, &in); /* the pin moves up to the front */
    assert_memory_equal(l.item_K, ((int32_t[K]){3, -1, -1, -1}), sizeof l.item_K);
    assert_int_equal(l.list.short_reason, BR_SHORT_NO_MORE);
    br_shape_work_destroy(&work);
    assert_null(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_by_hand)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
