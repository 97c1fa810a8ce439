/* SPDX-License-Identifier: Apache-2.0
 *
 * pair_mlp: ref and the backend under test give the bits of an oracle written again here, whatever
 * rows, slots and strides a call has; the numbers of the published formula in long double; finite
 * logits from the largest weights; wrong arguments refused. */
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

#include "tests/kernels/op_case.h"

#define MOST_B 13
#define MOST_K 40
#define MOST_N 60

typedef struct shape {
    int64_t B, N, K, D;
    int32_t n_layers;
    int64_t width[BR_MAX_PAIR_LAYERS];
    bool    has_bias;
    float   scale; /* of weights and vectors */
} shape;

static const shape shapes[] = {
    {1, 1, 1, 1, 1, {1}, false, 1.0f},          {3, 5, 0, 4, 1, {3}, false, 1.0f},
    {13, 60, 40, 33, 1, {8}, true, 1.0f},       {2, 7, 17, 64, 1, {64}, false, 1.0f},
    {5, 60, 16, 50, 2, {65, 31}, true, 1.0f},   {4, 9, 33, 7, 3, {9, 70, 5}, true, 1.0f},
    {2, 11, 5, 192, 2, {130, 16}, false, 0.3f},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

typedef struct world {
    const shape     *s;
    op_run           run;
    br_pair_mlp_args args;
    int32_t          item_BK[MOST_B * MOST_K];
    float           *x_BD, *z_ND, *bias_N, *weight[BR_MAX_PAIR_LAYERS + 1];
    float           *bias[BR_MAX_PAIR_LAYERS + 1];
} world;

static int64_t n_in(const shape *s, int32_t l)
{
    return l == 0 ? 3 * s->D : s->width[l - 1];
}

static int64_t n_out(const shape *s, int32_t l)
{
    return l == s->n_layers ? 1 : s->width[l];
}

static float *values(uint64_t stream, int64_t n_rows, int64_t n_cols, float scale)
{
    float *out = calloc((size_t)(n_rows * n_cols) + 1, sizeof *out);

    assert_non_null(out);
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        out[i] = scale * op_value(false, stream, (uint64_t)(i / n_cols), (uint64_t)(i % n_cols), 0);
    return out;
}

static void make(world *w, const shape *s)
{
    *w      = (world){.s = s};
    w->x_BD = values(1, s->B, s->D, s->scale);
    w->z_ND = values(2, s->N, s->D, s->scale);
    if (s->has_bias)
        w->bias_N = values(3, s->N, 1, s->scale);
    for (int32_t l = 0; l <= s->n_layers; l++) {
        float fit = s->scale > 1.0f ? s->scale : s->scale / sqrtf((float)n_in(s, l));

        w->weight[l] = values(10 + (uint64_t)l, n_out(s, l), n_in(s, l), fit);
        w->bias[l]   = values(20 + (uint64_t)l, 1, n_out(s, l), s->scale);
    }
    for (int64_t i = 0; i < s->B * s->K; i++)
        w->item_BK[i] = i % 7 == 3 ? -1 : (int32_t)((i * 5 + i / s->K) % s->N);
}

static void clear(world *w)
{
    free(w->x_BD);
    free(w->z_ND);
    free(w->bias_N);
    for (int l = 0; l <= BR_MAX_PAIR_LAYERS; l++) {
        free(w->weight[l]);
        free(w->bias[l]);
    }
}

/* Rows [first, first + n) on a device. */
static void begin(world *w, br_dev *dev, int64_t first, int64_t n, bool is_strided)
{
    static const op_shape views[2] = {{.name = "whole"}, {.name = "cut", .is_strided = true}};
    const shape          *s        = w->s;
    op_run               *run      = &w->run;

    op_begin(run, dev, &views[is_strided], NULL, 0);
    w->args = (br_pair_mlp_args){.query_BD = op_put(run, BR_F32, n, s->D, w->x_BD + first * s->D),
                                 .item_ND  = op_put(run, BR_F32, s->N, s->D, w->z_ND),
                                 .bias_N   = s->has_bias ? op_put(run, BR_F32, s->N, 1, w->bias_N)
                                                         : (br_mat){0},
                                 .item_BK = op_put(run, BR_I32, n, s->K, w->item_BK + first * s->K),
                                 .n_layers = s->n_layers,
                                 .logit_BK = op_out(run, n, s->K)};
    for (int32_t l = 0; l <= s->n_layers; l++) {
        w->args.weight_OI[l] = op_put(run, BR_F32, n_out(s, l), n_in(s, l), w->weight[l]);
        w->args.bias_1O[l]   = op_put(run, BR_F32, 1, n_out(s, l), w->bias[l]);
    }
}

static void run_rows(world *w, br_dev *dev, int64_t first, int64_t n, bool is_strided, float *out)
{
    begin(w, dev, first, n, is_strided);
    assert_int_equal(op_finish(dev, br_op_pair_mlp(dev, &w->args)), BR_OK);
    assert_int_equal(br_download(dev, w->args.logit_BK, out + first * w->s->K), BR_OK);
    op_end(&w->run);
}

/* ---- the definition, once more ---- */

static float to_float(double v)
{
    if (v > (double)FLT_MAX)
        return FLT_MAX;
    return v < -(double)FLT_MAX ? -FLT_MAX : (float)v + 0.0f;
}

static float oracle(const world *w, int64_t b, int32_t item)
{
    const shape *s = w->s;
    float        h[BR_MAX_PAIR_LAYERS + 1][BR_MAX_PAIR_WIDTH];
    const float *x_D = w->x_BD + b * s->D, *z_D = w->z_ND + item * s->D;

    for (int32_t l = 0; l <= s->n_layers; l++)
        for (int64_t o = 0; o < n_out(s, l); o++) {
            const float *row = w->weight[l] + o * n_in(s, l);
            double       sum = (double)w->bias[l][o];

            if (l == s->n_layers && s->has_bias)
                sum += (double)w->bias_N[item];
            for (int64_t i = 0; i < (l == 0 ? s->D : n_in(s, l)); i++)
                sum += (double)row[i] * (double)(l == 0 ? x_D[i] : h[l - 1][i]);
            for (int64_t d = 0; l == 0 && d < s->D; d++)
                sum += (double)to_float((double)row[s->D + d] +
                                        (double)row[2 * s->D + d] * (double)x_D[d]) *
                       (double)z_D[d];
            h[l][o] = to_float(l < s->n_layers && !(sum > 0.0) ? 0.0 : sum);
        }
    return h[s->n_layers][0];
}

/* Eq. 5 as it is written, without the engine's folds and roundings. */
static long double published(const world *w, int64_t b, int32_t item)
{
    const shape *s = w->s;
    long double  in[3 * 256], out[BR_MAX_PAIR_WIDTH];

    for (int64_t d = 0; d < s->D; d++) {
        in[d]            = (long double)w->x_BD[b * s->D + d];
        in[s->D + d]     = (long double)w->z_ND[item * s->D + d];
        in[2 * s->D + d] = in[d] * in[s->D + d];
    }
    for (int32_t l = 0; l <= s->n_layers; l++) {
        for (int64_t o = 0; o < n_out(s, l); o++) {
            out[o] = (long double)w->bias[l][o];
            for (int64_t i = 0; i < n_in(s, l); i++)
                out[o] += (long double)w->weight[l][o * n_in(s, l) + i] * in[i];
            if (l < s->n_layers && out[o] < 0.0L)
                out[o] = 0.0L;
        }
        memcpy(in, out, (size_t)n_out(s, l) * sizeof *in);
    }
    return in[0] + (s->has_bias ? (long double)w->bias_N[item] : 0.0L);
}

/* ---- tests ---- */

static void check_bits(const world *w, const float *got_BK, const float *want_BK, const char *what)
{
    for (int64_t i = 0; i < w->s->B * w->s->K; i++) {
        if (w->item_BK[i] == -1)
            assert_true(isnan(got_BK[i]));
        else if (memcmp(&got_BK[i], &want_BK[i], sizeof *got_BK) != 0)
            fail_msg("%s, D %lld, pair %lld: found %.9g, expected %.9g", what, (long long)w->s->D,
                     (long long)i, (double)got_BK[i], (double)want_BK[i]);
    }
}

static void test_bits(void **state)
{
    static float want_BK[MOST_B * MOST_K], got_BK[MOST_B * MOST_K];

    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        world w;

        make(&w, &shapes[i]);
        for (int64_t at = 0; at < w.s->B * w.s->K; at++)
            want_BK[at] = w.item_BK[at] < 0 ? NAN : oracle(&w, at / w.s->K, w.item_BK[at]);
        for (int d = 0; d < OP_N_BACKENDS; d++) {
            br_dev *dev = op_dev(op_backend(d));

            run_rows(&w, dev, 0, w.s->B, false, got_BK);
            check_bits(&w, got_BK, want_BK, "all at once");
            op_set_thread_order(d);
            memset(got_BK, 0, sizeof got_BK);
            for (int64_t b = w.s->B - 1; b >= 0; b--)
                run_rows(&w, dev, b, 1, true, got_BK);
            check_bits(&w, got_BK, want_BK, "row by row, strided");
        }
        clear(&w);
    }
}

static void test_formula(void **state)
{
    static float got_BK[MOST_B * MOST_K];

    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        world w;

        make(&w, &shapes[i]);
        run_rows(&w, op_dev(op_tested()), 0, w.s->B, false, got_BK);
        for (int64_t at = 0; at < w.s->B * w.s->K; at++) {
            long double want;

            if (w.item_BK[at] < 0)
                continue;
            want = published(&w, at / w.s->K, w.item_BK[at]);
            if (!(fabsl((long double)got_BK[at] - want) <= 2e-6L * fmaxl(1.0L, fabsl(want))))
                fail_msg("shape %d, pair %lld: found %.9g, expected %.9Lg", (int)i, (long long)at,
                         (double)got_BK[at], want);
        }
        clear(&w);
    }
}

/* Sums beyond fp32 stop at its largest number: no infinity, no NaN, the same bits. */
static void test_largest(void **state)
{
    static const shape huge = {3, 20, 19, 24, 3, {20, 9, 17}, true, 3e38f};
    static float       want_BK[MOST_B * MOST_K], got_BK[MOST_B * MOST_K];
    world              w;
    int                n_at_end = 0;

    (void)state;
    make(&w, &huge);
    for (int64_t at = 0; at < huge.B * huge.K; at++) {
        want_BK[at] = w.item_BK[at] < 0 ? NAN : oracle(&w, at / huge.K, w.item_BK[at]);
        n_at_end += fabsf(want_BK[at]) == FLT_MAX;
    }
    assert_true(n_at_end > 0);
    for (int d = 0; d < OP_N_BACKENDS; d++) {
        run_rows(&w, op_dev(op_backend(d)), 0, huge.B, false, got_BK);
        check_bits(&w, got_BK, want_BK, "largest");
    }
    clear(&w);
}

static void expect(br_dev *dev, br_status st, const char *part)
{
    assert_int_equal(op_finish(dev, st), BR_E_SELFCHECK);
    if (strstr(br_error_last()->text, part) == NULL)
        fail_msg("the message is \"%s\", expected \"%s\" in it", br_error_last()->text, part);
}

static void test_refused(void **state)
{
    br_dev          *dev = op_dev(op_tested());
    world            w;
    br_pair_mlp_args bad;

    (void)state;
    make(&w, &shapes[4]);
    begin(&w, dev, 0, w.s->B, false);
    bad          = w.args;
    bad.n_layers = 0;
    expect(dev, br_op_pair_mlp(dev, &bad), "pair_mlp: n_layers is 0, expected 1..3");
    bad.n_layers = 4;
    expect(dev, br_op_pair_mlp(dev, &bad), "n_layers is 4, expected 1..3");
    bad          = w.args;
    bad.n_layers = 1; /* the second layer's weights stand where the logit's should */
    expect(dev, br_op_pair_mlp(dev, &bad), "weight_OI is f32 [31, 65], expected f32 [1, 65]");
    bad              = w.args;
    bad.weight_OI[0] = br_mat_cols(bad.weight_OI[0], 0, 50);
    expect(dev, br_op_pair_mlp(dev, &bad), "weight_OI is f32 [65, 50], expected f32 [65, 150]");
    bad            = w.args;
    bad.bias_1O[1] = (br_mat){0};
    expect(dev, br_op_pair_mlp(dev, &bad), "bias_1O is absent, expected f32");
    bad          = w.args;
    bad.logit_BK = br_mat_cols(bad.logit_BK, 0, 2);
    expect(dev, br_op_pair_mlp(dev, &bad), "logit_BK is f32 [5, 2], expected f32 [5, 16]");
    op_end(&w.run);
    for (int32_t item = -2; item <= 60; item += 62) {
        w.item_BK[18] = item;
        begin(&w, dev, 0, w.s->B, false);
        expect(dev, br_op_pair_mlp(dev, &w.args), "pair_mlp");
        op_end(&w.run);
    }
    clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_refused),
    };
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
