/* SPDX-License-Identifier: Apache-2.0
 *
 * What the planner of score_topk decides: the kind of screen where only one will do, rotation where
 * few dimensions are large and only there, the order by norm. Lists never depend on it; speed does.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/cpu/topk/items.h"
#include "tests/kernels/topk/topk_case.h"

static br_dev   *dev;
static br_mat    item_ND;
static br_items *items;

static const br_cpu_items *prepare_made(const problem *p)
{
    assert_int_equal(br_dev_open(BR_BACKEND_CPU, 0, &dev), BR_OK);
    assert_int_equal(br_dev_alloc(dev, BR_F32, p->N, p->D, &item_ND), BR_OK);
    assert_int_equal(br_upload(dev, item_ND, p->item_ND), BR_OK);
    assert_int_equal(br_items_prepare(dev,
                                      &(br_items_args){.item_ND   = item_ND,
                                                       .screen    = p->screen,
                                                       .k         = p->k,
                                                       .logsumexp = p->logsumexp},
                                      &items),
                     BR_OK);
    return items->prepared;
}

/* The items of a problem, prepared. */
static const br_cpu_items *prepare(problem *p)
{
    make_problem(p);
    return prepare_made(p);
}

static void release(problem *p)
{
    br_items_free(&items);
    br_dev_free(&item_ND);
    br_dev_close(&dev);
    free_problem(p);
}

static void check_kind(problem p, br_screen_kind kind)
{
    assert_int_equal(prepare(&p)->kernel->kind, kind);
    release(&p);
}

static void test_kinds(void **state)
{
    problem plain = {.kind = RANDOM, .B = 1, .N = 5000, .D = 32, .k = 10};
    problem p     = plain;

    (void)state;
    for (int kind = BR_SCREEN_FP32; kind <= BR_SCREEN_INT8; kind++) {
        p.screen = (br_screen_kind)kind;
        check_kind(p, p.screen);
    }
    p.logsumexp = BR_LSE_FINE;
    check_kind(p, BR_SCREEN_FP32);
    p.logsumexp = BR_LSE_COARSE;
    check_kind(p, BR_SCREEN_INT16);
    p      = plain;
    p.kind = DENORMAL;
    check_kind(p, BR_SCREEN_FP32);
    p   = plain;
    p.N = 100;
    check_kind(p, BR_SCREEN_FP32);
}

/* One direction and a thousandth of another each: 8 bits cannot tell their scores apart. */
static void test_scores_alike(void **state)
{
    problem p = {.kind = RANDOM, .B = 1, .N = 20000, .D = 128, .k = 10};

    (void)state;
    make_problem(&p);
    for (int64_t i = p.N - 1; i >= 0; i--)
        for (int64_t d = 0; d < p.D; d++)
            p.item_ND[i * p.D + d] = p.item_ND[d] + 1e-3f * p.item_ND[i * p.D + d];
    assert_int_not_equal(prepare_made(&p)->kernel->kind, BR_SCREEN_INT8);
    release(&p);
}

static void test_rotation(void **state)
{
    problem p = {.kind = OUTLIER, .B = 1, .N = 3000, .D = 64, .k = 10, .screen = BR_SCREEN_INT8};

    (void)state;
    assert_true(prepare(&p)->is_rotated);
    release(&p);
    p.kind = RANDOM;
    assert_false(prepare(&p)->is_rotated);
    release(&p);
}

/* Every item once; behind the sample no panel has a larger norm left than the one before. */
static void test_order(void **state)
{
    problem             p      = {.kind = SKEWED, .B = 1, .N = 9000, .D = 16, .k = 10};
    const br_cpu_items *to     = prepare(&p);
    int64_t             n_seen = 0;

    (void)state;
    assert_true(to->n_sample < to->N);
    for (int64_t i = 0; i < to->N; i++)
        n_seen += to->row_N[i];
    assert_int_equal(n_seen, to->N * (to->N - 1) / 2);
    for (int64_t at = 1; at < to->n_panels; at++)
        assert_true(to->panel_P[at].norm_rest <= to->panel_P[at - 1].norm_rest);
    assert_true(to->panel_P[to->n_panels - 1].norm_rest < 0.01f * to->panel_P[0].norm_rest);
    release(&p);
    p.kind = RANDOM;
    to     = prepare(&p);
    assert_int_equal(to->n_sample, to->N);
    release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_scores_alike),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
