/* SPDX-License-Identifier: Apache-2.0
 *
 * pair_mlp, pair by pair. Called once per pair head and tile of customers. */
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/ref/ref.h"

static double begin(br_mat bias_1O, int64_t o)
{
    return (double)br_mat_f32(bias_1O)[o];
}

static const float *weight_row(br_mat weight_OI, int64_t o)
{
    return br_mat_f32(weight_OI) + o * weight_OI.ld;
}

static void first_layer(const br_pair_mlp_args *args, const float *x_D, const float *z_D, float *h)
{
    int64_t D = args->query_BD.n_cols;

    for (int64_t o = 0; o < args->weight_OI[0].n_rows; o++) {
        const float *x_weight = weight_row(args->weight_OI[0], o);
        const float *z_weight = x_weight + D, *xz_weight = z_weight + D;
        double       sum = begin(args->bias_1O[0], o);

        for (int64_t d = 0; d < D; d++)
            sum += (double)x_weight[d] * (double)x_D[d];
        for (int64_t d = 0; d < D; d++)
            sum += (double)br_pair_fold(z_weight[d], xz_weight[d], x_D[d]) * (double)z_D[d];
        h[o] = br_pair_relu(sum);
    }
}

static double chain(double sum, const float *weight_I, const float *h_I, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum += (double)weight_I[i] * (double)h_I[i];
    return sum;
}

static float logit_of(const br_pair_mlp_args *args, const float *x_D, int64_t item)
{
    float   h[2][BR_MAX_PAIR_WIDTH];
    int32_t L    = args->n_layers;
    double  sum  = begin(args->bias_1O[L], 0);
    float  *from = h[0], *to = h[1];

    first_layer(args, x_D, br_mat_f32(args->item_ND) + item * args->item_ND.ld, from);
    for (int32_t l = 1; l < L; l++) {
        const br_mat w = args->weight_OI[l];
        float       *swap;

        for (int64_t o = 0; o < w.n_rows; o++)
            to[o] =
                br_pair_relu(chain(begin(args->bias_1O[l], o), weight_row(w, o), from, w.n_cols));
        swap = from;
        from = to;
        to   = swap;
    }
    if (args->bias_N.buf != NULL)
        sum += (double)br_mat_f32(args->bias_N)[item * args->bias_N.ld];
    return br_pair_round(
        chain(sum, weight_row(args->weight_OI[L], 0), from, args->weight_OI[L].n_cols));
}

br_status br_ref_pair_mlp(br_dev *dev, const br_pair_mlp_args *args)
{
    br_status st = BR_OK;

    (void)dev;
    for (int64_t b = 0; b < args->query_BD.n_rows; b++) {
        const float   *x_D     = br_mat_f32(args->query_BD) + b * args->query_BD.ld;
        const int32_t *item_K  = br_mat_i32(args->item_BK) + b * args->item_BK.ld;
        float         *logit_K = br_mat_f32(args->logit_BK) + b * args->logit_BK.ld;

        for (int64_t j = 0; j < args->item_BK.n_cols; j++) {
            logit_K[j] = NAN;
            if (item_K[j] == -1)
                continue;
            BR_TRY(st, br_ref_check_row("pair_mlp", b, item_K[j], args->item_ND.n_rows));
            logit_K[j] = logit_of(args, x_D, item_K[j]);
        }
    }
done:
    return st;
}
