/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk by Hopper's own screen (BATCHRANK_SCREEN_CUDA=hopper), beside the oracle: every length
 * of vector that its kernels are made for, in every kind of codes; one to three warpgroups of
 * customers and several tiles; full lists of hits, rules, biases, second passes, full buffers.
 * Where the device is not one of them the general screen is tested again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/op_case.h"
#include "tests/kernels/topk/topk_case.h"

static const br_screen_kind kinds[] = {BR_SCREEN_FP16, BR_SCREEN_BF16, BR_SCREEN_INT8};

#define N_SCREENS 3

/* Rows of codes of 64 bytes and more, whole boxes or not; bytes say which kernel it is. */
static void test_lengths(void **state)
{
    static const int64_t D[] = {20, 50, 100, 150, 256, 300, 512};

    (void)state;
    for (size_t d = 0; d < sizeof D / sizeof *D; d++)
        for (int i = 0; i < N_SCREENS; i++) {
            problem p = {.kind     = RANDOM,
                         .B        = 5,
                         .N        = op_is_emulated() ? 520 : 20000, /* two stages */
                         .D        = D[d],
                         .k        = 7,
                         .has_bias = d % 2 == 0,
                         .screen   = kinds[i]};

            if (i == 1 && op_is_emulated() && d % 3 != 0)
                continue; /* bf16 differs from fp16 in its products alone */
            make_problem(&p);
            check_made(&p, op_tested(), "lengths");
            free_problem(&p);
        }
}

/* A tile's customers in one and two warpgroups, and more than a chunk of an emulated device, whose
 * tiles of three are in candidates_test.cu. */
static void test_customers(void **state)
{
    static const int64_t B[] = {64, 65, 128, 150};

    (void)state;
    for (size_t b = 0; b < sizeof B / sizeof *B; b++) {
        problem p = {.kind         = RANDOM,
                     .B            = B[b],
                     .N            = op_is_emulated() ? 600 : 20000,
                     .D            = 24,
                     .k            = 5,
                     .has_bias     = b % 2 == 0,
                     .has_rules    = b % 2 == 1,
                     .has_unwanted = b == 3,
                     .screen       = kinds[b % N_SCREENS]};

        make_problem(&p);
        check_made(&p, op_tested(), "customers");
        free_problem(&p);
    }
}

/* All kinds of data: ties and duplicates fill buffers, negative scores have no number to reach. */
static void test_data(void **state)
{
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        problem p = {.kind      = (data_kind)kind,
                     .B         = 6,
                     .N         = op_is_emulated() ? 1000 : 20000,
                     .D         = 37,
                     .k         = kind % 2 == 0 ? 9 : 40,
                     .has_bias  = kind % 3 == 0,
                     .has_rules = kind % 4 == 1,
                     .screen    = kinds[kind % N_SCREENS]};

        make_problem(&p);
        check_made(&p, op_tested(), "data");
        free_problem(&p);
    }
}

/* All scores below zero: the screen's floats are never looked at by their bits alone. */
static void test_negative_scores(void **state)
{
    (void)state;
    for (int i = 0; i < N_SCREENS; i++) {
        problem p = {.kind = RANDOM, .B = 3, .N = 700, .D = 8, .k = 20, .screen = kinds[i]};

        make_problem(&p);
        for (int64_t j = 0; j < p.B * p.D; j++)
            p.query_BD[j] = 1.0f + 0.01f * (float)(j % 5);
        for (int64_t j = 0; j < p.N * p.D; j++)
            p.item_ND[j] = -1.0f - 0.001f * (float)(j / p.D % 97);
        check_made(&p, op_tested(), "negative");
        free_problem(&p);
    }
}

/* What was foretold is wrong for all: rows of a list, not in order, a second time. */
static void test_second_pass(void **state)
{
    (void)state;
    for (int i = 0; i < N_SCREENS; i++) {
        problem p = {.kind     = RANDOM,
                     .B        = 9,
                     .N        = 5000,
                     .D        = 24,
                     .k        = 10,
                     .has_bias = true,
                     .screen   = kinds[i]};

        make_problem(&p);
        mislead_sample(&p);
        assert_int_equal(run(&p, op_tested(), 1, p.B, NULL), BR_OK);
        assert_int_equal(p.n_second, p.B);
        check_lists(&p, "second pass");
        free_problem(&p);
    }
}

/* The name of a screen that is none is refused, and the message names what there is. */
static void test_wrong_word(void **state)
{
    br_dev       *dev   = op_dev(op_tested());
    br_items     *items = NULL;
    br_items_args args  = {0};

    (void)state;
    assert_int_equal(br_dev_alloc(dev, BR_F32, 10, 4, &args.item_ND), BR_OK);
    assert_int_equal(setenv("BATCHRANK_SCREEN_CUDA", "volta", 1), 0);
    assert_int_equal(br_items_prepare(dev, &args, &items), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "found 'volta', expected hopper or general"));
    assert_int_equal(setenv("BATCHRANK_SCREEN_CUDA", "hopper", 1), 0);
    br_items_free(&items);
    br_dev_free(&args.item_ND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {

        cmocka_unit_test(test_lengths),     cmocka_unit_test(test_customers),
        cmocka_unit_test(test_data),        cmocka_unit_test(test_negative_scores),
        cmocka_unit_test(test_second_pass), cmocka_unit_test(test_wrong_word),
    };

    (void)printf("seed %u\n", TOPK_SEED);
    if (op_tested() != BR_BACKEND_CUDA)
        return 77;
    (void)setenv("BATCHRANK_SCREEN_CUDA", "hopper", 1);
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
