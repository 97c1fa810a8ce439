/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation: cases solved by hand, and everything that is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/allocate/allocate.h"

#define ROWS   4
#define ITEMS  3
#define LIMITS 2

/* Four customers who all like item 0 best, then 1, then 2. */
typedef struct fixture {
    int32_t            item_BM[ROWS * ITEMS];
    float              utility_BM[ROWS * ITEMS];
    float              bound_B[ROWS];
    int32_t            length_B[ROWS];
    int64_t            capacity_N[ITEMS];
    float              cost_N[ITEMS];
    int32_t            group_N[ITEMS];
    br_limit           limit_L[LIMITS];
    int32_t            list_BK[ROWS];
    uint8_t            touched_B[ROWS];
    double             dual_C[ITEMS + LIMITS];
    float              price_N[ITEMS];
    double             activity_L[LIMITS];
    br_allocate_report report;
    br_allocate_args   args;
} fixture;

static void fixture_open(fixture *f)
{
    static const float utility_BM[ROWS * ITEMS] = {9, 5, 1, 8, 6, 1, 7, 6, 1, 6, 2.5f, 1};

    *f = (fixture){.capacity_N = {-1, -1, -1}, .cost_N = {2, 1, 0}, .group_N = {0, 1, 1}};
    memcpy(f->utility_BM, utility_BM, sizeof utility_BM);
    for (int32_t i = 0; i < ROWS * ITEMS; i++)
        f->item_BM[i] = i % ITEMS;
    for (int32_t b = 0; b < ROWS; b++) {
        f->length_B[b] = 1;
        f->bound_B[b]  = -INFINITY;
    }
    f->args = (br_allocate_args){.n_rows     = ROWS,
                                 .n_items    = ITEMS,
                                 .width      = ITEMS,
                                 .n_kept     = 1,
                                 .item_BM    = f->item_BM,
                                 .utility_BM = f->utility_BM,
                                 .bound_B    = f->bound_B,
                                 .length_B   = f->length_B,
                                 .capacity_N = f->capacity_N,
                                 .limit_L    = f->limit_L,
                                 .n_lanes    = 2,
                                 .list_BK    = f->list_BK,
                                 .touched_B  = f->touched_B,
                                 .dual_C     = f->dual_C,
                                 .price_N    = f->price_N,
                                 .activity_L = f->activity_L,
                                 .report     = &f->report};
}

static void expect_lists(fixture *f, int32_t a, int32_t b, int32_t c, int32_t d)
{
    assert_int_equal(br_allocate(&f->args), BR_OK);
    assert_int_equal(f->list_BK[0], a);
    assert_int_equal(f->list_BK[1], b);
    assert_int_equal(f->list_BK[2], c);
    assert_int_equal(f->list_BK[3], d);
    assert_int_equal(f->report.n_over, 0);
    assert_true(f->report.dual_value >= f->report.value + f->report.short_cost - 1e-6);
}

static void test_unconstrained(void **state)
{
    fixture f;

    (void)state;
    fixture_open(&f);
    expect_lists(&f, 0, 0, 0, 0);
    assert_float_equal(f.report.value, 30.0, 1e-9);
    assert_float_equal(f.report.gap, 0.0, 1e-9);
    assert_int_equal(f.report.n_touched, 0);
}

/* Two units of item 0 go to those who lose most by the next item: 4, 2, 1, 3.5. */
static void test_capacity(void **state)
{
    fixture f;

    (void)state;
    fixture_open(&f);
    f.capacity_N[0] = 2;
    expect_lists(&f, 0, 1, 1, 0);
    assert_float_equal(f.report.value, 9 + 6 + 6 + 6, 1e-9);
    assert_float_equal(f.report.dual_value, f.report.value, 1e-3);
    assert_in_range((int64_t)(f.dual_C[0] * 1000), 1999, 4001); /* one more: 2, one less: 4 */
    f.capacity_N[1] = 1;
    expect_lists(&f, 0, 0, 1, 2);
    assert_float_equal(f.report.value, 9 + 8 + 6 + 1, 1e-9);
    f.args.floor = 1.5; /* item 2 is not worth a slot */
    expect_lists(&f, 0, 0, 1, -1);
    assert_float_equal(f.report.value, 23 - 3 * 1.5, 1e-9);
    assert_int_equal(f.report.n_slots, 3);
    f.length_B[0] = 0; /* a held customer frees a unit */
    expect_lists(&f, -1, 0, 1, 0);
}

static void test_limits(void **state)
{
    fixture f;

    (void)state;
    fixture_open(&f);
    f.args.n_limits = 1;
    f.limit_L[0] =
        (br_limit){.kind = BR_LIMIT_BUDGET, .name = "money", .cost_N = f.cost_N, .bound = 6.5};
    expect_lists(&f, 0, 1, 1, 0); /* 9 + 6 + 6 + 6 for 6 */
    assert_float_equal(f.activity_L[0], 6.0, 1e-9);
    f.limit_L[0] =
        (br_limit){.kind = BR_LIMIT_MAX_UNITS, .name = "few", .group_N = f.group_N, .bound = 1.0};
    expect_lists(&f, 0, 1, 1, 1);
    f.limit_L[0].kind  = BR_LIMIT_MAX_SHARE;
    f.limit_L[0].bound = 0.5;
    expect_lists(&f, 0, 1, 1, 0);
    f.limit_L[0] = (br_limit){.kind    = BR_LIMIT_MIN_SHARE,
                              .name    = "many",
                              .group_N = f.group_N,
                              .group   = 1,
                              .bound   = 0.75};
    expect_lists(&f, 0, 1, 1, 1);
    assert_float_equal(f.activity_L[0], 3.0, 1e-9);
    assert_true(f.price_N[1] < 0.0f);
    f.args.short_price = 0.5; /* a missing slot costs less than any way to fill it */
    expect_lists(&f, 0, 0, 0, 0);
    assert_float_equal(f.report.short_cost, -0.5 * 3.0, 1e-9);
}

/* Item 2 left out of the shortlists: it could enter where its bound beats the list at the prices.
 */
static void test_certificate(void **state)
{
    fixture f;

    (void)state;
    fixture_open(&f);
    f.capacity_N[0] = 2;
    for (int32_t b = 0; b < ROWS; b++) {
        f.item_BM[b * ITEMS + 2] = -1;
        f.bound_B[b]             = 1.0f;
    }
    expect_lists(&f, 0, 1, 1, 0);
    assert_int_equal(f.report.n_uncertain, 0);
    f.bound_B[1] = 6.5f; /* against the 6 of item 1, which is free */
    f.bound_B[3] = 1.5f;
    expect_lists(&f, 0, 1, 1, 0);
    assert_int_equal(f.report.n_uncertain, 1);
    assert_true(f.report.outside_value >= 0.5 - 1e-6);
}

static void expect_refusal(fixture *f, br_status code, const char *words)
{
    assert_int_equal(br_allocate_check(&f->args), code);
    assert_non_null(strstr(br_error_last()->text, words));
    assert_int_equal(br_allocate(&f->args), code);
}

static void test_refused_limits(void **state)
{
    fixture  f;
    br_limit x = {.kind = BR_LIMIT_MIN_SHARE, .name = "x", .bound = 0.6}, y;

    (void)state;
    fixture_open(&f);
    f.args.n_limits = 2;
    x.group_N       = f.group_N;
    y               = x;
    y.group         = 1;
    y.name          = "y";
    f.limit_L[0]    = x;
    f.limit_L[1]    = y;
    expect_refusal(&f, BR_E_USAGE, "sum to 1.2");
    f.limit_L[1].group = 0;
    f.limit_L[1].kind  = BR_LIMIT_MAX_SHARE;
    f.limit_L[1].bound = 0.5;
    expect_refusal(&f, BR_E_USAGE, "above the maximum 0.5");
    f.limit_L[1].kind  = BR_LIMIT_MAX_UNITS;
    f.limit_L[1].bound = 0.0;
    expect_refusal(&f, BR_E_USAGE, "a maximum of 0 units");
    f.limit_L[0].kind = BR_LIMIT_MAX_UNITS;
    expect_refusal(&f, BR_E_USAGE, "one kind");
    f.limit_L[0] = f.limit_L[1] = y;
    f.limit_L[0].kind = f.limit_L[1].kind = BR_LIMIT_MAX_SHARE;
    f.limit_L[0].bound = f.limit_L[1].bound = 0.4;
    f.limit_L[1].group                      = 0;
    expect_refusal(&f, BR_E_USAGE, "nothing could be shown");
    f.args.n_limits    = 1;
    f.limit_L[0]       = x;
    f.limit_L[0].group = 7;
    expect_refusal(&f, BR_E_USAGE, "without items");
    f.limit_L[0].group = 0;
    f.capacity_N[0]    = 0;
    expect_refusal(&f, BR_E_USAGE, "without capacity");
    f.limit_L[0].bound = 1.5;
    expect_refusal(&f, BR_E_USAGE, "a share, 0 .. 1");
    f.limit_L[0].group_N = NULL;
    expect_refusal(&f, BR_E_USAGE, "costs or groups");
    f.limit_L[0] =
        (br_limit){.kind = BR_LIMIT_BUDGET, .name = "money", .cost_N = f.cost_N, .bound = -1.0};
    expect_refusal(&f, BR_E_USAGE, "a maximum >= 0");
    f.limit_L[0].bound = 1.0;
    f.cost_N[1]        = -1.0f;
    expect_refusal(&f, BR_E_INPUT, "found cost -1");
    memset(f.cost_N, 0, sizeof f.cost_N);
    expect_refusal(&f, BR_E_INPUT, "limits nothing");
}

static void test_refused_input(void **state)
{
    fixture f;

    (void)state;
    fixture_open(&f);
    f.capacity_N[1] = -2;
    expect_refusal(&f, BR_E_INPUT, "found capacity -2");
    f.capacity_N[1] = 0;
    f.utility_BM[4] = 9.0f;
    expect_refusal(&f, BR_E_INPUT, "best first");
    f.utility_BM[4] = NAN;
    expect_refusal(&f, BR_E_INPUT, "finite");
    f.utility_BM[4] = 6.0f;
    f.item_BM[4]    = 0;
    expect_refusal(&f, BR_E_INPUT, "each once");
    f.item_BM[4] = 3;
    expect_refusal(&f, BR_E_INPUT, "found item 3");
    f.item_BM[4]  = 1;
    f.length_B[2] = 2;
    expect_refusal(&f, BR_E_INPUT, "found list length 2");
    f.length_B[2] = 1;
    f.bound_B[2]  = INFINITY;
    expect_refusal(&f, BR_E_INPUT, "found bound inf");
    f.bound_B[2]   = 0.0f;
    f.args.start_C = f.dual_C;
    f.dual_C[1]    = -1.0;
    expect_refusal(&f, BR_E_INPUT, "found dual -1");
    f.args.start_C = NULL;
    f.args.n_kept  = 4;
    expect_refusal(&f, BR_E_USAGE, "lists of 4");
    f.args.n_kept = 1;
    f.args.floor  = NAN;
    expect_refusal(&f, BR_E_USAGE, "a finite floor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unconstrained),  cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_refused_limits), cmocka_unit_test(test_refused_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
