/* SPDX-License-Identifier: Apache-2.0
 *
 * linear: each output is one fp64 dot product, bias, activation and residual in fp64, rounded
 * once. Called for every projection of every layer. */
#include <math.h>

#include "kernels/ref/ref.h"

static double activate(br_activation activation, double x)
{
    switch (activation) {
    case BR_ACT_RELU:
        return x < 0.0 ? 0.0 : x; /* NaN stays NaN */
    case BR_ACT_GELU:
        return 0.5 * x * (1.0 + erf(x * M_SQRT1_2));
    case BR_ACT_TANH:
        return tanh(x);
    case BR_ACT_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case BR_ACT_SILU:
        return x / (1.0 + exp(-x));
    case BR_ACT_NONE:
        break;
    }
    return x;
}

double br_ref_dot(const float *a, const float *b, int64_t n, br_precision precision)
{
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++)
        sum += br_ref_operand(a[i], precision) * br_ref_operand(b[i], precision);
    return sum;
}

/* Row r of x as fp32: itself, or a bf16 row spread over spare_I. */
static const float *row_of(br_mat x_RI, int64_t r, float *spare_I)
{
    const uint16_t *half_I;

    if (x_RI.dtype == BR_F32)
        return br_mat_f32(x_RI) + r * x_RI.ld;
    half_I = br_mat_bf16(x_RI) + r * x_RI.ld;
    for (int64_t i = 0; i < x_RI.n_cols; i++)
        spare_I[i] = br_bf16_value(half_I[i]);
    return spare_I;
}

static void put(br_mat out_RO, int64_t r, int64_t o, float value)
{
    if (out_RO.dtype == BR_F32)
        br_mat_f32(out_RO)[r * out_RO.ld + o] = value;
    else
        br_mat_bf16(out_RO)[r * out_RO.ld + o] = (uint16_t)(br_bf16_bits(value) >> 16);
}

br_status br_ref_linear(br_dev *dev, const br_linear_args *args)
{
    br_status    st        = BR_OK;
    const float *bias_O    = br_mat_f32(args->bias_1O);
    const float *res_RO    = br_mat_f32(args->residual_RO);
    br_precision precision = br_prepared_precision(args->prepared);
    float       *spare_I   = NULL;

    (void)dev;
    BR_ALLOC(st, spare_I, args->x_RI.n_cols, "linear: a row");
    for (int64_t r = 0; r < args->out_RO.n_rows; r++) {
        const float *x_I = row_of(args->x_RI, r, spare_I);

        for (int64_t o = 0; o < args->out_RO.n_cols; o++) {
            const float *weight_I = br_mat_f32(args->weight_OI) + o * args->weight_OI.ld;
            double       y        = br_ref_dot(x_I, weight_I, args->x_RI.n_cols, precision);

            y = activate(args->activation, y + (bias_O == NULL ? 0.0 : bias_O[o]));
            y += res_RO == NULL ? 0.0 : res_RO[r * args->residual_RO.ld + o];
            put(args->out_RO, r, o, (float)y);
        }
    }
done:
    br_free(&spare_I);
    return st;
}
