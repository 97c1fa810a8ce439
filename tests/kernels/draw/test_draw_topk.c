/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk on a backend (op_case.h) against ref: items, order, bits of scores and logarithms; the
 * same bytes for any batch and lane; logarithms against long double for temperatures from 0.05 to
 * 10; few items, lists of nearly all, wrong arguments, scores that overflow; how many rows are
 * certain at once. */
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
#include "tests/kernels/draw/draw_result.h"
#include "tests/kernels/op_case.h"

static void check_backends(draw_case *c)
{
    result want;

    make_case(c);
    assert_int_equal(run_case(c, BR_BACKEND_REF, 1, c->p.B), BR_OK);
    want = take_result(c);
    assert_int_equal(run_case(c, op_tested(), 1, c->p.B), BR_OK);
    assert_int_equal(c->n_first + c->n_longer + c->n_slow, c->p.B);
    check_same(c, &want);
    free_result(&want);
    free_case(c);
}

static void test_backends(void **state)
{
    static const data_kind kinds[]        = {RANDOM, TIED, DUPLICATE, SKEWED, ZERO, ASCENDING};
    static const int64_t   sizes[]        = {1, 2, 7, 33, 300, 1025, 5000};
    static const int32_t   ks[]           = {1, 3, 10, 100};
    static const double    temperatures[] = {0.05, 1.0, 0.3, 10.0};

    (void)state;
    for (int i = 0; i < 7 * 4 * 6; i += op_is_emulated() ? 11 : 1)
        for (int way = 0; way < 4; way++) {
            draw_case c = {.p           = {.kind      = kinds[i % 6],
                                           .B         = op_is_emulated() ? 3 : 9,
                                           .N         = sizes[i % 7],
                                           .D         = i % 5 == 0 ? 13 : 24,
                                           .k         = ks[i / 6 % 4],
                                           .has_bias  = i % 2,
                                           .has_rules = way > 0 && i % 4 > 0},
                           .temperature = temperatures[(i + way) % 4],
                           .epsilon     = 0.3,
                           .is_mixed    = i % 3 == 0,
                           .seed        = (uint64_t)i << 30,
                           .law         = way == 3 ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE};

            c.has_extras  = c.p.has_rules && way != 1;
            c.n_shortlist = way == 2 || (way == 3 && i % 2) ? c.p.k + i % 50 : 0;
            check_backends(&c);
        }
}

/* Lists as long as the longest shortlist: what is left is looked for among all items. */
static void test_longest(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        draw_case c = {.p           = {.kind      = ASCENDING,
                                       .B         = op_is_emulated() ? 1 : 3,
                                       .N         = i ? 1024 : 1100,
                                       .D         = 4,
                                       .k         = 1024,
                                       .has_rules = false},
                       .temperature = 1e-6,
                       .seed        = 3};

        check_backends(&c);
    }
}

/* A plateau of items that are far above all others: lists that are not certain before all of it is
 * in the shortlist, or, where it is longer than any, ever. cuda has no longer ones: these are slow
 * there. */
static void test_plateaus(void **state)
{
    static const struct {
        int64_t N;
        int32_t k, n_high;
        bool    is_longer, is_slow; /* some rows */
    } plateaus[]   = {{30000, 10, 150, true, false},
                      {30000, 10, 1100, false, false},
                      {200000, 100, 1250, false, true}};
    int64_t n_slow = 0;

    (void)state;
    for (int i = 0; i < 6; i += op_is_emulated() ? 3 : 1) {
        int64_t   n_items = op_is_emulated() ? 3000 : plateaus[i % 3].N;
        draw_case c       = {.p           = {.kind      = RANDOM,
                                             .B         = 6,
                                             .N         = n_items,
                                             .D         = 2,
                                             .k         = plateaus[i % 3].k,
                                             .has_rules = i >= 3},
                             .temperature = 0.5,
                             .has_extras  = i >= 3,
                             .seed        = 77};
        int64_t   stride  = c.p.N / (op_is_emulated() ? 55 : plateaus[i % 3].n_high);
        bool      is_cuda = op_tested() == BR_BACKEND_CUDA;
        result    want;

        make_case(&c);
        for (int64_t n = 0; n < c.p.N; n++) {
            c.p.item_ND[2 * n]     = n % stride == 0 ? 1.0f : 0.0f;
            c.p.item_ND[2 * n + 1] = 1e-3f * uniform(40, (uint64_t)n);
            c.p.require_N[n]       = n % 97 == 0;
        }
        for (int64_t b = 0; b < c.p.B; b++)
            c.p.query_BD[2 * b] = 30.0f + (float)b;
        for (int64_t e = 0; e < c.extra_offset_B1[c.p.B]; e++)
            c.extra_score_X[e] = e % 3 == 0 ? 31.0f : 0.0f;
        assert_int_equal(run_case(&c, BR_BACKEND_REF, 1, c.p.B), BR_OK);
        want = take_result(&c);
        assert_int_equal(run_case(&c, op_tested(), 1, c.p.B), BR_OK);
        check_same(&c, &want);
        n_slow += c.n_slow;
        if (!op_is_emulated()) {
            assert_true((c.n_longer > 0) == (plateaus[i % 3].is_longer && !is_cuda));
            assert_true((c.n_slow > 0) ==
                        (plateaus[i % 3].is_slow || (plateaus[i % 3].is_longer && is_cuda)));
        }
        free_result(&want);
        free_case(&c);
    }
    assert_true(n_slow > 0);
}

static void test_batches(void **state)
{
    (void)state;
    for (int law = 0; law < 2; law++) {
        draw_case c = {.p           = {.kind      = RANDOM,
                                       .B         = op_is_emulated() ? 40 : 500,
                                       .N         = op_is_emulated() ? 500 : 6000,
                                       .D         = 20,
                                       .k         = 10,
                                       .has_bias  = true,
                                       .has_rules = true},
                       .law         = law ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE,
                       .temperature = 0.6,
                       .epsilon     = 0.4,
                       .is_mixed    = true,
                       .has_extras  = true,
                       .seed        = 5};
        result    first;

        make_case(&c);
        assert_int_equal(run_case(&c, op_tested(), 1, c.p.B), BR_OK);
        first = take_result(&c);
        for (int64_t batch = op_is_emulated() ? 10 : 1; batch < c.p.B; batch = batch * 7 + 3) {
            assert_int_equal(run_case(&c, op_tested(), op_is_emulated() ? 1 : 2, batch), BR_OK);
            check_equal(&c, &first);
        }
        free_result(&first);
        free_case(&c);
    }
}

/* ln mu of every slot from the list alone: what is left is summed anew for each. */
static void check_row_logs(const draw_case *c, int64_t b, long double *e_N)
{
    const problem *p    = &c->p;
    long double    most = -INFINITY, left = 0.0L, T = (long double)c->temperature_B[b];

    for (int32_t i = 0; i < p->N; i++) {
        float score = case_score(c, b, i);

        e_N[i] = isnan(score) ? -INFINITY : (long double)score / T;
        most   = fmaxl(most, e_N[i]);
    }
    for (int32_t j = 0; j <= p->k; j++) {
        double want;

        left = 0.0L;
        for (int32_t i = 0; i < p->N; i++)
            left += expl(e_N[i] - most);
        if (j == 0)
            assert_true(is_near(c->normaliser_B[b], (double)(most + logl(left)), 1e-6));
        if (j == p->k)
            break;
        want = (double)(e_N[p->item_BK[b * p->k + j]] - most - logl(left));
        if (!is_near(c->log_BK[b * p->k + j], want, 1e-6))
            fail_msg("T %g row %lld slot %d: found %.9g, expected %.9g", (double)T, (long long)b, j,
                     (double)c->log_BK[b * p->k + j], want);
        e_N[p->item_BK[b * p->k + j]] = -INFINITY;
    }
    assert_true(is_near(c->remaining_B[b], (double)(most + logl(left)), 1e-6));
}

static void test_logarithms(void **state)
{
    static const double temperatures[] = {0.05, 0.1, 1.0, 10.0};

    (void)state;
    for (int i = 0; i < 8; i += op_is_emulated() ? 3 : 1) {
        draw_case    c   = {.p           = {.kind      = i % 2 ? SKEWED : RANDOM,
                                            .B         = 6,
                                            .N         = 5003,
                                            .D         = 40,
                                            .k         = 20,
                                            .has_bias  = i % 2,
                                            .has_rules = i >= 4},
                            .temperature = temperatures[i % 4],
                            .has_extras  = i >= 4,
                            .seed        = 9};
        long double *e_N = NULL;

        make_case(&c);
        assert_int_equal(br_alloc(c.p.N, sizeof *e_N, "terms", (void **)&e_N), BR_OK);
        assert_int_equal(run_case(&c, op_tested(), 1, c.p.B), BR_OK);
        for (int64_t b = 0; b < c.p.B; b++)
            check_row_logs(&c, b, e_N);
        br_free(&e_N);
        free_case(&c);
    }
}

static void check_refused(draw_case *c, br_backend backend, const char *word)
{
    assert_int_equal(run_case(c, backend, 1, c->p.B), BR_E_SELFCHECK);
    if (strstr(br_error_last()->text, word) == NULL)
        fail_msg("found \"%s\", expected the word %s", br_error_last()->text, word);
}

static void test_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        br_backend backend = i ? op_tested() : BR_BACKEND_REF;
        draw_case  c = {.p = {.kind = RANDOM, .B = 3, .N = 50, .D = 4, .k = 5, .has_rules = true},
                        .temperature = 1.0,
                        .epsilon     = 0.5,
                        .has_extras  = true};
        int32_t    item;

        make_case(&c);
        c.temperature_B[1] = 0.0f;
        check_refused(&c, backend, "temperature of row 1");
        c.temperature_B[1] = 1.0f;
        c.n_shortlist      = 4;
        check_refused(&c, backend, "n_shortlist");
        c.n_shortlist = 0;
        item          = c.extra_item_X[0];
        c.extra_item_X[0]++;
        while (!oracle_allows(&c.p, 0, c.extra_item_X[0]) && c.extra_item_X[0] < 49)
            c.extra_item_X[0]++;
        check_refused(&c, backend, "extra");
        c.extra_item_X[0]  = item;
        c.extra_score_X[0] = INFINITY;
        check_refused(&c, backend, "extra");
        c.extra_score_X[0] = 0.0f;
        c.law              = BR_DRAW_EPSILON;
        c.epsilon_B[2]     = 1.5f;
        check_refused(&c, backend, "epsilon of row 2");
        c.epsilon_B[2] = 1.0f;
        assert_int_equal(run_case(&c, backend, 1, c.p.B), BR_OK);
        c.p.item_ND[7 * 4]  = 3e38f;
        c.p.query_BD[1 * 4] = 100.0f;
        assert_int_equal(run_case(&c, backend, 1, c.p.B), BR_E_INPUT);
        assert_non_null(strstr(br_error_last()->text, "row 1 and item 7"));
        free_case(&c);
    }
}

/* Large catalogues: vectors at random at the temperatures that there are. */
static void test_certain(void **state)
{
    static const double temperatures[] = {0.05, 0.3, 1.0, 10.0};

    (void)state;
    for (int i = 0; i < 8 && !op_is_emulated(); i++) {
        draw_case c = {.p = {.kind = RANDOM, .B = 48, .N = 200000, .D = 16, .k = i < 4 ? 10 : 100},
                       .temperature = temperatures[i % 4],
                       .seed        = 11};

        make_case(&c);
        assert_int_equal(run_case(&c, op_tested(), 2, 24), BR_OK);
        printf("# N 200,000 K %d T %g: %lld of %lld rows certain at once, %lld with longer "
               "shortlists, %lld slow, %lld summed\n",
               c.p.k, c.temperature, (long long)c.n_first, (long long)c.p.B, (long long)c.n_longer,
               (long long)c.n_slow, (long long)c.n_summed);
        assert_int_equal(c.n_first + c.n_longer, c.p.B);
        assert_true(c.n_first >= c.p.B * 9 / 10);
        free_case(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backends),   cmocka_unit_test(test_longest),
        cmocka_unit_test(test_plateaus),   cmocka_unit_test(test_batches),
        cmocka_unit_test(test_logarithms), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_certain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
