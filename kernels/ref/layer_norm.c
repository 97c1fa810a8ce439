/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: y = x + residual rounded to fp32, then fp64 mean and biased variance. Called two or
 * three times per layer and chunk. */
#include <math.h>

#include "kernels/ref/ref.h"

static void norm_row(const br_layer_norm_args *args, int64_t row)
{
    const float *x_D     = br_mat_f32(args->x_RD) + row * args->x_RD.ld;
    const float *r_D     = br_mat_f32(args->residual_RD);
    const float *gamma_D = br_mat_f32(args->gamma_1D);
    const float *beta_D  = br_mat_f32(args->beta_1D);
    float       *out_D   = br_mat_f32(args->out_RD) + row * args->out_RD.ld;
    int64_t      n       = args->x_RD.n_cols;
    double       mean    = 0.0;
    double       var     = 0.0;
    double       scale;

    if (r_D != NULL)
        r_D += row * args->residual_RD.ld;
    for (int64_t d = 0; d < n; d++) {
        out_D[d] = r_D == NULL ? x_D[d] : x_D[d] + r_D[d];
        mean += out_D[d];
    }
    mean /= (double)n;
    for (int64_t d = 0; d < n; d++)
        var += (out_D[d] - mean) * (out_D[d] - mean);
    scale = 1.0 / sqrt(var / (double)n + args->eps);
    for (int64_t d = 0; d < n; d++)
        out_D[d] = (float)((out_D[d] - mean) * scale * gamma_D[d] + beta_D[d]);
}

br_status br_ref_layer_norm(br_dev *dev, const br_layer_norm_args *args)
{
    (void)dev;
    for (int64_t row = 0; row < args->x_RD.n_rows; row++)
        norm_row(args, row);
    return BR_OK;
}
