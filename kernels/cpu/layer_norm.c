/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: fp64 statistics in 8 interleaved chains, whatever the processor. Called two or three
 * times per layer and chunk. Agrees with ref within 1e-6 x max(1, |x|). */
#include <math.h>

#include "kernels/cpu/clones.h"
#include "kernels/cpu/cpu.h"

#define LANES 8

typedef struct row {
    const float *x_D;
    const float *residual_D; /* or NULL */
    const float *gamma_D;
    const float *beta_D;
    float       *out_D;
    int64_t      n;
    double       eps;
} row;

BR_INLINE double tree(const double *sum)
{
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

BR_INLINE double sum_of(const float *y_D, int64_t n)
{
    double  sum[LANES] = {0};
    int64_t d          = 0;

    for (; d + LANES <= n; d += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += (double)y_D[d + l];
    for (int l = 0; d < n; d++, l++)
        sum[l] += (double)y_D[d];
    return tree(sum);
}

BR_INLINE double squares_of(const float *y_D, int64_t n, double mean)
{
    double  sum[LANES] = {0};
    int64_t d          = 0;

    for (; d + LANES <= n; d += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += ((double)y_D[d + l] - mean) * ((double)y_D[d + l] - mean);
    for (int l = 0; d < n; d++, l++)
        sum[l] += ((double)y_D[d] - mean) * ((double)y_D[d] - mean);
    return tree(sum);
}

BR_CLONES static void norm_row(const row *r)
{
    float       *out_D   = r->out_D;
    const float *gamma_D = r->gamma_D;
    const float *beta_D  = r->beta_D;
    const float *y_D     = r->residual_D == NULL ? r->x_D : out_D;
    int64_t      n       = r->n;
    double       mean;
    double       scale;

    if (r->residual_D != NULL)
        for (int64_t d = 0; d < n; d++)
            out_D[d] = r->x_D[d] + r->residual_D[d];
    mean  = sum_of(y_D, n) / (double)n;
    scale = 1.0 / sqrt(squares_of(y_D, n, mean) / (double)n + r->eps);
    for (int64_t d = 0; d < n; d++)
        out_D[d] = (float)(((double)y_D[d] - mean) * scale) * gamma_D[d] + beta_D[d];
}

br_status br_cpu_layer_norm(br_dev *dev, const br_layer_norm_args *args)
{
    row r = {.gamma_D = br_mat_f32(args->gamma_1D),
             .beta_D  = br_mat_f32(args->beta_1D),
             .n       = args->x_RD.n_cols,
             .eps     = args->eps};

    (void)dev;
    for (int64_t i = 0; i < args->x_RD.n_rows; i++) {
        r.x_D        = br_mat_f32(args->x_RD) + i * args->x_RD.ld;
        r.residual_D = br_mat_f32(args->residual_RD);
        r.out_D      = br_mat_f32(args->out_RD) + i * args->out_RD.ld;
        if (r.residual_D != NULL)
            r.residual_D += i * args->residual_RD.ld;
        norm_row(&r);
    }
    return BR_OK;
}
