/* SPDX-License-Identifier: Apache-2.0
 *
 * score_pairs of every host backend: the oracle's bits for each pair, NaN for an empty slot, an
 * error for an item that is not there. */
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

#define K 9

typedef struct pairs {
    br_dev             *dev;
    br_score_pairs_args args;
    int32_t             item_BK[64 * K];
    float               penalty_BK[64 * K];
    float               out_BK[64 * K];
} pairs;

static br_mat place(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *from)
{
    br_mat mat;

    assert_int_equal(br_dev_alloc(dev, dtype, n_rows, n_cols, &mat), BR_OK);
    assert_int_equal(br_upload(dev, mat, from), BR_OK);
    return mat;
}

static void open_pairs(const problem *p, br_backend backend, bool has_penalty, pairs *s)
{
    assert_int_equal(br_dev_open(backend, 0, &s->dev), BR_OK);
    s->args.query_BD = place(s->dev, BR_F32, p->B, p->D, p->query_BD);
    s->args.item_ND  = place(s->dev, BR_F32, p->N, p->D, p->item_ND);
    s->args.bias_N   = (br_mat){0};
    if (p->has_bias)
        s->args.bias_N = place(s->dev, BR_F32, p->N, 1, p->bias_N);
    s->args.item_BK    = place(s->dev, BR_I32, p->B, K, s->item_BK);
    s->args.penalty_BK = (br_mat){0};
    if (has_penalty)
        s->args.penalty_BK = place(s->dev, BR_F32, p->B, K, s->penalty_BK);
    s->args.out_BK = place(s->dev, BR_F32, p->B, K, s->out_BK);
}

static void close_pairs(pairs *s)
{
    br_dev_free(&s->args.query_BD);
    br_dev_free(&s->args.item_ND);
    br_dev_free(&s->args.bias_N);
    br_dev_free(&s->args.item_BK);
    br_dev_free(&s->args.penalty_BK);
    br_dev_free(&s->args.out_BK);
    br_dev_close(&s->dev);
}

static void check_pairs(problem *p, br_backend backend, bool has_penalty)
{
    pairs s = {0};

    make_problem(p);
    for (int64_t i = 0; i < p->B * K; i++) {
        s.item_BK[i]    = i % 5 == 3 ? -1 : (int32_t)(draw(11, (uint64_t)i) % (uint64_t)p->N);
        s.penalty_BK[i] = i % 4 == 0 ? 0.0f : fabsf(uniform(12, (uint64_t)i));
    }
    open_pairs(p, backend, has_penalty, &s);
    op_turn_thread_order();
    assert_int_equal(br_op_score_pairs(s.dev, &s.args), BR_OK);
    assert_int_equal(br_download(s.dev, s.args.out_BK, s.out_BK), BR_OK);
    for (int64_t i = 0; i < p->B * K; i++) {
        float want = s.item_BK[i] < 0 ? NAN
                                      : oracle_penalised(p, i / K, s.item_BK[i],
                                                         has_penalty ? s.penalty_BK[i] : 0.0f);

        if (s.item_BK[i] < 0)
            assert_true(isnan(s.out_BK[i]));
        else
            assert_memory_equal(&s.out_BK[i], &want, sizeof want);
    }
    close_pairs(&s);
    free_problem(p);
}

static void test_bits(void **state)
{
    static const int64_t dims[] = {1, 7, 32, 50, 512};

    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int d = 0; d < 5; d++)
            for (int bias = 0; bias < 2; bias++) {
                problem p = {.kind     = (data_kind)kind,
                             .B        = 13,
                             .N        = 200,
                             .D        = dims[d],
                             .k        = 1,
                             .has_bias = bias};
                check_pairs(&p, BR_BACKEND_REF, false);
                check_pairs(&p, op_tested(), false);
                check_pairs(&p, BR_BACKEND_REF, true);
                check_pairs(&p, op_tested(), true);
            }
}

static void test_missing_item(void **state)
{
    problem p = {.kind = RANDOM, .B = 3, .N = 10, .D = 4, .k = 1};

    (void)state;
    make_problem(&p);
    for (int32_t bad = -2; bad <= 10; bad += 12) {
        pairs s = {0};

        s.item_BK[2 * K + 1] = bad;
        open_pairs(&p, op_tested(), false, &s);
        assert_int_equal(op_finish(s.dev, br_op_score_pairs(s.dev, &s.args)), BR_E_SELFCHECK);
        assert_non_null(strstr(br_error_last()->text, "score_pairs"));
        close_pairs(&s);
    }
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits),
                                       cmocka_unit_test(test_missing_item)};
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
