/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical dot product by eight lanes, each one of its chains (kernels/canonical.h): the same
 * bits. Eight neighbours read 32 bytes in a row. */
#ifndef BR_KERNELS_CUDA_SCORE_CANONICAL_CUH
#define BR_KERNELS_CUDA_SCORE_CANONICAL_CUH

#include "kernels/canonical.h"
#include "kernels/cuda/warp.cuh"

#define BR_CHAINS 8 /* lanes of a dot product */

/* Called by a whole warp: four products at a time, one per group of eight lanes. All eight get the
 * result. A group without a product passes D = 0. HAS_ROOM: by a third of the instructions, for
 * some registers more. A product is exact in float64, so that a fused sum has the same bits. */
template <bool HAS_ROOM = false>
static __device__ inline double br_canonical_dot_by_8(const float *x_D, const float *z_D, int64_t D)
{
    int    own = br_lane() % BR_CHAINS;
    double sum = 0.0;

    if constexpr (HAS_ROOM) {
        x_D += own;
        z_D += own;
#pragma unroll 4
        for (int n = (int)D - own; n > 0; n -= BR_CHAINS, x_D += BR_CHAINS, z_D += BR_CHAINS)
            sum = __fma_rn((double)*x_D, (double)*z_D, sum);
    } else {
        for (int64_t d = own; d < D; d += BR_CHAINS)
            sum = __fma_rn((double)x_D[d], (double)z_D[d], sum);
    }
    for (int by = BR_CHAINS / 2; by > 0; by /= 2)
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, by);
    return sum;
}

#endif
