/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk under quotas, a backend (op_case.h) against ref: columns that overlap, groups that hold
 * all the best, and lists that end early; the same bytes for any batch and lane; logarithms against
 * sums in long double, also where a full group takes nearly all with it; columns that are refused.
 */
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

static void compare_backends(draw_case *c)
{
    result want;

    assert_int_equal(run_case(c, BR_BACKEND_REF, 1, c->p.B), BR_OK);
    want = take_result(c);
    for (int64_t b = 0; b < c->p.B; b++)
        for (int32_t j = 0; j < c->p.k && c->p.item_BK[b * c->p.k + j] >= 0; j++)
            assert_true(
                case_has_room(c, c->p.item_BK + b * c->p.k, j, c->p.item_BK[b * c->p.k + j]));
    assert_int_equal(run_case(c, op_tested(), 1, c->p.B), BR_OK);
    assert_int_equal(c->n_first + c->n_longer + c->n_slow, c->p.B);
    check_same(c, &want);
    free_result(&want);
}

static void test_backends(void **state)
{
    static const int64_t sizes[] = {1, 2, 7, 33, 300, 1025, 4999};
    static const int32_t ks[] = {1, 3, 10, 100}, groups[] = {1, 4, 30, 700};
    static const double  temperatures[] = {0.05, 1.0, 0.3, 10.0};

    (void)state;
    for (int i = 0; i < 7 * 4 * 4; i += op_is_emulated() ? 9 : 1)
        for (int way = 0; way < 4; way++) {
            draw_case c = {.p           = {.kind      = i % 3 ? RANDOM : TIED,
                                           .B         = op_is_emulated() ? 3 : 7,
                                           .N         = sizes[i % 7],
                                           .D         = i % 5 == 0 ? 13 : 24,
                                           .k         = ks[i / 7 % 4],
                                           .has_bias  = i % 2,
                                           .has_rules = way > 0 && i % 4 > 0},
                           .temperature = temperatures[(i + way) % 4],
                           .epsilon     = 0.3,
                           .is_mixed    = i % 3 == 0,
                           .seed        = (uint64_t)i << 30,
                           .law         = way == 3 ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE,
                           .n_quotas    = 1 + (i + way) % 3,
                           .n_groups    = groups[(i / 28 + way) % 4],
                           .max_Q       = {1 + i % 3, 1 + i % 5, 2}};

            c.has_extras  = c.p.has_rules && way != 1;
            c.n_shortlist = way == 2 || (way == 3 && i % 2) ? c.p.k + i % 50 : 0;
            make_case(&c);
            compare_backends(&c);
            free_case(&c);
        }
}

/* All the best are of one group: neither a first nor a longest shortlist makes a list. */
static void test_crowds(void **state)
{
    int64_t n_longer = 0, n_slow = 0;

    (void)state;
    for (int i = 0; i < 16; i += op_is_emulated() ? 5 : 1) {
        draw_case c      = {.p           = {.kind      = RANDOM,
                                            .B         = 5,
                                            .N         = op_is_emulated() ? 3000 : 30000,
                                            .D         = 2,
                                            .k         = i % 4 == 3 ? 40 : 10,
                                            .has_rules = i % 8 >= 4},
                            .law         = i >= 8 ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE,
                            .temperature = 0.5,
                            .epsilon     = 0.2,
                            .has_extras  = i % 8 >= 4,
                            .seed        = 78,
                            .n_quotas    = 2,
                            .n_groups    = 50,
                            .max_Q       = {2, 3}};
        int64_t   stride = (int64_t[]){200, 20, 100, 20}[i % 4] / (op_is_emulated() ? 5 : 1);

        make_case(&c);
        for (int64_t n = 0; n < c.p.N; n++) {
            bool is_high           = n % stride == 0;
            c.p.item_ND[2 * n]     = is_high ? 1.0f : 0.0f;
            c.p.item_ND[2 * n + 1] = 1e-3f * uniform(40, (uint64_t)n);
            if (c.p.has_rules)
                c.p.require_N[n] = n % 97 == 0;
            c.group_QN[0][n] = is_high ? 7 : c.group_QN[0][n];
            if (i % 4 == 2) /* no item is in no group: lists end after two */
                c.group_QN[0][n] = 7;
        }
        for (int64_t b = 0; b < c.p.B; b++)
            c.p.query_BD[2 * b] = 30.0f + (float)b;
        compare_backends(&c);
        n_longer += c.n_longer;
        n_slow += c.n_slow;
        free_case(&c);
    }
    printf("# crowds: %lld rows with longer shortlists, %lld slow\n", (long long)n_longer,
           (long long)n_slow);
    assert_true((n_longer > 0 || op_tested() == BR_BACKEND_CUDA) && n_slow > 0);
}

static void test_batches(void **state)
{
    (void)state;
    for (int law = 0; law < 2; law++) {
        draw_case c = {.p           = {.kind      = RANDOM,
                                       .B         = op_is_emulated() ? 30 : 400,
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
                       .seed        = 5,
                       .n_quotas    = 2,
                       .n_groups    = 9,
                       .max_Q       = {2, 1}};
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

static bool is_listed(const int32_t *item_K, int32_t n, int32_t item)
{
    for (int32_t j = 0; j < n; j++)
        if (item_K[j] == item)
            return true;
    return false;
}

/* ln of what is left beside the first j of row b's list, in long double. */
static long double log_left(const draw_case *c, int64_t b, int32_t j)
{
    const int32_t *item_K = c->p.item_BK + b * c->p.k;
    long double    T = (long double)c->temperature_B[b], left = 0.0L, most = -INFINITY;

    for (int32_t i = 0; i < 2 * c->p.N; i++) { /* for the largest, then for the sum */
        int32_t item  = i % (int32_t)c->p.N;
        float   score = case_score(c, b, item);

        if (isnan(score) || is_listed(item_K, j, item) || !case_has_room(c, item_K, j, item))
            continue;
        if (i < c->p.N)
            most = fmaxl(most, (long double)score / T);
        else
            left += expl((long double)score / T - most);
    }
    return left > 0.0L ? most + logl(left) : -INFINITY;
}

/* ln mu of every slot from the list alone: what is left is summed anew for each. Returns how much
 * of it a slot took at most. */
static double check_row_logs(const draw_case *c, int64_t b)
{
    const problem *p         = &c->p;
    const int32_t *item_K    = p->item_BK + b * p->k;
    long double    left      = log_left(c, b, 0);
    double         most_lost = 0.0;
    int32_t        j         = 0;

    assert_true(is_near(c->normaliser_B[b], (double)left, 1e-6));
    for (; j < p->k && item_K[j] >= 0; j++) {
        long double y = (long double)p->score_BK[b * p->k + j] / (long double)c->temperature_B[b];
        long double after = log_left(c, b, j + 1);

        if (!is_near(c->log_BK[b * p->k + j], (double)(y - left), 1e-6))
            fail_msg("T %g row %lld slot %d: found %.9g, expected %.9g",
                     (double)c->temperature_B[b], (long long)b, j, (double)c->log_BK[b * p->k + j],
                     (double)(y - left));
        if (after > -INFINITY)
            most_lost = fmax(most_lost, (double)(left - after));
        left = after;
    }
    assert_true(is_near(c->remaining_B[b], (double)left, 1e-6));
    return most_lost;
}

/* Where `lift` is set one group outweighs all others by e^(lift / T). */
static void test_logarithms(void **state)
{
    static const double temperatures[] = {0.05, 0.1, 1.0, 10.0};
    double              most_lost      = 0.0;

    (void)state;
    for (int i = 0; i < 16; i += op_is_emulated() ? 6 : 1) {
        draw_case c    = {.p           = {.kind      = i % 2 ? SKEWED : RANDOM,
                                          .B         = 4,
                                          .N         = 5003,
                                          .D         = 8,
                                          .k         = 8,
                                          .has_bias  = true,
                                          .has_rules = i % 8 >= 4},
                          .temperature = temperatures[i % 4],
                          .has_extras  = i % 8 >= 4,
                          .seed        = 9,
                          .n_quotas    = 2,
                          .n_groups    = 5,
                          .max_Q       = {2, 1}};
        float     lift = i >= 8 ? 40.0f : 0.0f;

        make_case(&c);
        for (int64_t n = 0; n < c.p.N; n++)
            c.p.bias_N[n] += c.group_QN[0][n] == 3 ? lift : 0.0f;
        assert_int_equal(run_case(&c, op_tested(), 1, c.p.B), BR_OK);
        for (int64_t b = 0; b < c.p.B; b++)
            most_lost = fmax(most_lost, check_row_logs(&c, b));
        free_case(&c);
    }
    printf("# a slot took all but e^-%.0f of what was left\n", most_lost);
    assert_true(most_lost > 100.0);
}

static void test_refused(void **state)
{
    static const int32_t group_N[] = {0, 1, -1, 2};
    br_quota_column      column    = {group_N, 2, 1};
    br_quotas           *quotas    = NULL;
    br_dev              *dev       = NULL;

    (void)state;
    assert_int_equal(br_dev_open(op_tested(), 0, &dev), BR_OK);
    assert_int_equal(br_quotas_prepare(dev, &column, 1, 4, &quotas), BR_E_SELFCHECK);
    assert_non_null(strstr(br_error_last()->text, "item 3 is in group 2"));
    column.n_groups = 3;
    column.max      = 0;
    assert_int_equal(br_quotas_prepare(dev, &column, 1, 4, &quotas), BR_E_SELFCHECK);
    assert_non_null(strstr(br_error_last()->text, "at most 0"));
    column.max = 1;
    assert_int_equal(br_quotas_prepare(dev, &column, 0, 4, &quotas), BR_E_SELFCHECK);
    assert_null(quotas);
    assert_int_equal(br_quotas_prepare(dev, &column, 1, 4, &quotas), BR_OK);
    br_quotas_free(&quotas);
    br_quotas_free(&quotas);
    br_dev_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backends), cmocka_unit_test(test_crowds),
        cmocka_unit_test(test_batches),  cmocka_unit_test(test_logarithms),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
