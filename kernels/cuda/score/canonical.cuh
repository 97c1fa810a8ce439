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
 * result. A group without a product passes D = 0. */
static __device__ inline double br_canonical_dot_by_8(const float *x_D, const float *z_D, int64_t D)
{
    double sum = 0.0;

    for (int64_t d = br_lane() % BR_CHAINS; d < D; d += BR_CHAINS)
        sum += (double)x_D[d] * (double)z_D[d];
    for (int by = BR_CHAINS / 2; by > 0; by /= 2)
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, by);
    return sum;
}

#endif
