/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk of every host backend against an oracle written again here: eight fp64 chains, one
 * rounding to fp32, a full sort. Items, order and score bits must agree on random, tied, duplicate,
 * ascending, zero, huge-norm, denormal, skewed and outlier data, with and without bias, never-lists
 * and segments, on every kind of screen; any batch size and any number of lanes gives the same
 * bits. ctest runs it as on processors without AVX-512 and without AVX2 as well. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "tests/kernels/op_case.h"
#include "tests/kernels/topk/topk_case.h"

static const int64_t dims[]  = {1, 7, 32, 50, 128, 256, 512};
static const int64_t sizes[] = {1, 10, 1000};
static const int32_t ks[]    = {1, 10, 100, 257, 1000};

static bool is_full;

/* One shape with every kind of data; bias and rules come and go with the case. */
static void check_kinds(int64_t N, int64_t D, int32_t k, int way)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        if (op_is_emulated() && kind != way % N_KINDS) /* each shape once, each kind often */
            continue;
        problem p = {.kind         = (data_kind)kind,
                     .B            = N > 1000 ? 2 : 5,
                     .N            = N,
                     .D            = D,
                     .k            = k,
                     .has_bias     = (way + kind) % 2,
                     .has_rules    = (way + kind) % 3 == 0,
                     .has_unwanted = (way + kind) % 2 == 0,
                     .screen       = topk_screen_of(way / 2 + kind)};

        check_problem(&p, op_tested(), "tested");
        if (!op_is_emulated() && (way + kind) % 4 == 0 && N <= 1000)
            check_problem(&p, BR_BACKEND_REF, "ref");
    }
}

static void test_all_shapes(void **state)
{
    (void)state;
    for (int i = 0; i < 7 * 3 * 5; i += op_is_emulated() ? 4 : 1)
        for (int more = 0; more <= is_full; more++) /* --full: with bias and without */
            check_kinds(sizes[i / 5 % 3], dims[i / 15], ks[i % 5], i + i / 15 + more);
}

static void test_large_catalogue(void **state)
{
    (void)state;
    for (int d = 0; d < 7; d += op_is_emulated() ? 3 : 1)
        for (int i = 0; i < 10; i++) /* each k, with and without bias */
            if (is_full || i == d % 5)
                check_kinds(100000, dims[d], ks[i % 5], d + i / 5);
}

/* The problem's lists again, in other batches on other lanes. */
static void check_batches(problem *p, int64_t batch, int n_lanes)
{
    int32_t *item_BK  = NULL;
    float   *score_BK = NULL;

    assert_int_equal(br_alloc(p->B * p->k, 4, "i", (void **)&item_BK), BR_OK);
    assert_int_equal(br_alloc(p->B * p->k, 4, "s", (void **)&score_BK), BR_OK);
    memcpy(item_BK, p->item_BK, (size_t)(p->B * p->k) * 4);
    memcpy(score_BK, p->score_BK, (size_t)(p->B * p->k) * 4);
    memset(p->item_BK, 0, (size_t)(p->B * p->k) * 4);
    assert_int_equal(run(p, op_tested(), n_lanes, batch, NULL), BR_OK);
    assert_memory_equal(item_BK, p->item_BK, (size_t)(p->B * p->k) * 4);
    assert_memory_equal(score_BK, p->score_BK, (size_t)(p->B * p->k) * 4);
    br_free(&item_BK);
    br_free(&score_BK);
}

static void test_batches_and_lanes(void **state)
{
    static const int64_t batch[]   = {1, 64, 4096};
    static const int     n_lanes[] = {1, 2, 7};
    problem              p         = {.kind         = RANDOM,
                                      .B            = op_is_emulated() ? 140 : 1500,
                                      .N            = op_is_emulated() ? 600 : 3000,
                                      .D            = op_is_emulated() ? 10 : 50,
                                      .k            = 20,
                                      .has_bias     = true,
                                      .has_rules    = true,
                                      .has_unwanted = true};

    (void)state;
    make_problem(&p);
    check_made(&p, op_tested(), "batches");
    if (op_is_emulated()) { /* chunks of 128, tiles of 128, 64 and 32 */
        check_batches(&p, 67, 2);
        check_batches(&p, 40, 1);
    }
    for (int i = 0; i < 9 && !op_is_emulated(); i++)
        check_batches(&p, batch[i / 3], n_lanes[i % 3]);
    free_problem(&p);
}

/* Items are ordered by the norms of the customers who come first; others come too. */
static void test_norms_and_biases(void **state)
{
    static const float factor[] = {1.0f, 0.6f, 1.9f, 0.1f, 7.0f, 0.0f};
    problem            p        = {.kind = SKEWED, .B = 60, .N = 20000, .D = 24, .k = 10};

    (void)state;
    p.has_bias = true;
    fit_problem(&p);
    make_problem(&p);
    for (int64_t b = 5; b < p.B; b++)
        for (int64_t d = 0; d < p.D; d++)
            p.query_BD[b * p.D + d] *= factor[b % 6];
    check_made(&p, op_tested(), "norms");
    check_batches(&p, 5, 1);
    check_batches(&p, 4, 2);
    free_problem(&p);
}

static void test_slow_path(void **state)
{
    problem p = {.kind = TIED, .B = 3, .N = 20000, .D = 1, .k = 5};
    int64_t n_slow;

    (void)state;
    fit_problem(&p);
    make_problem(&p);
    assert_int_equal(run(&p, op_tested(), 1, 3, &n_slow), BR_OK);
    assert_true(n_slow > 0); /* thousands of ties do not fit the buffer */
    free_problem(&p);
    p.kind = RANDOM;
    p.D    = 32;
    fit_problem(&p);
    make_problem(&p);
    assert_int_equal(run(&p, op_tested(), 1, 3, &n_slow), BR_OK);
    assert_int_equal(n_slow, 0);
    free_problem(&p);
}

/* Items barred by a huge negative bias must not widen the bound of their neighbours. */
static void test_barred_items(void **state)
{
    problem p = {.kind = RANDOM, .B = 20, .N = 6000, .D = 48, .k = 30, .has_bias = true};
    int64_t n_slow;

    (void)state;
    fit_problem(&p);
    make_problem(&p);
    for (int64_t i = 0; i < p.N; i += 7)
        p.bias_N[i] = i % 2 ? -1e30f : -FLT_MAX;
    assert_int_equal(run(&p, op_tested(), 1, p.B, &n_slow), BR_OK);
    check_lists(&p, "cpu");
    assert_int_equal(n_slow, 0);
    free_problem(&p);
}

/* One item in fifty may be shown: the threshold must come from those alone. */
static void test_few_eligible(void **state)
{
    static const int32_t few[] = {1, 50, 100, 400};

    (void)state;
    for (int i = 0; i < 4; i++) {
        problem p = {.kind = ASCENDING, .B = 7, .N = 9000, .D = 20, .k = few[i], .has_rules = true};

        fit_problem(&p);
        make_problem(&p);
        for (int64_t item = 0; item < p.N; item++)
            p.require_N[item] = item % 50 == 3 ? 0 : 8;
        check_made(&p, op_tested(), "cpu");
        free_problem(&p);
    }
}

/* Customers without a vector: their list is the order of the biases, or of the rows. */
static void test_zero_customers(void **state)
{
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        problem p = {.kind = RANDOM, .B = 8, .N = 30000, .D = 16, .k = 25, .has_bias = bias};

        fit_problem(&p);
        make_problem(&p);
        memset(p.query_BD, 0, (size_t)(p.B / 2 * p.D) * sizeof(float));
        check_made(&p, op_tested(), "cpu");
        free_problem(&p);
    }
}

/* Customers b and b + 40 share segments, so that some make up tiles of their own and some do not; a
 * ninth have none. Items require one of 40, or one of 7 and one of 11 others. */
static void set_segments(problem *p, bool are_pairs)
{
    for (int64_t i = 0; i < p->N; i++)
        p->require_N[i] = are_pairs ? 1ull << i % 7 | 1ull << (7 + i % 11) : 1ull << i % 40;
    for (int64_t b = 0; b < p->B; b++) {
        int64_t s = b < 60 ? b : 60; /* most are alike */

        p->have_B[b] = 1ull << s % 40 | 1ull << s * 3 % 40;
        if (are_pairs)
            p->have_B[b] = 3ull << s % 6 | 7ull << (7 + s % 9);
        if (b % 9 == 0)
            p->have_B[b] = 0;
    }
}

/* A few of many segments: most panels are passed over, lists stay those of the oracle. */
static void test_selective_segments(void **state)
{
    static const data_kind kinds[] = {RANDOM, SKEWED, TIED};

    (void)state;
    for (int i = 0; i < 12; i++) {
        problem p = {.kind         = kinds[i % 3],
                     .B            = 100,
                     .N            = 9000,
                     .D            = 24,
                     .k            = 40,
                     .has_bias     = i % 2,
                     .has_rules    = true,
                     .has_unwanted = true,
                     .screen       = topk_screen_of(i)};

        if (op_is_emulated() && i % 4 != i / 4) /* each kind once */
            continue;
        fit_problem(&p);
        make_problem(&p);
        set_segments(&p, i >= 6);
        check_made(&p, op_tested(), "segments");
        free_problem(&p);
    }
}

/* The widest vectors, the longest lists, whole or not. */
static void test_limits(void **state)
{
    static const problem limits[] = {
        {.kind = RANDOM, .B = 3, .N = 100, .D = 1024, .k = 7, .has_bias = true},
        {.kind = RANDOM, .B = 40, .N = 100, .D = 1023, .k = 100},
        {.kind = SKEWED, .B = 2, .N = 1500, .D = 5, .k = 1024, .has_rules = true},
        {.kind = RANDOM, .B = 2, .N = 3000, .D = 33, .k = 1024, .has_bias = true},
    };

    (void)state;
    for (int i = 0; i < 4; i++) {
        problem p = limits[i];

        check_problem(&p, op_tested(), "limits");
    }
}

/* What is not finite is found where it stands first. */
static void test_not_finite(void **state)
{
    const br_backend backends[] = {BR_BACKEND_REF, op_tested()};

    (void)state;
    for (int i = 0; i < 4; i++) {
        problem p = {.kind = RANDOM, .B = 5, .N = 300, .D = 9, .k = 3};

        make_problem(&p);
        if (i < 2)
            p.query_BD[2 * 9 + 8] = i % 2 ? NAN : INFINITY;
        else
            p.item_ND[77 * 9 + 3] = i % 2 ? NAN : -INFINITY;
        for (int j = 0; j < 2; j++) {
            assert_int_equal(run(&p, backends[j], 1, p.B, NULL), BR_E_INPUT);
            assert_non_null(
                strstr(br_error_last()->text, i < 2 ? "row 2 and item 0" : "row 0 and item 77"));
        }
        free_problem(&p);
    }
}

/* No customers: nothing happens. */
static void test_nobody(void **state)
{
    problem p = {.kind = RANDOM, .B = 1, .N = 9, .D = 3, .k = 2};

    (void)state;
    make_problem(&p);
    p.B = 0;
    assert_int_equal(run(&p, op_tested(), 1, 1, NULL), BR_OK);
    p.B = 1;
    free_problem(&p);
}

static void test_overflow(void **state)
{
    const br_backend backends[] = {BR_BACKEND_REF, op_tested()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        problem p = {.kind = RANDOM, .B = 9, .N = 2000, .D = 8, .k = 5};

        fit_problem(&p);
        make_problem(&p);
        for (int d = 0; d < 8; d++) {
            p.query_BD[4 * 8 + d]   = 1e25f;
            p.item_ND[1500 * 8 + d] = 1e25f;
        }
        assert_int_equal(run(&p, backends[i], 1, 9, NULL), BR_E_INPUT);
        assert_non_null(strstr(br_error_last()->text, "row 4 and item 1500"));
        free_problem(&p);
    }
}

/* --full: each shape with bias and without, and each k at 100,000 items; some minutes more. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_shapes),
        cmocka_unit_test(test_large_catalogue),
        cmocka_unit_test(test_batches_and_lanes),
        cmocka_unit_test(test_norms_and_biases),
        cmocka_unit_test(test_slow_path),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_barred_items),
        cmocka_unit_test(test_few_eligible),
        cmocka_unit_test(test_selective_segments),
        cmocka_unit_test(test_zero_customers),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_not_finite),
    };
    is_full = argc > 1 && strcmp(argv[1], "--full") == 0;
    (void)printf("seed %u\n", TOPK_SEED);
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
