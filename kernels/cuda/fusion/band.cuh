/* SPDX-License-Identifier: Apache-2.0
 *
 * The band of one row by the warp that has it: norm_band's, and the end of mlp. */
#ifndef BR_KERNELS_CUDA_FUSION_BAND_CUH
#define BR_KERNELS_CUDA_FUSION_BAND_CUH

#include "kernels/cuda/warp.cuh"

/* Scales x_D, of which a lane owns columns lane, lane + 32, ..., so that lo <= |x| <= hi: fp64 norm
 * and factor, rounded once per element. A zero row stays. */
static __device__ inline void br_band_row(float *x_D, int64_t width, double lo, double hi)
{
    double sum = 0.0, norm, bound;

    for (int64_t d = br_lane(); d < width; d += BR_WARP)
        sum += (double)x_D[d] * (double)x_D[d];
    norm  = sqrt(br_warp_sum(sum));
    bound = norm < lo ? lo : hi;
    if (norm == 0.0 || (norm >= lo && norm <= hi))
        return;
    for (int64_t d = br_lane(); d < width; d += BR_WARP)
        x_D[d] = (float)(x_D[d] * (bound / norm));
}

#endif
