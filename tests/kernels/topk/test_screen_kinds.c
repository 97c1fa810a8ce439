/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk by each kind of screen: every kind of data, numbers as large as there are, second
 * passes, the lowest sums. The oracle and the kinds of data are those of test_score_topk. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/kernels/op_case.h"
#include "tests/kernels/topk/topk_case.h"

/* Every kind of data through every kind of screen that can be asked for: a kind that the backend
 * lacks is a better one. The last are as large as the screen takes them. */
static void test_screens(void **state)
{
    (void)state;
    for (int screen = BR_SCREEN_FP32; screen <= BR_SCREEN_BF16; screen++)
        for (int kind = 0; kind <= N_KINDS; kind++) {
            problem p = {.kind     = kind < N_KINDS ? (data_kind)kind : RANDOM,
                         .B        = 6,
                         .N        = op_is_emulated() ? 700 : 5000, /* 3 stages; one order */
                         .D        = 37,
                         .k        = 9,
                         .has_bias = kind % 2,
                         .screen   = (br_screen_kind)screen};

            if (op_is_emulated() && screen <= BR_SCREEN_INT16 && kind > 0)
                continue; /* they are fp16 */
            make_problem(&p);
            for (int64_t i = 0; i < p.B * p.D && kind == N_KINDS; i++)
                p.query_BD[i] *= 2e14f;
            for (int64_t i = 0; i < p.N * p.D && kind == N_KINDS; i++)
                p.item_ND[i] *= 2e17f;
            check_made(&p, op_tested(), "screens");
            free_problem(&p);
        }
}

/* An item whose bias is the largest float is first for all, and nobody's who is not there. */
static void test_largest_bias(void **state)
{
    (void)state;
    for (int i = 0; i < TOPK_SCREENS; i++) {
        problem p = {.kind      = RANDOM,
                     .B         = 3,
                     .N         = 700,
                     .D         = 9,
                     .k         = 5,
                     .has_bias  = true,
                     .has_rules = true,
                     .screen    = topk_screen_of(i)};

        make_problem(&p);
        p.bias_N[77] = FLT_MAX;
        check_made(&p, op_tested(), "largest bias");
        free_problem(&p);
    }
}

/* What was foretold is wrong for all: the second pass must mend it, on every kind of screen. */
static void test_second_pass(void **state)
{
    (void)state;
    for (int i = op_is_emulated() ? 1 : 0; i < TOPK_SCREENS; i++) { /* there AUTO is one of them */
        problem p = {.kind     = RANDOM,
                     .B        = op_is_emulated() ? 9 : 40,
                     .N        = op_is_emulated() ? 5000 : 20000,
                     .D        = 24,
                     .k        = 10,
                     .has_bias = true,
                     .screen   = topk_screen_of(i)};

        make_problem(&p);
        mislead_sample(&p);
        assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
        assert_int_equal(p.n_second, p.B);
        check_lists(&p, "second pass");
        free_problem(&p);
    }
}

/* Sums as low as they get still pass where nothing is known yet. */
static void test_opposite_items(void **state)
{
    (void)state;
    for (int turn = 0; turn < TOPK_SCREENS; turn++) {
        problem p = {
            .kind = RANDOM, .B = 3, .N = 70, .D = 2, .k = 70, .screen = topk_screen_of(turn)};

        fit_problem(&p);
        make_problem(&p);
        for (int64_t i = 0; i < p.B * p.D; i++)
            p.query_BD[i] = 1.0f;
        for (int64_t i = 0; i < p.N * p.D; i++)
            p.item_ND[i] = -1.0f - 0.001f * (float)(i / p.D % 7);
        check_made(&p, op_tested(), "opposite");
        free_problem(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_screens),
        cmocka_unit_test(test_largest_bias),
        cmocka_unit_test(test_second_pass),
        cmocka_unit_test(test_opposite_items),
    };
    (void)printf("seed %u\n", TOPK_SEED);
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
