/* SPDX-License-Identifier: Apache-2.0
 *
 * The items whose noise is above the threshold, found by all threads at once: gaps are drawn by
 * their counters and summed; whole numbers, so the items are those of a walk (kernels/random.h). */
#ifndef BR_KERNELS_CUDA_DRAW_ABOVE_CUH
#define BR_KERNELS_CUDA_DRAW_ABOVE_CUH

#include "kernels/cuda/draw/row.cuh"

/* An item of above_RA, whether it is in the head or not. */
static __device__ inline int32_t br_above_item(int32_t marked)
{
    return marked < 0 ? -1 - marked : marked;
}

/* The sum of the block's values up to this thread's, and of all. part has a place per warp and may
 * be used again after the next barrier. */
static __device__ inline long long br_block_sum_up_to(long long own, long long *part,
                                                      long long *all)
{
    long long up_to = own;

    for (int by = 1; by < BR_WARP; by *= 2) {
        long long other = __shfl_up_sync(BR_FULL_WARP, up_to, (unsigned)by);

        up_to += br_lane() >= by ? other : 0;
    }
    if (br_lane() == BR_WARP - 1)
        part[threadIdx.x / BR_WARP] = up_to;
    __syncthreads();
    *all = 0;
    for (int w = 0; w < BR_DRAW_WARPS; w++) {
        up_to += w < (int)(threadIdx.x / BR_WARP) ? part[w] : 0;
        *all += part[w];
    }
    return up_to;
}

/* Fills above_RA, n_above_R and before_R of the row; returns how many. A barrier after it. */
static __device__ inline int32_t br_find_above(const br_draw_tile &t, const br_drawn &d)
{
    __shared__ long long part[BR_DRAW_WARPS];
    __shared__ int32_t   n, n_before;
    int32_t             *above_A = t.above_RA + d.row * t.n_above_most;
    long long            before  = -1 - t.first_item, all; /* items count from the part's first */

    if (threadIdx.x == 0)
        n = n_before = 0;
    for (uint32_t first = 0; before < t.N; first += BR_DRAW_THREADS) {
        uint32_t  index = first + threadIdx.x, place;
        long long gap   = br_above_gap(&t.law, br_random_at(d.source, BR_STREAM_ABOVE, index));
        long long item  = before + br_block_sum_up_to(gap, part, &all);

        if (item < t.N)
            atomicAdd(item < 0 ? &n_before : &n, 1);
        before += all;
        __syncthreads();
        place = index - (uint32_t)n_before; /* whoever is not before the part knows all that are */
        if (item >= 0 && item < t.N && place < (uint32_t)t.n_above_most)
            above_A[place] = (int32_t)item;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        t.before_R[d.row]  = n_before;
        t.n_above_R[d.row] = n < t.n_above_most ? n : t.n_above_most;
        if (n > t.n_above_most)
            atomicMin(&t.counters->bad,
                      (unsigned long long)(t.first_row + d.row) << 8 | (unsigned)BR_DRAW_BAD_ABOVE);
    }
    return n < t.n_above_most ? n : t.n_above_most;
}

#endif
