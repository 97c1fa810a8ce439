/* SPDX-License-Identifier: Apache-2.0
 *
 * The norm of one row by the warp that made it: layer_norm's, and the end of every op that norms
 * what it has just computed. Statistics in fp64, summed by lane and then by butterfly, so all of
 * them give layer_norm's bits. */
#ifndef BR_KERNELS_CUDA_ENCODER_NORM_CUH
#define BR_KERNELS_CUDA_ENCODER_NORM_CUH

#include "kernels/cuda/warp.cuh"

typedef struct br_norm_of {
    int64_t      width;
    const float *gamma_D;
    const float *beta_D;
    double       eps;
} br_norm_of;

/* Where a lane keeps its columns, at(i) being column lane + 32 i: N registers, N * 32 >= width; or
 * (N = 0) the row that the result goes to. */
template <int N> struct br_kept {
    float y[N];

    __device__ float &at(int i, float *)
    {
        return y[i];
    }
};
template <> struct br_kept<0> {
    __device__ float &at(int i, float *out_D)
    {
        return out_D[br_lane() + i * BR_WARP];
    }
};

/* Columns of a lane; of the last one there may be less. */
template <int N> static __device__ __forceinline__ int br_kept_n(int64_t width)
{
    return N > 0 ? N : (int)((width + BR_WARP - 1) / BR_WARP);
}

/* out_D = the norm of what is kept; sum is the lane's own, in ascending order. */
template <int N>
static __device__ __forceinline__ void br_norm_kept(br_kept<N> &kept, double sum,
                                                    const br_norm_of &p, float *out_D)
{
    int    n    = br_kept_n<N>(p.width);
    double mean = br_warp_sum(sum) / (double)p.width;
    double var  = 0.0, scale;

#pragma unroll
    for (int i = 0; i < n; i++)
        if (br_lane() + i * BR_WARP < p.width)
            var += (kept.at(i, out_D) - mean) * (kept.at(i, out_D) - mean);
    scale = 1.0 / sqrt(br_warp_sum(var) / (double)p.width + p.eps);
#pragma unroll
    for (int i = 0; i < n; i++) {
        int64_t d = br_lane() + i * BR_WARP;

        if (d < p.width)
            out_D[d] = (float)((kept.at(i, out_D) - mean) * scale * p.gamma_D[d] + p.beta_D[d]);
    }
}

#endif
