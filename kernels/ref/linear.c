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

br_status br_ref_linear(br_dev *dev, const br_linear_args *args)
{
    const float *bias_O    = br_mat_f32(args->bias_1O);
    const float *res_RO    = br_mat_f32(args->residual_RO);
    br_precision precision = br_prepared_precision(args->prepared);

    (void)dev;
    for (int64_t r = 0; r < args->out_RO.n_rows; r++) {
        const float *x_I   = br_mat_f32(args->x_RI) + r * args->x_RI.ld;
        float       *out_O = br_mat_f32(args->out_RO) + r * args->out_RO.ld;

        for (int64_t o = 0; o < args->out_RO.n_cols; o++) {
            const float *weight_I = br_mat_f32(args->weight_OI) + o * args->weight_OI.ld;
            double       y        = br_ref_dot(x_I, weight_I, args->x_RI.n_cols, precision);

            y        = activate(args->activation, y + (bias_O == NULL ? 0.0 : bias_O[o]));
            out_O[o] = (float)(y + (res_RO == NULL ? 0.0 : res_RO[r * args->residual_RO.ld + o]));
        }
    }
    return BR_OK;
}
