/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over warps and blocks in a fixed order: a butterfly over the lanes, then warps
 * ascending. All lanes get the same bits. And the shape most row ops share: a warp per row. */
#ifndef BR_KERNELS_CUDA_WARP_CUH
#define BR_KERNELS_CUDA_WARP_CUH

#include "kernels/cuda/launch.cuh"

#define BR_WARP      32
#define BR_FULL_WARP 0xFFFFFFFFu

template <typename T> static __device__ inline T br_warp_sum(T value)
{
    for (int by = BR_WARP / 2; by > 0; by /= 2)
        value += __shfl_xor_sync(BR_FULL_WARP, value, by);
    return value;
}

template <typename T> static __device__ inline T br_warp_max(T value)
{
    for (int by = BR_WARP / 2; by > 0; by /= 2) {
        T other = __shfl_xor_sync(BR_FULL_WARP, value, by);
        value   = other > value ? other : value;
    }
    return value;
}

/* The sum of a lane's value and of those of the lanes before it. */
static __device__ inline int32_t br_warp_up_to(int32_t value)
{
#pragma unroll
    for (int by = 1; by < BR_WARP; by *= 2) {
        int32_t other = __shfl_up_sync(BR_FULL_WARP, value, by);

        value += (int)(threadIdx.x % BR_WARP) >= by ? other : 0;
    }
    return value;
}

/* Over a whole block of n_warps warps; part has a place per warp and may be used again after the
 * next __syncthreads. */
template <typename T> static __device__ inline T br_block_sum(T value, T *part, int n_warps)
{
    T sum = 0;

    value = br_warp_sum(value);
    if (threadIdx.x % BR_WARP == 0)
        part[threadIdx.x / BR_WARP] = value;
    __syncthreads();
    for (int w = 0; w < n_warps; w++)
        sum += part[w];
    return sum;
}

/* A warp per row: blocks of BR_ROW_THREADS threads, br_row_blocks(n_rows) of them. */
#define BR_ROW_THREADS 128

static inline unsigned br_row_blocks(int64_t n_rows)
{
    return br_cuda_blocks(n_rows, BR_ROW_THREADS / BR_WARP);
}

static __device__ inline int64_t br_row(void)
{
    return (int64_t)blockIdx.x * (BR_ROW_THREADS / BR_WARP) + threadIdx.x / BR_WARP;
}

static __device__ inline int br_lane(void)
{
    return (int)(threadIdx.x % BR_WARP);
}

#endif
