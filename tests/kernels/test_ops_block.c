/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of encoders: ref, cpu, and on cuda Hopper's fused kernels (BATCHRANK_ENCODER_CUDA=hopper),
 * which must be the ones that run where they can; a row's bits in any company, place and order of
 * threads; what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define TOLERANCE 1e-5
#define BF16      1e-2 /* where a sum's last bits round an activation the other way */
#define WORD      "BATCHRANK_ENCODER_CUDA"

/* How many kernels the fused block is; nothing where it is not on an emulated device. */
static void check_launches(const op_run *run, br_launches before, int64_t expected)
{
    bool is_cuda = strcmp(br_dev_backend_name(run->dev), "cuda") == 0;

    if (op_is_emulated() && is_cuda && run->mode == OP_BF16)
        assert_int_equal(br_dev_launches(run->dev).n_single - before.n_single, expected);
}

/* ---- self_attention -------------------------------------------------------------------------- */

typedef struct attend_case {
    int64_t width;
    int32_t n_heads;
    bool    has_before;
    bool    has_bias;
    bool    is_in_place;
    bool    is_fused; /* where it can be: bf16, cuda */
} attend_case;

static attend_case current_attend;

/* Every kernel's shape, D behind its last box or not; heads that are refused. */
static const attend_case attend_cases[] = {
    {64, 2, false, true, true, true},  {64, 4, true, true, true, true},
    {64, 1, true, false, false, true}, {48, 3, true, true, true, true},
    {128, 2, false, true, true, true}, {128, 8, true, true, false, true},
    {96, 3, true, false, true, true},  {128, 1, false, true, true, true},
    {50, 1, true, true, true, false},
};

static br_self_attention_args attend_args(op_run *run, const attend_case *c)
{
    const op_shape        *shape  = run->shape;
    int64_t                n_rows = run->seqs.n_events;
    float                  scale  = 1.5f / sqrtf((float)c->width);
    br_self_attention_args args   = {.seqs = &run->seqs,
                                     .x_ED = op_event_mat(run, 1, c->width),
                                     .eps  = 1e-8,
                                     .qkv_weight_3DD =
                                         op_table(run, 2, 3 * c->width, c->width, scale),
                                     .n_heads       = c->n_heads,
                                     .max_length    = shape->max_length,
                                     .out_weight_DD = op_table(run, 3, c->width, c->width, scale)};

    if (c->has_before) {
        args.before_gamma_1D = op_table(run, 4, 1, c->width, 1.0f);
        args.before_beta_1D  = op_table(run, 5, 1, c->width, 0.5f);
    }
    if (c->has_bias) {
        args.qkv_bias_13D = op_table(run, 6, 1, 3 * c->width, 0.5f);
        args.out_bias_1D  = op_table(run, 7, 1, c->width, 0.5f);
    }
    if (shape->has_pad) {
        args.pad_key_1D   = op_table(run, 8, 1, c->width, 1.0f);
        args.pad_value_1D = op_table(run, 9, 1, c->width, 1.0f);
    }
    args.qkv_E3D      = op_out(run, n_rows, 3 * c->width);
    args.mixed_ED     = op_out(run, n_rows, c->width);
    args.out_ED       = c->is_in_place ? args.x_ED : op_out(run, n_rows, c->width);
    args.qkv_prepared = op_prepare(run, args.qkv_weight_3DD, 1, false);
    args.out_prepared = op_prepare(run, args.out_weight_DD, 1, false);
    return args;
}

static int64_t run_attend(op_run *run, float *by_id)
{
    br_self_attention_args args   = attend_args(run, &current_attend);
    br_launches            before = br_dev_launches(run->dev);

    assert_int_equal(br_op_self_attention(run->dev, &args), BR_OK);
    if (current_attend.is_fused && run->shape->max_length <= 64) /* a list of units, the kernel */
        check_launches(run, before, run->seqs.n_events > 0 ? 2 : 1);
    return op_read_events(run, args.out_ED, by_id);
}

static void check_attend(const attend_case *c, const op_shape *shapes, int32_t n_shapes)
{
    char name[100];

    current_attend = *c;
    (void)snprintf(name, sizeof name, "self_attention %lld, %d heads", (long long)c->width,
                   (int)c->n_heads);
    op_check_all(&(op_check){.name           = name,
                             .fn             = run_attend,
                             .shapes         = shapes,
                             .n_shapes       = n_shapes,
                             .tolerance      = TOLERANCE,
                             .bf16_tolerance = BF16,
                             .is_bf16_only   = op_is_emulated()});
}

/* Slots of every size, full and not, with virtual pads and weights; no event at all. */
static void test_self_attention(void **state)
{
    static const op_shape shapes[] = {
        {.name       = "slots",
         .n_seqs     = 9,
         .length     = {1, 2, 15, 0, 16, 17, 50, 64, 33},
         .max_length = 64},
        {.name       = "pads and weights",
         .n_seqs     = 5,
         .length     = {32, 3, 50, 16, 5},
         .max_length = 50,
         .has_pad    = true,
         .has_weight = true},
        {.name       = "strided",
         .n_seqs     = 2,
         .length     = {1, 7},
         .max_length = 9,
         .has_pad    = true,
         .is_strided = true},
        {.name = "no event", .n_seqs = 2, .length = {0, 0}, .max_length = 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof attend_cases / sizeof *attend_cases; i++)
        check_attend(&attend_cases[i], shapes + i % 2, op_is_emulated() ? 1 : 2);
    check_attend(&attend_cases[0], shapes + 2, 2);
}

/* Several tiles to a multiprocessor of an emulated device, which has few; and longer histories,
 * which are composed. */
static void test_many_slots(void **state)
{
    static const op_shape shapes[] = {
        {.name       = "many",
         .n_seqs     = 26,
         .length     = {50, 50, 40, 40, 64, 33, 60, 1,  1,  1, 2,  3,  4,
                        17, 18, 19, 20, 21, 30, 31, 32, 16, 9, 64, 64, 64},
         .max_length = 64},
        {.name = "long", .n_seqs = 3, .length = {512, 1, 50}, .max_length = 512},
    };
    static const attend_case form = {128, 4, true, true, true, true};

    (void)state;
    check_attend(&form, shapes, op_is_emulated() ? 1 : 2);
    if (op_is_emulated())
        check_attend(&(attend_case){16, 1, true, true, true, true}, shapes + 1, 1);
}

/* A customer whose rows are no numbers keeps that to itself, in whatever tile. */
static void test_no_numbers(void **state)
{
    enum { FIRST = 5, N_BAD = 6, N_ROWS = 58, D = 64 };
    static const op_shape shape = {
        .name = "no numbers", .n_seqs = 4, .length = {FIRST, N_BAD, 7, 40}, .max_length = 50};
    static const attend_case form   = {D, 2, true, true, false, true};
    const int32_t            id_B[] = {0, 1, 2, 3};
    float                    good[N_ROWS * D], bad[N_ROWS * D], none[N_BAD * D];
    op_run                   run;
    br_self_attention_args   args;

    (void)state;
    for (int i = 0; i < N_BAD * D; i++)
        none[i] = NAN;
    op_begin(&run, op_dev(op_tested()), &shape, id_B, 4);
    run.mode = OP_BF16;
    args     = attend_args(&run, &form);
    assert_int_equal(br_op_self_attention(run.dev, &args), BR_OK);
    assert_int_equal(br_download(run.dev, args.out_ED, good), BR_OK);
    assert_int_equal(br_upload(run.dev, br_mat_rows(args.x_ED, FIRST, N_BAD), none), BR_OK);
    assert_int_equal(br_op_self_attention(run.dev, &args), BR_OK);
    assert_int_equal(br_download(run.dev, args.out_ED, bad), BR_OK);
    for (int i = 0; i < N_ROWS * D; i++)
        assert_true(i / D >= FIRST && i / D < FIRST + N_BAD ? isnan(bad[i]) : bad[i] == good[i]);
    op_end(&run);
}

/* ---- feed_forward ---------------------------------------------------------------------------- */

typedef struct forward_case {
    int64_t       width;
    int64_t       inner;
    br_activation activation;
    bool          has_before;
    bool          has_after;
    bool          adds_x;
    bool          has_bias;
    bool          is_in_place;
} forward_case;

static forward_case current;

/* The forms of a block (post-norm, pre-norm, neither) at every width that has a kernel of its own,
 * whole boxes of weights and parts of one, weights that stay in shared memory and that do not. */
static const forward_case forward_cases[] = {
    {8, 8, BR_ACT_RELU, true, true, false, true, true},
    {50, 50, BR_ACT_RELU, true, false, false, true, true},
    {64, 256, BR_ACT_GELU, true, true, false, true, true},
    {33, 140, BR_ACT_SILU, false, false, false, false, false},
    {128, 512, BR_ACT_GELU, true, true, false, true, true},
    {100, 600, BR_ACT_TANH, true, false, true, true, true},
    {128, 128, BR_ACT_RELU, true, false, true, true, false},
    {160, 160, BR_ACT_SIGMOID, false, true, true, false, false},
    {256, 300, BR_ACT_GELU, true, true, false, true, true},
    {250, 520, BR_ACT_NONE, true, false, true, true, true},
};

/* Weights of about `scale` over the root of their inputs. */
static br_feed_forward_args forward_args(op_run *run, const forward_case *c, float scale)
{
    int64_t              n_rows = run->seqs.n_events;
    br_feed_forward_args args   = {
          .x_RD            = op_event_mat(run, 1, c->width),
          .eps             = 1e-12,
          .adds_x          = c->adds_x,
          .inner_weight_ID = op_table(run, 2, c->inner, c->width, scale / sqrtf((float)c->width)),
          .activation      = c->activation,
          .outer_weight_DI = op_table(run, 3, c->width, c->inner, scale / sqrtf((float)c->inner)),
    };

    if (c->has_bias) {
        args.inner_bias_1I = op_table(run, 4, 1, c->inner, 0.5f);
        args.outer_bias_1D = op_table(run, 5, 1, c->width, 0.5f);
    }
    if (c->has_before) {
        args.before_gamma_1D = op_table(run, 6, 1, c->width, 1.0f);
        args.before_beta_1D  = op_table(run, 7, 1, c->width, 0.5f);
    }
    if (c->has_after) {
        args.after_gamma_1D = op_table(run, 8, 1, c->width, 1.0f);
        args.after_beta_1D  = op_table(run, 9, 1, c->width, 0.5f);
    }
    if (c->adds_x)
        args.normed_RD = op_out(run, n_rows, c->width);
    args.inner_RI       = op_out(run, n_rows, c->inner);
    args.out_RD         = c->is_in_place ? args.x_RD : op_out(run, n_rows, c->width);
    args.inner_prepared = op_prepare(run, args.inner_weight_ID, 1, false);
    args.outer_prepared = op_prepare(run, args.outer_weight_DI, 1, false);
    return args;
}

static int64_t run_forward(op_run *run, float *by_id)
{
    br_feed_forward_args args   = forward_args(run, &current, 1.5f);
    br_launches          before = br_dev_launches(run->dev);

    assert_int_equal(br_op_feed_forward(run->dev, &args), BR_OK);
    check_launches(run, before, run->seqs.n_events > 0);
    return op_read_events(run, args.out_RD, by_id);
}

static void check_forward(const forward_case *c, const op_shape *shapes, int32_t n_shapes)
{
    char name[100];

    current = *c;
    (void)snprintf(name, sizeof name, "feed_forward %lld, inner %lld, activation %d",
                   (long long)c->width, (long long)c->inner, (int)c->activation);
    op_check_all(&(op_check){.name           = name,
                             .fn             = run_forward,
                             .shapes         = shapes,
                             .n_shapes       = n_shapes,
                             .tolerance      = TOLERANCE,
                             .bf16_tolerance = BF16,
                             .is_bf16_only   = op_is_emulated()});
}

/* Rows are events of sequences: one tile and two, warpgroups that have no row. */
static void test_feed_forward(void **state)
{
    static const op_shape shapes[] = {
        {.name = "rows", .n_seqs = 3, .length = {1, 66, 64}},
        {.name = "strided", .n_seqs = 2, .length = {1, 5}, .is_strided = true},
        {.name = "no row", .n_seqs = 1, .length = {0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof forward_cases / sizeof *forward_cases; i++)
        check_forward(&forward_cases[i], shapes, sizeof shapes / sizeof *shapes);
}

/* More tiles than multiprocessors of an emulated device, which has few: weights come again, and
 * from a ring of boxes that goes round. */
static void test_tiles(void **state)
{
    static const op_shape shape = {
        .name = "tiles", .n_seqs = 7, .length = {1, 2, 15, 16, 17, 50, 512}};
    static const forward_case form = {100, 400, BR_ACT_GELU, true, false, true, true, true};

    (void)state;
    check_forward(&form, &shape, 1);
}

/* Weights of zeros: the norms alone, of rows whose mean is a thousand times what is left. */
static void test_norms(void **state)
{
    enum { N_ROWS = 20, MOST_WIDTH = 200 };
    static const int64_t  width[] = {1, 50, 128, MOST_WIDTH};
    static const op_shape shape   = {.name = "norms", .n_seqs = 1, .length = {N_ROWS}};
    const int32_t         id      = 0;
    static float          x[N_ROWS * MOST_WIDTH], out[OP_N_BACKENDS][N_ROWS * MOST_WIDTH];

    (void)state;
    for (size_t w = 0; w < sizeof width / sizeof *width; w++) {
        const forward_case form = {width[w], 8, BR_ACT_RELU, true, true, false, false, true};
        int64_t            n    = N_ROWS * width[w];

        for (int64_t i = 0; i < n; i++)
            x[i] = 300.0f + op_value(false, 1, (uint64_t)i, 0, 0);
        for (int b = 0; b < OP_N_BACKENDS; b++) {
            op_run               run;
            br_feed_forward_args args;

            op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
            run.mode = OP_BF16;
            args     = forward_args(&run, &form, 0.0f);
            assert_int_equal(br_upload(run.dev, args.x_RD, x), BR_OK);
            assert_int_equal(br_op_feed_forward(run.dev, &args), BR_OK);
            assert_int_equal(br_download(run.dev, args.out_RD, out[b]), BR_OK);
            op_end(&run);
        }
        op_compare("feed_forward: its norms", out[1], out[0], n, 2e-6);
    }
}

/* The word decides, and a wrong one is refused; composed and fused are near each other. */
static void test_words(void **state)
{
    static const op_shape     shape = {.name = "words", .n_seqs = 1, .length = {9}};
    static const forward_case form  = {40, 70, BR_ACT_GELU, true, true, false, true, false};
    const int32_t             id    = 0;
    float                     fused[9 * 40], composed[9 * 40];
    op_run                    run;
    br_feed_forward_args      args;
    br_launches               before;

    (void)state;
    if (op_tested() != BR_BACKEND_CUDA)
        return;
    op_begin(&run, op_dev(BR_BACKEND_CUDA), &shape, &id, 1);
    run.mode = OP_BF16;
    args     = forward_args(&run, &form, 1.5f);
    assert_int_equal(br_op_feed_forward(run.dev, &args), BR_OK);
    assert_int_equal(br_download(run.dev, args.out_RD, fused), BR_OK);
    if (op_is_emulated())
        assert_non_null(strstr(br_dev_description(run.dev), ", fused blocks in bf16"));
    (void)setenv(WORD, "general", 1);
    before = br_dev_launches(run.dev);
    assert_int_equal(br_op_feed_forward(run.dev, &args), BR_OK);
    assert_true(br_dev_launches(run.dev).n_single > before.n_single + 3);
    assert_int_equal(br_download(run.dev, args.out_RD, composed), BR_OK);
    op_compare("feed_forward: both ways", fused, composed, 9 * 40, BF16);
    (void)setenv(WORD, "fast", 1);
    assert_int_equal(br_op_feed_forward(run.dev, &args), BR_E_USAGE);
    assert_string_equal(br_error_last()->text, WORD ": found 'fast', expected hopper or general");
    (void)setenv(WORD, "hopper", 1);
    op_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_attention), cmocka_unit_test(test_many_slots),
        cmocka_unit_test(test_no_numbers),     cmocka_unit_test(test_feed_forward),
        cmocka_unit_test(test_tiles),          cmocka_unit_test(test_norms),
        cmocka_unit_test(test_words),
    };

    (void)setenv(WORD, "hopper", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
