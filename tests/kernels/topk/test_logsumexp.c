/* SPDX-License-Identifier: Apache-2.0
 *
 * The log-sum-exp of score_topk against sums in long double over the oracle's scores: within 1e-5
 * (fp32) and 1e-3 (int16) of max(1, |it|), with bias, never-lists and segments, early leaving, a
 * sum that a never-list nearly empties; the lists stay exact and no batch changes a bit. With
 * BATCHRANK_SCREEN_CUDA=hopper on an emulated device: Hopper's own sums, by half of the shapes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda_on_cpu/emulator.h"
#include "tests/kernels/op_case.h"
#include "tests/kernels/topk/topk_case.h"

static bool is_brief(void)
{
    return op_is_emulated() && getenv("BATCHRANK_SCREEN_CUDA") != NULL;
}

static double oracle_logsumexp(const problem *p, int64_t b)
{
    long double most = -INFINITY, sum = 0.0L;

    for (int32_t i = 0; i < p->N; i++)
        if (oracle_allows(p, b, i))
            most = fmaxl(most, (long double)oracle_score(p, b, i) / p->temperature);
    for (int32_t i = 0; i < p->N; i++)
        if (oracle_allows(p, b, i))
            sum += expl((long double)oracle_score(p, b, i) / p->temperature - most);
    return (double)(most + logl(sum));
}

static void check_sums(const problem *p, double tolerance)
{
    for (int64_t b = 0; b < p->B; b++) {
        double want = oracle_logsumexp(p, b), found = (double)p->logsumexp_B[b];

        if (isnan(want) || want == -INFINITY) /* nothing may be shown */
            assert_true(found == -INFINITY);
        else if (!(fabs(found - want) <= tolerance * fmax(1.0, fabs(want))))
            fail_msg("N %lld D %lld kind %d row %lld: found %.9g, expected %.9g", (long long)p->N,
                     (long long)p->D, (int)p->kind, (long long)b, found, want);
    }
}

static void check_case(problem *p, br_backend backend, double tolerance)
{
    fit_problem(p);
    make_problem(p);
    check_made(p, backend, "logsumexp");
    check_sums(p, tolerance);
    free_problem(p);
}

static void test_sums(void **state)
{
    static const data_kind kinds[] = {RANDOM, TIED, SKEWED, DUPLICATE, ZERO};
    static const int64_t   sizes[] = {1, 33, 1000, 20000}, dims[] = {1, 24, 128};

    (void)state;
    for (int i = 0; i < 5 * 4 * 3; i += is_brief() ? 6 : op_is_emulated() ? 3 : 1)
        for (int coarse = 0; coarse < 2; coarse++) {
            if (op_is_emulated() && (coarse != i % 2 || i % 20 > 15)) /* slow: each way once */
                continue;
            problem p = {.kind         = kinds[i % 5],
                         .B            = 7,
                         .N            = sizes[i / 5 % 4],
                         .D            = dims[i / 20],
                         .k            = 10,
                         .has_bias     = i % 2,
                         .has_rules    = i % 3 == 0,
                         .has_unwanted = i % 2 == 0,
                         .logsumexp    = coarse ? BR_LSE_COARSE : BR_LSE_FINE,
                         .temperature  = i % 4 ? 1.0 : 0.5};

            check_case(&p, op_tested(), coarse ? 1e-3 : 1e-5);
            if (!op_is_emulated() && i % 4 == 1)
                check_case(&p, BR_BACKEND_REF, 1e-6);
        }
}

/* Vectors of every length that Hopper's sums have a kernel for, and of one that they have none for.
 * Scores of some hundred times the temperature. */
static void test_lengths(void **state)
{
    static const int64_t D[] = {30, 64, 100, 192, 200};

    (void)state;
    for (size_t d = 0; d < sizeof D / sizeof *D; d++) {
        problem p = {.kind        = d % 2 == 0 ? RANDOM : SKEWED,
                     .B           = 5,
                     .N           = op_is_emulated() ? 300 : 20000,
                     .D           = D[d],
                     .k           = 3,
                     .has_bias    = d % 2 == 0,
                     .has_rules   = d > 2,
                     .logsumexp   = BR_LSE_FINE,
                     .temperature = 0.1};

        check_case(&p, op_tested(), 1e-5);
    }
}

/* Customers who make up tiles of their own, which pass over most panels. */
static void test_selective_segments(void **state)
{
    (void)state;
    for (int i = is_brief() ? 3 : 0; i < 4; i++) {
        problem p = {.kind         = i < 2 ? RANDOM : SKEWED,
                     .B            = 60,
                     .N            = 5000,
                     .D            = 24,
                     .k            = 10,
                     .has_bias     = i % 2,
                     .has_rules    = true,
                     .has_unwanted = true,
                     .logsumexp    = i % 2 ? BR_LSE_COARSE : BR_LSE_FINE,
                     .temperature  = 1.0};

        fit_problem(&p);
        make_problem(&p);
        for (int64_t n = 0; n < p.N; n++)
            p.require_N[n] = 1ull << n % 20;
        for (int64_t b = 0; b < p.B; b++)
            p.have_B[b] = b == 7 ? 0 : 1ull << b % 3 | 4ull << b % 3;
        assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
        check_sums(&p, i % 2 ? 1e-3 : 1e-5);
        check_lists(&p, "logsumexp with segments");
        free_problem(&p);
    }
}

/* The items that make up the sum are those the customer must not be shown. */
static void test_nearly_all_excluded(void **state)
{
    problem p = {.kind        = RANDOM,
                 .B           = 4,
                 .N           = 3000,
                 .D           = 16,
                 .k           = 5,
                 .has_bias    = true,
                 .has_rules   = true,
                 .logsumexp   = BR_LSE_FINE,
                 .temperature = 0.3};

    (void)state;
    fit_problem(&p);
    make_problem(&p);
    for (int64_t b = 0; b < p.B; b++)
        for (int64_t s = p.offset_B1[b]; s < p.offset_B1[b + 1]; s++)
            p.bias_N[p.never_S[s]] = 9.0f;
    for (int64_t i = 0; i < p.N; i++)
        p.require_N[i] = 0;
    assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
    check_sums(&p, 1e-5);
    check_lists(&p, "excluded");
    free_problem(&p);
}

/* The sum is the first pass's, whether or not the list needs a second. */
static void test_second_pass(void **state)
{
    (void)state;
    for (int coarse = is_brief(); coarse < 2; coarse++) {
        problem p = {.kind        = RANDOM,
                     .B           = op_is_emulated() ? 9 : 30,
                     .N           = 20000,
                     .D           = 24,
                     .k           = 10,
                     .has_bias    = true,
                     .logsumexp   = coarse ? BR_LSE_COARSE : BR_LSE_FINE,
                     .temperature = 30.0};

        fit_problem(&p);
        make_problem(&p);
        mislead_sample(&p);
        assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
        assert_int_equal(p.n_second, p.B);
        check_sums(&p, coarse ? 1e-3 : 1e-5);
        check_lists(&p, "second pass");
        free_problem(&p);
    }
}

static void test_batches(void **state)
{
    float   first[500];
    problem p = {.kind        = SKEWED,
                 .B           = op_is_emulated() ? 70 : 500,
                 .N           = op_is_emulated() ? 900 : 5000,
                 .D           = 20,
                 .k           = 10,
                 .has_bias    = true,
                 .has_rules   = true,
                 .logsumexp   = BR_LSE_FINE,
                 .temperature = 0.7};

    (void)state;
    make_problem(&p);
    assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
    memcpy(first, p.logsumexp_B, (size_t)p.B * sizeof *first);
    for (int64_t batch = op_is_emulated() ? 41 : 1; batch < 400; batch = batch * 7 + 3) {
        op_set_thread_order(EMULATOR_RANDOM);
        assert_int_equal(run(&p, op_tested(), 2, batch, NULL), BR_OK);
        assert_memory_equal(first, p.logsumexp_B, (size_t)p.B * sizeof *first);
    }
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_selective_segments),
        cmocka_unit_test(test_nearly_all_excluded),
        cmocka_unit_test(test_second_pass),
        cmocka_unit_test(test_batches),
    };
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
