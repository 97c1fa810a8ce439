/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: a warp per row; x + residual is rounded to fp32 and kept in registers up to 512
 * columns, in the output row beyond. Statistics in fp64, summed by lane and then by butterfly.
 * Called two or three times per layer and chunk. */
#include "kernels/cuda/encoder/norm.cuh"

typedef struct norm_params {
    int64_t              n_rows;
    br_view<const float> x_RD;
    br_view<const float> residual_RD;
    br_norm_of           norm;
    br_view<float>       out_RD;
} norm_params;

/* Grid: n_rows warps; N * 32 >= width, or N = 0. */
template <int N> static __global__ void __launch_bounds__(BR_ROW_THREADS) norm_kernel(norm_params p)
{
    int64_t    row = br_row();
    int        n   = br_kept_n<N>(p.norm.width);
    double     sum = 0.0;
    br_kept<N> kept;

    if (row >= p.n_rows)
        return;
    {
        const float *x_D   = p.x_RD.row(row);
        const float *r_D   = p.residual_RD.at == NULL ? NULL : p.residual_RD.row(row);
        float       *out_D = p.out_RD.row(row);

#pragma unroll
        for (int i = 0; i < n; i++) {
            int64_t d = br_lane() + i * BR_WARP;

            if (d < p.norm.width) {
                kept.at(i, out_D) = r_D == NULL ? x_D[d] : x_D[d] + r_D[d];
                sum += kept.at(i, out_D);
            }
        }
        br_norm_kept(kept, sum, p.norm, out_D);
    }
}

br_status br_cuda_layer_norm(br_dev *dev, const br_layer_norm_args *args)
{
    br_status   st = BR_OK;
    norm_params p  = {
         args->x_RD.n_rows,
         br_view_of<const float>(args->x_RD),
         br_view_of<const float>(args->residual_RD),
         {args->x_RD.n_cols, br_mat_f32(args->gamma_1D), br_mat_f32(args->beta_1D), args->eps},
         br_view_of<float>(args->out_RD)};
    unsigned blocks = br_row_blocks(p.n_rows);

    if (p.norm.width <= 4 * BR_WARP)
        BR_TRY(st, BR_LAUNCH(dev, norm_kernel<4>, blocks, BR_ROW_THREADS, 0, p));
    else if (p.norm.width <= 16 * BR_WARP)
        BR_TRY(st, BR_LAUNCH(dev, norm_kernel<16>, blocks, BR_ROW_THREADS, 0, p));
    else
        BR_TRY(st, BR_LAUNCH(dev, norm_kernel<0>, blocks, BR_ROW_THREADS, 0, p));
done:
    return st;
}
