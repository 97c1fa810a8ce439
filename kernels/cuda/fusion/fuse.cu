/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse: a warp per row; a softmax over at most 16 modalities, lane m owning modality m's logit, in
 * fp64 as ref. Called once per chunk. */
#include "kernels/cuda/warp.cuh"

typedef struct fuse_params {
    int64_t                n_rows;
    int64_t                width;
    int32_t                n_modalities;
    br_view<const float>   g_BMD;
    br_view<const float>   z_BMD;
    const float           *attention_D;
    const float           *default_D;
    br_view<const uint8_t> present_BM;
    br_view<const float>   confidence_BM;
    br_view<const float>   residual_BD;
    br_view<float>         out_BD;
    br_view<float>         alpha_BM;
    br_view<float>         gate_BM;
} fuse_params;

/* Lane m: modality m's alpha, 0 where absent. The sum tells whether anything is present. */
static __device__ double weigh(const fuse_params &p, int64_t b, double *sum)
{
    bool   is_present = br_lane() < p.n_modalities && p.present_BM.row(b)[br_lane()] != 0;
    double logit      = -INFINITY;
    double weight;

    for (int32_t m = 0; m < p.n_modalities; m++) {
        double dot = 0.0;

        for (int64_t d = br_lane(); d < p.width; d += BR_WARP)
            dot += (double)p.attention_D[d] * (double)p.g_BMD.row(b)[m * p.width + d];
        dot = br_warp_sum(dot);
        if (br_lane() == m && is_present)
            logit = dot + log((double)p.confidence_BM.row(b)[m]);
    }
    weight = br_warp_max(logit);
    weight = is_present ? exp(logit - weight) : 0.0;
    *sum   = br_warp_sum(weight);
    return is_present ? weight / *sum : 0.0;
}

static __device__ void put_gates(const fuse_params &p, int64_t b, double alpha)
{
    for (int32_t m = 0; m < p.n_modalities; m++) {
        double gate = 0.0;

        for (int64_t d = br_lane(); d < p.width && p.present_BM.row(b)[m]; d += BR_WARP)
            gate += p.z_BMD.row(b)[m * p.width + d];
        gate = br_warp_sum(gate) / (double)p.width;
        if (br_lane() == m && p.alpha_BM.at != NULL)
            p.alpha_BM.row(b)[m] = (float)alpha;
        if (br_lane() == m && p.gate_BM.at != NULL)
            p.gate_BM.row(b)[m] = (float)gate;
    }
}

/* Grid: n_rows warps; a lane owns columns lane, lane + 32, ... The warp stays together: all its
 * lanes hand their alpha around for every step of 32 columns. */
static __global__ void __launch_bounds__(BR_ROW_THREADS) fuse_kernel(fuse_params p)
{
    int64_t b = br_row();
    double  sum, alpha;

    if (b >= p.n_rows)
        return;
    alpha = weigh(p, b, &sum);
    put_gates(p, b, alpha);
    for (int64_t first = 0; first < p.width; first += BR_WARP) {
        int64_t d     = first + br_lane();
        bool    is_in = d < p.width;
        double  out   = is_in && !(sum > 0.0) && p.default_D != NULL ? p.default_D[d] : 0.0;

        for (int32_t m = 0; m < p.n_modalities; m++) {
            double a = __shfl_sync(BR_FULL_WARP, alpha, m);

            if (is_in && p.present_BM.row(b)[m])
                out += a * p.z_BMD.row(b)[m * p.width + d] * p.g_BMD.row(b)[m * p.width + d];
        }
        if (is_in)
            p.out_BD.row(b)[d] =
                (float)((p.residual_BD.at == NULL ? 0.0 : p.residual_BD.row(b)[d]) + out);
    }
}

br_status br_cuda_fuse(br_dev *dev, const br_fuse_args *args)
{
    br_status   st = BR_OK;
    fuse_params p  = {};

    p.n_rows        = args->out_BD.n_rows;
    p.width         = args->out_BD.n_cols;
    p.n_modalities  = args->n_modalities;
    p.g_BMD         = br_view_of<const float>(args->g_BMD);
    p.z_BMD         = br_view_of<const float>(args->z_BMD);
    p.attention_D   = br_mat_f32(args->attention_1D);
    p.default_D     = br_mat_f32(args->default_1D);
    p.present_BM    = br_view_of<const uint8_t>(args->present_BM);
    p.confidence_BM = br_view_of<const float>(args->confidence_BM);
    p.residual_BD   = br_view_of<const float>(args->residual_BD);
    p.out_BD        = br_view_of<float>(args->out_BD);
    p.alpha_BM      = br_view_of<float>(args->alpha_BM);
    p.gate_BM       = br_view_of<float>(args->gate_BM);
    BR_TRY(st, BR_LAUNCH(dev, fuse_kernel, br_row_blocks(p.n_rows), BR_ROW_THREADS, 0, p));
done:
    return st;
}
