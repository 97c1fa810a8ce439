/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: a warp per row; x + residual is rounded to fp32 and kept in registers up to 512
 * columns, in the output row beyond. Statistics in fp64, summed by lane and then by butterfly.
 * Called two or three times per layer and chunk. */
#include "kernels/cuda/warp.cuh"

typedef struct norm_params {
    int64_t              n_rows;
    int64_t              width;
    br_view<const float> x_RD;
    br_view<const float> residual_RD;
    const float         *gamma_D;
    const float         *beta_D;
    double               eps;
    br_view<float>       out_RD;
} norm_params;

/* Where a lane keeps its columns: y[i] is column lane + 32 i. */
template <int N> struct kept {
    float y[N];

    __device__ float &at(int i, float *)
    {
        return y[i];
    }
};
template <> struct kept<0> {
    __device__ float &at(int i, float *out_D)
    {
        return out_D[br_lane() + i * BR_WARP];
    }
};

/* Grid: n_rows warps; N * 32 >= width, or N = 0. */
template <int N> static __global__ void __launch_bounds__(BR_ROW_THREADS) norm_kernel(norm_params p)
{
    int64_t row  = br_row();
    int     n    = N > 0 ? N : (int)((p.width + BR_WARP - 1) / BR_WARP);
    double  mean = 0.0, var = 0.0, scale;
    kept<N> k;

    if (row >= p.n_rows)
        return;
    {
        const float *x_D   = p.x_RD.row(row);
        const float *r_D   = p.residual_RD.at == NULL ? NULL : p.residual_RD.row(row);
        float       *out_D = p.out_RD.row(row);

#pragma unroll
        for (int i = 0; i < n; i++) {
            int64_t d = br_lane() + i * BR_WARP;

            if (d < p.width) {
                k.at(i, out_D) = r_D == NULL ? x_D[d] : x_D[d] + r_D[d];
                mean += k.at(i, out_D);
            }
        }
        mean = br_warp_sum(mean) / (double)p.width;
#pragma unroll
        for (int i = 0; i < n; i++)
            if (br_lane() + i * BR_WARP < p.width)
                var += (k.at(i, out_D) - mean) * (k.at(i, out_D) - mean);
        scale = 1.0 / sqrt(br_warp_sum(var) / (double)p.width + p.eps);
#pragma unroll
        for (int i = 0; i < n; i++) {
            int64_t d = br_lane() + i * BR_WARP;

            if (d < p.width)
                out_D[d] = (float)((k.at(i, out_D) - mean) * scale * p.gamma_D[d] + p.beta_D[d]);
        }
    }
}

br_status br_cuda_layer_norm(br_dev *dev, const br_layer_norm_args *args)
{
    br_status   st     = BR_OK;
    norm_params p      = {args->x_RD.n_rows,
                          args->x_RD.n_cols,
                          br_view_of<const float>(args->x_RD),
                          br_view_of<const float>(args->residual_RD),
                          br_mat_f32(args->gamma_1D),
                          br_mat_f32(args->beta_1D),
                          args->eps,
                          br_view_of<float>(args->out_RD)};
    unsigned    blocks = br_row_blocks(p.n_rows);

    if (p.width <= 4 * BR_WARP)
        BR_TRY(st, BR_LAUNCH(dev, norm_kernel<4>, blocks, BR_ROW_THREADS, 0, p));
    else if (p.width <= 16 * BR_WARP)
        BR_TRY(st, BR_LAUNCH(dev, norm_kernel<16>, blocks, BR_ROW_THREADS, 0, p));
    else
        BR_TRY(st, BR_LAUNCH(dev, norm_kernel<0>, blocks, BR_ROW_THREADS, 0, p));
done:
    return st;
}
