/* SPDX-License-Identifier: Apache-2.0
 *
 * linear and layer_norm: cpu against ref over shapes around every block's edge; a row's bits
 * wherever it lies and whatever company it has; the activations' errors over their range. */
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

#define TOLERANCE 4e-6 /* fp32 chains of up to 512 products against fp64 */

/* Rows are sequences of one event each: any order and company of rows is tried. */
typedef struct linear_shape {
    int64_t       n_in;
    int64_t       n_out;
    br_activation activation;
    bool          has_bias;
    bool          has_residual;
    bool          is_in_place; /* out is residual */
} linear_shape;

static linear_shape current;

static const linear_shape linear_shapes[] = {
    {1, 1, BR_ACT_NONE, false, false, false},    {64, 64, BR_ACT_NONE, true, false, false},
    {64, 256, BR_ACT_GELU, true, false, false},  {256, 64, BR_ACT_NONE, true, true, true},
    {50, 50, BR_ACT_RELU, true, true, false},    {7, 13, BR_ACT_TANH, true, false, false},
    {128, 384, BR_ACT_NONE, true, false, false}, {512, 17, BR_ACT_SIGMOID, false, true, true},
    {33, 15, BR_ACT_SILU, true, true, false},    {16, 31, BR_ACT_GELU, false, true, false},
};

static const op_shape row_shapes[] = {
    {.name = "no row", .n_seqs = 1, .length = {0}},
    {.name = "one row", .n_seqs = 1, .length = {1}},
    {.name = "rows", .n_seqs = 8, .length = {1, 6, 5, 1, 0, 97, 11, 90}},
    {.name = "strided", .n_seqs = 6, .length = {2, 1, 3, 1, 30, 96}, .is_strided = true},
    {.name = "integers", .n_seqs = 5, .length = {1, 13, 1, 7, 2}, .is_small = true},
};

static int64_t run_linear(op_run *run, float *by_id)
{
    int64_t        n_rows = run->seqs.n_events;
    float          scale  = (float)(1.0 / sqrt((double)current.n_in));
    br_linear_args args   = {.x_RI       = op_event_mat(run, 1, current.n_in),
                             .weight_OI  = op_table(run, 2, current.n_out, current.n_in, scale),
                             .activation = current.activation};

    if (current.has_bias)
        args.bias_1O = op_table(run, 3, 1, current.n_out, 1.0f);
    if (current.has_residual)
        args.residual_RO = op_event_mat(run, 4, current.n_out);
    args.out_RO   = current.is_in_place ? args.residual_RO : op_out(run, n_rows, current.n_out);
    args.prepared = op_prepare(run, args.weight_OI, 1, false);
    assert_int_equal(br_op_linear(run->dev, &args), BR_OK);
    return op_read_events(run, args.out_RO, by_id);
}

static void test_linear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof linear_shapes / sizeof *linear_shapes; i++) {
        char name[100];

        current = linear_shapes[i];
        snprintf(name, sizeof name, "linear %lld to %lld, activation %d", (long long)current.n_in,
                 (long long)current.n_out, (int)current.activation);
        op_check_all(&(op_check){.name           = name,
                                 .fn             = run_linear,
                                 .shapes         = row_shapes,
                                 .n_shapes       = sizeof row_shapes / sizeof *row_shapes,
                                 .tolerance      = TOLERANCE,
                                 .bf16_tolerance = TOLERANCE, /* of the same operands */
                                 .exact_small    = current.activation <= BR_ACT_RELU});
    }
}

/* Two products in bf16 with a bf16 view between them: the bits of an fp32 one, which the second
 * product rounds. Views have odd and even widths and strides; without bf16 weights they are
 * refused. */
static void test_bf16_views(void **state)
{
    enum { N_ROWS = 31, N_IN = 20, MOST = 67 };
    const op_shape shape = {.name = "views", .n_seqs = 1, .length = {N_ROWS}};
    const int32_t  id = 0, widths[] = {1, 2, 17, 32, 33, 64};
    br_dev *const  devs[] = {op_dev(BR_BACKEND_REF), op_dev(op_tested()),
                            op_tested() == BR_BACKEND_CPU ? op_dev_without_dot()
                                                           : op_dev(op_tested())};
    float          plain[N_ROWS * N_IN], viewed[N_ROWS * N_IN];

    (void)state;
    for (size_t i = 0; i < 3 * sizeof widths / sizeof *widths; i++) {
        int64_t        width      = widths[i / 3];
        br_activation  activation = i % 2 == 0 ? BR_ACT_GELU : BR_ACT_NONE;
        op_run         run;
        br_linear_args first, second;
        br_mat         half;

        op_begin(&run, devs[i % 3], &shape, &id, 1);
        run.mode        = OP_BF16;
        first           = (br_linear_args){.x_RI       = op_event_mat(&run, 1, N_IN),
                                           .weight_OI  = op_table(&run, 2, width, N_IN, 0.3f),
                                           .bias_1O    = op_table(&run, 3, 1, width, 1.0f),
                                           .activation = activation,
                                           .out_RO     = op_out(&run, N_ROWS, width)};
        second          = (br_linear_args){.x_RI      = first.out_RO,
                                           .weight_OI = op_table(&run, 4, N_IN, width, 0.3f),
                                           .out_RO    = op_out(&run, N_ROWS, N_IN)};
        first.prepared  = op_prepare(&run, first.weight_OI, 1, false);
        second.prepared = op_prepare(&run, second.weight_OI, 1, false);
        assert_int_equal(br_op_linear(run.dev, &first), BR_OK);
        assert_int_equal(br_op_linear(run.dev, &second), BR_OK);
        assert_int_equal(br_download(run.dev, second.out_RO, plain), BR_OK);
        assert_int_equal(br_dev_alloc(run.dev, BR_BF16, N_ROWS, MOST + (int64_t)(i % 2), &half),
                         BR_OK);
        first.out_RO = second.x_RI = br_mat_cols(half, 1, width);
        assert_int_equal(br_op_linear(run.dev, &first), BR_OK);
        assert_int_equal(br_op_linear(run.dev, &second), BR_OK);
        assert_int_equal(br_download(run.dev, second.out_RO, viewed), BR_OK);
        op_compare("linear: a bf16 view", viewed, plain, N_ROWS * N_IN, 0.0);
        second.prepared = NULL;
        assert_int_equal(br_op_linear(run.dev, &second), BR_E_SELFCHECK);
        br_dev_free(&half);
        op_end(&run);
    }
}

/* One row at every place of 200, among other rows: always the same bits. */
static void test_linear_place(void **state)
{
    enum { N_ROWS = 200, N_IN = 50, N_OUT = 48 };
    const op_shape shape = {.name = "place", .n_seqs = 1, .length = {N_ROWS}};
    const int32_t  id    = 0;
    const int      step  = op_is_emulated() ? 17 : 1;
    br_dev        *dev   = op_dev(op_tested());
    float          first[N_OUT], got[N_OUT], row[N_IN];
    op_run         run;

    (void)state;
    op_begin(&run, dev, &shape, &id, 1);
    for (run.mode = OP_PLAIN; run.mode < OP_N_MODES; run.mode++) {
        br_linear_args args = {.x_RI      = op_event_mat(&run, 1, N_IN),
                               .weight_OI = op_table(&run, 2, N_OUT, N_IN, 0.2f),
                               .out_RO    = op_out(&run, N_ROWS, N_OUT)};

        args.prepared = op_prepare(&run, args.weight_OI, 1, false);
        assert_int_equal(br_download(dev, br_mat_rows(args.x_RI, 0, 1), row), BR_OK);
        for (int place = 0; place < N_ROWS; place += step) {
            assert_int_equal(br_upload(dev, br_mat_rows(args.x_RI, place, 1), row), BR_OK);
            assert_int_equal(br_op_linear(dev, &args), BR_OK);
            assert_int_equal(br_download(dev, br_mat_rows(args.out_RO, place, 1), got), BR_OK);
            if (place == 0)
                memcpy(first, got, sizeof first);
            op_compare("linear: place of a row", got, first, N_OUT, 0.0);
        }
    }
    op_end(&run);
}

static int64_t run_layer_norm(op_run *run, float *by_id)
{
    int64_t            width = run->shape->width;
    br_layer_norm_args args  = {.x_RD     = op_event_mat(run, 1, width),
                                .gamma_1D = op_table(run, 2, 1, width, 1.0f),
                                .beta_1D  = op_table(run, 3, 1, width, 1.0f),
                                .eps      = 1e-8};

    if (run->shape->has_weight)
        args.residual_RD = op_event_mat(run, 4, width);
    args.out_RD =
        run->shape->has_pad ? args.x_RD : op_out(run, run->seqs.n_events, width); /* in place */
    assert_int_equal(br_op_layer_norm(run->dev, &args), BR_OK);
    return op_read_events(run, args.out_RD, by_id);
}

static void test_layer_norm(void **state)
{
    static const op_shape shapes[] = {
        {.name = "no row", .n_seqs = 1, .length = {0}, .width = 5},
        {.name = "width 1", .n_seqs = 2, .length = {1, 3}, .width = 1},
        {.name = "width 50", .n_seqs = 3, .length = {1, 3, 9}, .width = 50, .has_weight = true},
        {.name = "in place", .n_seqs = 2, .length = {4, 3}, .width = 64, .has_pad = true},
        {.name       = "both",
         .n_seqs     = 2,
         .length     = {2, 9},
         .width      = 128,
         .has_pad    = true,
         .has_weight = true,
         .is_strided = true},
        {.name = "integers", .n_seqs = 2, .length = {2, 9}, .width = 17, .is_small = true},
    };

    (void)state;
    op_check_all(&(op_check){.name      = "layer_norm",
                             .fn        = run_layer_norm,
                             .shapes    = shapes,
                             .n_shapes  = sizeof shapes / sizeof *shapes,
                             .tolerance = 1e-6});
}

static double exact(br_activation activation, double x)
{
    switch (activation) {
    case BR_ACT_RELU:
        return fmax(x, 0.0);
    case BR_ACT_GELU:
        return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case BR_ACT_TANH:
        return tanh(x);
    case BR_ACT_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case BR_ACT_SILU:
        return x / (1.0 + exp(-x));
    default:
        return x;
    }
}

/* The 1 x 1 identity hands every x to the activation unchanged. */
static void test_activation_error(void **state)
{
    static const double limit[] = {
        [BR_ACT_NONE] = 0.0,  [BR_ACT_RELU] = 0.0,       [BR_ACT_GELU] = 1.5e-7,
        [BR_ACT_TANH] = 3e-7, [BR_ACT_SIGMOID] = 1.5e-7, [BR_ACT_SILU] = 1.5e-7};
    const int n   = op_is_emulated() ? 20001 : 400001;
    br_dev   *dev = op_dev(op_tested());
    float    *x   = calloc((size_t)n, sizeof *x);
    float    *y   = calloc((size_t)n, sizeof *y);
    float     one = 1.0f;
    br_mat    in, out, weight;

    (void)state;
    assert_int_equal(br_dev_alloc(dev, BR_F32, n, 1, &in), BR_OK);
    assert_int_equal(br_dev_alloc(dev, BR_F32, n, 1, &out), BR_OK);
    assert_int_equal(br_dev_alloc(dev, BR_F32, 1, 1, &weight), BR_OK);
    assert_int_equal(br_upload(dev, weight, &one), BR_OK);
    for (int i = 0; i < n; i++)
        x[i] = (float)((i - n / 2) * (200.0 / (n - 1))); /* -100 .. 100 */
    assert_int_equal(br_upload(dev, in, x), BR_OK);
    for (int a = BR_ACT_NONE; a <= BR_ACT_SILU; a++) {
        br_linear_args args = {
            .x_RI = in, .weight_OI = weight, .activation = (br_activation)a, .out_RO = out};
        double worst = 0.0;

        assert_int_equal(br_op_linear(dev, &args), BR_OK);
        assert_int_equal(br_download(dev, out, y), BR_OK);
        for (int i = 0; i < n; i++) {
            double error = fabs(y[i] - exact((br_activation)a, x[i]));
            worst        = fmax(worst, error / fmax(1.0, fabs((double)x[i])));
        }
        printf("activation %d: largest error %.3g x max(1, |x|)\n", a, worst);
        assert_true(worst <= limit[a]);
    }
    br_dev_free(&in);
    br_dev_free(&out);
    br_dev_free(&weight);
    free(x);
    free(y);
}

/* A NaN is never made into a number, whatever its sign: 20 of them fill a vector and its rest. */
static void test_nan_stays_nan(void **state)
{
    enum { N = 20 };
    const op_shape shape = {.name = "nan", .n_seqs = 1, .length = {N}};
    const int32_t  id    = 0;
    const float    one   = 1.0f;
    float          x[N], y[N];

    (void)state;
    for (int i = 0; i < N; i++)
        x[i] = i % 2 == 0 ? NAN : -NAN;
    for (int a = BR_ACT_NONE; a <= BR_ACT_SILU; a++) {
        for (int b = 0; b < OP_N_BACKENDS; b++) {
            op_run         run;
            br_linear_args args;

            op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
            args = (br_linear_args){.x_RI       = op_put(&run, BR_F32, 1, 1, &one),
                                    .weight_OI  = op_put(&run, BR_F32, N, 1, x),
                                    .activation = (br_activation)a,
                                    .out_RO     = op_out(&run, 1, N)};
            assert_int_equal(br_op_linear(run.dev, &args), BR_OK);
            assert_int_equal(br_download(run.dev, args.out_RO, y), BR_OK);
            for (int i = 0; i < N; i++)
                assert_true(isnan(y[i]));
            op_end(&run);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),           cmocka_unit_test(test_bf16_views),
        cmocka_unit_test(test_linear_place),     cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_activation_error), cmocka_unit_test(test_nan_stays_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
