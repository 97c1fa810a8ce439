/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_band: a warp per row (band.cuh). Called once per chunk, where no mlp does it. */
#include "kernels/cuda/fusion/band.cuh"

typedef struct band_params {
    int64_t        n_rows;
    int64_t        width;
    br_view<float> x_BD;
    double         lo;
    double         hi;
} band_params;

/* Grid: n_rows warps; a lane owns columns lane, lane + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) norm_band_kernel(band_params p)
{
    int64_t b = br_row();

    if (b < p.n_rows)
        br_band_row(p.x_BD.row(b), p.width, p.lo, p.hi);
}

br_status br_cuda_norm_band(br_dev *dev, br_mat x_BD, double lo, double hi)
{
    br_status   st = BR_OK;
    band_params p  = {x_BD.n_rows, x_BD.n_cols, br_view_of<float>(x_BD), lo, hi};

    BR_TRY(st, BR_LAUNCH(dev, norm_band_kernel, br_row_blocks(p.n_rows), BR_ROW_THREADS, 0, p));
done:
    return st;
}
