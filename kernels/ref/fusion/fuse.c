/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse: a softmax over at most a handful of modalities, in fp64. Called once per chunk. */
#include <math.h>

#include "kernels/ref/ref.h"

typedef struct row {
    const br_fuse_args *args;
    int64_t             b;
    const uint8_t      *present_M;
    const float        *g_MD;
    const float        *z_MD;
    double              largest; /* logit; -inf: nothing present */
    double              sum;     /* of exp(logit - largest) */
} row;

static double logit_of(const row *r, int64_t m)
{
    const float *a_D  = br_mat_f32(r->args->attention_1D);
    const float *conf = br_mat_f32(r->args->confidence_BM) + r->b * r->args->confidence_BM.ld;
    int64_t      n    = r->args->out_BD.n_cols;
    double       sum  = 0.0;

    for (int64_t d = 0; d < n; d++)
        sum += (double)a_D[d] * (double)r->g_MD[m * n + d];
    return sum + log((double)conf[m]);
}

static double alpha_of(const row *r, int64_t m)
{
    return r->present_M[m] ? exp(logit_of(r, m) - r->largest) / r->sum : 0.0;
}

static void weigh(row *r)
{
    r->largest = -INFINITY;
    r->sum     = 0.0;
    for (int64_t m = 0; m < r->args->n_modalities; m++)
        if (r->present_M[m])
            r->largest = fmax(r->largest, logit_of(r, m));
    for (int64_t m = 0; m < r->args->n_modalities; m++)
        if (r->present_M[m])
            r->sum += exp(logit_of(r, m) - r->largest);
}

static void put_gates(const row *r, int64_t m, double alpha)
{
    const br_fuse_args *args = r->args;
    int64_t             n    = args->out_BD.n_cols;
    double              gate = 0.0;

    for (int64_t d = 0; d < n && r->present_M[m]; d++)
        gate += r->z_MD[m * n + d];
    if (args->alpha_BM.buf != NULL)
        br_mat_f32(args->alpha_BM)[r->b * args->alpha_BM.ld + m] = (float)alpha;
    if (args->gate_BM.buf != NULL)
        br_mat_f32(args->gate_BM)[r->b * args->gate_BM.ld + m] = (float)(gate / (double)n);
}

static void fuse_row(const row *r)
{
    const br_fuse_args *args      = r->args;
    const float        *default_D = br_mat_f32(args->default_1D);
    const float        *res_BD    = br_mat_f32(args->residual_BD);
    float              *out_D     = br_mat_f32(args->out_BD) + r->b * args->out_BD.ld;
    int64_t             n         = args->out_BD.n_cols;
    double              alpha_M[BR_MAX_FUSED];

    for (int64_t m = 0; m < args->n_modalities; m++) {
        alpha_M[m] = alpha_of(r, m);
        put_gates(r, m, alpha_M[m]);
    }
    for (int64_t d = 0; d < n; d++) {
        double sum = r->sum > 0.0 || default_D == NULL ? 0.0 : default_D[d];

        for (int64_t m = 0; m < args->n_modalities; m++)
            if (r->present_M[m])
                sum += alpha_M[m] * r->z_MD[m * n + d] * r->g_MD[m * n + d];
        out_D[d] = (float)((res_BD == NULL ? 0.0 : res_BD[r->b * args->residual_BD.ld + d]) + sum);
    }
}

br_status br_ref_fuse(br_dev *dev, const br_fuse_args *args)
{
    const uint8_t *present_BM = br_mat_at(args->present_BM);

    (void)dev;
    for (int64_t b = 0; b < args->out_BD.n_rows; b++) {
        row r = {.args      = args,
                 .b         = b,
                 .present_M = present_BM + b * args->present_BM.ld,
                 .g_MD      = br_mat_f32(args->g_BMD) + b * args->g_BMD.ld,
                 .z_MD      = br_mat_f32(args->z_BMD) + b * args->z_BMD.ld};
        weigh(&r);
        fuse_row(&r);
    }
    return BR_OK;
}
