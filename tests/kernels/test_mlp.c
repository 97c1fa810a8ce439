/* SPDX-License-Identifier: Apache-2.0
 *
 * mlp: against layer_norm, linear and norm_band one after the other (on host backends bit for bit),
 * any batching, widths around every block's edge, and a row worked by hand. */
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

#define TOLERANCE 4e-6 /* as linear's: chains of up to 512 products */

/* What a shape does not say. */
typedef struct mlp_case {
    int32_t       n_layers;
    br_activation activation;
    bool          has_bias;
    bool          has_band;
} mlp_case;

static mlp_case current;

static const mlp_case cases[] = {
    {0, BR_ACT_NONE, false, false},   {0, BR_ACT_GELU, false, true}, {1, BR_ACT_RELU, true, false},
    {2, BR_ACT_GELU, true, true},     {2, BR_ACT_NONE, false, true}, {3, BR_ACT_RELU, true, true},
    {3, BR_ACT_TANH, false, false},   {3, BR_ACT_SILU, true, true},  {2, BR_ACT_RELU, false, false},
    {3, BR_ACT_SIGMOID, true, false},
};

/* Rows are events: any order and company of rows is tried. On the emulated device a block takes 32
 * rows up to 56 columns and 16 up to 116, and beyond there is no room. */
static const op_shape shapes[] = {
    {.name = "no row", .n_seqs = 1, .length = {0}, .width = 5},
    {.name = "one column", .n_seqs = 2, .length = {1, 3}, .width = 1},
    {.name = "tiles of 32", .n_seqs = 5, .length = {1, 33, 0, 5, 31}, .width = 50},
    {.name = "tiles of 16", .n_seqs = 4, .length = {2, 1, 15, 17}, .width = 99, .is_strided = true},
    {.name = "whole steps", .n_seqs = 3, .length = {1, 16, 3}, .width = 64},
    {.name = "op by op", .n_seqs = 3, .length = {1, 4, 2}, .width = 130, .is_strided = true},
    {.name = "four", .n_seqs = 3, .length = {1, 9, 97}, .width = 4},
};

static br_mlp_args mlp_args(op_run *run)
{
    int64_t     width = run->shape->width;
    float       scale = (float)(1.0 / sqrt((double)width));
    br_mlp_args args  = {.x_BD       = op_event_mat(run, 1, width),
                         .gamma_1D   = op_table(run, 2, 1, width, 1.0f),
                         .beta_1D    = op_table(run, 3, 1, width, 1.0f),
                         .eps        = 1e-6,
                         .n_layers   = current.n_layers,
                         .activation = current.activation,
                         .has_band   = current.has_band,
                         .lo         = 0.5,
                         .hi         = 1.0,
                         .spare_BD   = op_out(run, run->seqs.n_events, width),
                         .out_BD     = op_out(run, run->seqs.n_events, width)};

    for (int32_t l = 0; l < current.n_layers; l++) {
        args.weight_DD[l] = op_table(run, 4 + 2 * (uint64_t)l, width, width, scale);
        if (current.has_bias)
            args.bias_1D[l] = op_table(run, 5 + 2 * (uint64_t)l, 1, width, 0.5f);
    }
    return args;
}

/* The same by ops, x anew; out_BD holds what comes out. */
static void run_ops(op_run *run, br_mlp_args *args)
{
    br_mat             at   = op_event_mat(run, 1, run->shape->width);
    br_layer_norm_args norm = {.x_RD     = at,
                               .gamma_1D = args->gamma_1D,
                               .beta_1D  = args->beta_1D,
                               .eps      = args->eps,
                               .out_RD   = at};

    assert_int_equal(br_op_layer_norm(run->dev, &norm), BR_OK);
    for (int32_t l = 0; l < args->n_layers; l++) {
        bool           is_last = l + 1 == args->n_layers;
        br_linear_args linear  = {.x_RI       = at,
                                  .weight_OI  = args->weight_DD[l],
                                  .bias_1O    = args->bias_1D[l],
                                  .activation = is_last ? BR_ACT_NONE : args->activation,
                                  .out_RO     = op_out(run, run->seqs.n_events, run->shape->width)};

        assert_int_equal(br_op_linear(run->dev, &linear), BR_OK);
        at = linear.out_RO;
    }
    if (args->has_band)
        assert_int_equal(br_op_norm_band(run->dev, at, args->lo, args->hi), BR_OK);
    args->out_BD = at;
}

static int64_t run_mlp(op_run *run, float *by_id)
{
    br_mlp_args args    = mlp_args(run);
    int64_t     n       = run->seqs.n_events * run->shape->width;
    float      *got     = calloc((size_t)(2 * n) + 1, sizeof *got);
    bool        is_host = strcmp(br_dev_backend_name(run->dev), "cuda") != 0;
    int64_t     n_read;

    assert_non_null(got);
    assert_int_equal(br_op_mlp(run->dev, &args), BR_OK);
    assert_int_equal(br_download(run->dev, args.out_BD, got), BR_OK);
    n_read = op_read_events(run, args.out_BD, by_id);
    run_ops(run, &args);
    assert_int_equal(br_download(run->dev, args.out_BD, got + n), BR_OK);
    op_compare("mlp and its ops", got, got + n, n, is_host ? 0.0 : TOLERANCE);
    free(got);
    return n_read;
}

static void test_mlp(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[100];

        current = cases[i];
        snprintf(name, sizeof name, "mlp of %d layers, activation %d", (int)current.n_layers,
                 (int)current.activation);
        op_check_all(&(op_check){.name      = name,
                                 .fn        = run_mlp,
                                 .shapes    = shapes,
                                 .n_shapes  = sizeof shapes / sizeof *shapes,
                                 .tolerance = TOLERANCE});
    }
}

/* (3, 1) is normed to (1, -1); (2 * 1, -1 + 1) passes the activation; the columns change places,
 * and the norm of (0, 2) is pulled down to 1. */
static void test_mlp_by_hand(void **state)
{
    enum { D = 2 };
    const op_shape shape = {.name = "hand", .n_seqs = 1, .length = {1}, .width = D};
    const int32_t  id    = 0;
    const float    x[D] = {3, 1}, one[D] = {1, 1}, zero[D] = {0, 0}, bias[D] = {0, 1};
    const float    first[D * D] = {2, 0, 0, 1}, second[D * D] = {0, 1, 1, 0};

    (void)state;
    for (int k = 0; k < OP_N_BACKENDS; k++) {
        float       got[D];
        op_run      run;
        br_mlp_args args;

        op_begin(&run, op_dev(op_backend(k)), &shape, &id, 1);
        args = (br_mlp_args){
            .x_BD       = op_put(&run, BR_F32, 1, D, x),
            .gamma_1D   = op_put(&run, BR_F32, 1, D, one),
            .beta_1D    = op_put(&run, BR_F32, 1, D, zero),
            .n_layers   = 2,
            .weight_DD  = {op_put(&run, BR_F32, D, D, first), op_put(&run, BR_F32, D, D, second)},
            .bias_1D    = {op_put(&run, BR_F32, 1, D, bias)},
            .activation = BR_ACT_RELU,
            .has_band   = true,
            .lo         = 0.5,
            .hi         = 1.0,
            .spare_BD   = op_out(&run, 1, D),
            .out_BD     = op_out(&run, 1, D)};
        assert_int_equal(br_op_mlp(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, got), BR_OK);
        op_compare("mlp by hand", got, (const float[]){0, 1}, D, 0.0);
        op_end(&run);
    }
}

/* A row that is not finite spoils no other one. */
static void test_mlp_not_finite(void **state)
{
    enum { N_ROWS = 33, D = 50, BAD = 7 };
    const op_shape shape = {.name = "not finite", .n_seqs = 1, .length = {N_ROWS}, .width = D};
    const int32_t  id    = 0;

    (void)state;
    current = (mlp_case){3, BR_ACT_GELU, true, true};
    for (int k = 0; k < OP_N_BACKENDS; k++) {
        float       nan_D[D], clean[N_ROWS * D], got[N_ROWS * D];
        op_run      run;
        br_mlp_args args;

        for (int d = 0; d < D; d++)
            nan_D[d] = NAN;
        op_begin(&run, op_dev(op_backend(k)), &shape, &id, 1);
        args = mlp_args(&run);
        assert_int_equal(br_op_mlp(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, clean), BR_OK);
        args.x_BD = op_event_mat(&run, 1, D);
        assert_int_equal(br_upload(run.dev, br_mat_rows(args.x_BD, BAD, 1), nan_D), BR_OK);
        assert_int_equal(br_op_mlp(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, got), BR_OK);
        op_compare("mlp: rows before", got, clean, BAD * D, 0.0);
        op_compare("mlp: rows behind", got + (BAD + 1) * D, clean + (BAD + 1) * D,
                   (N_ROWS - BAD - 1) * D, 0.0);
        for (int d = 0; d < D; d++)
            assert_true(isnan(got[BAD * D + d]));
        op_end(&run);
    }
}

static void test_mlp_arguments(void **state)
{
    const op_shape shape = {.name = "arguments", .n_seqs = 1, .length = {3}, .width = 4};
    const int32_t  id    = 0;
    op_run         run;
    br_mlp_args    good, bad;

    (void)state;
    current = (mlp_case){2, BR_ACT_RELU, true, true};
    op_begin(&run, op_dev(op_tested()), &shape, &id, 1);
    good         = mlp_args(&run);
    bad          = good;
    bad.n_layers = BR_MAX_MLP_LAYERS + 1;
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad          = good;
    bad.n_layers = 3; /* the third has no weights */
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad              = good;
    bad.weight_DD[1] = br_mat_cols(good.weight_DD[1], 0, 3);
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad          = good;
    bad.spare_BD = good.out_BD;
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad        = good;
    bad.out_BD = good.x_BD;
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad    = good;
    bad.lo = 2.0;
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad     = good;
    bad.eps = NAN;
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    bad            = good;
    bad.activation = (br_activation)99;
    assert_int_equal(br_op_mlp(run.dev, &bad), BR_E_SELFCHECK);
    assert_int_equal(br_op_mlp(run.dev, NULL), BR_E_SELFCHECK);
    assert_int_equal(br_op_mlp(run.dev, &good), BR_OK);
    op_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mlp),
        cmocka_unit_test(test_mlp_by_hand),
        cmocka_unit_test(test_mlp_not_finite),
        cmocka_unit_test(test_mlp_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
