/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranks and sorting within a block of BR_TOPK_THREADS threads. */
#ifndef BR_KERNELS_CUDA_TOPK_SELECT_CUH
#define BR_KERNELS_CUDA_TOPK_SELECT_CUH

#include "kernels/cuda/topk/topk.cuh"

/* Bits that are ordered as the numbers are; no NaNs. */
static __device__ inline uint32_t br_ordered_bits(float value)
{
    uint32_t bits = __float_as_uint(value);

    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static __device__ inline float br_ordered_value(uint32_t ordered)
{
    return __uint_as_float(ordered >> 31 ? ordered & 0x7FFFFFFFu : ~ordered);
}

/* Ascending keys are the canonical order: score descending, then item row ascending. */
#define BR_NO_KEY (~0ull)

static __device__ inline unsigned long long br_list_key(float score, int32_t item)
{
    return (unsigned long long)~br_ordered_bits(score) << 32 | (uint32_t)item;
}

static __device__ inline float br_key_score(unsigned long long key)
{
    return br_ordered_value(~(uint32_t)(key >> 32));
}

static __device__ inline int32_t br_key_item(unsigned long long key)
{
    return (int32_t)(uint32_t)key;
}

typedef struct br_rank_work {
    int32_t part[2][BR_TOPK_WARPS];
} br_rank_work;

/* How many of the block's n values reach `least`; all threads get it. `turn` alternates. */
static __device__ inline int32_t br_block_count(const float *value_C, int32_t n, uint32_t least,
                                                int32_t *part)
{
    int32_t count = 0, sum = 0;

    for (int32_t i = (int32_t)threadIdx.x; i < n; i += BR_TOPK_THREADS)
        count += br_ordered_bits(value_C[i]) >= least;
    count = __reduce_add_sync(BR_FULL_WARP, count);
    if (br_lane() == 0)
        part[threadIdx.x / BR_WARP] = count;
    __syncthreads();
    for (int w = 0; w < BR_TOPK_WARPS; w++)
        sum += part[w];
    return sum;
}

/* The rank-th largest of n >= rank >= 1 values in shared memory, bit by bit. The values are there
 * for all threads (a barrier before), and so is the work (another before its next use). */
static __device__ inline float br_block_rank(const float *value_C, int32_t n, int32_t rank,
                                             br_rank_work *work)
{
    uint32_t found = 0;

    for (int bit = 31; bit >= 0; bit--) {
        uint32_t trial = found | 1u << bit;

        if (br_block_count(value_C, n, trial, work->part[bit % 2]) >= rank)
            found = trial;
    }
    return br_ordered_value(found);
}

/* The least power of two from n on. */
static __host__ __device__ inline int32_t br_power_of_two(int32_t n)
{
    int32_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

/* Sorts n keys in shared memory, n a power of two, ascending. A barrier before and after. */
static __device__ inline void br_block_sort(unsigned long long *key_P, int32_t n)
{
    __syncthreads();
    for (int32_t size = 2; size <= n; size *= 2)
        for (int32_t by = size / 2; by > 0; by /= 2) {
            for (int32_t i = (int32_t)threadIdx.x; i < n / 2; i += BR_TOPK_THREADS) {
                int32_t            lo = 2 * i - (i & (by - 1)), hi = lo + by;
                unsigned long long a = key_P[lo], b = key_P[hi];
                bool               is_up = (lo & size) == 0;

                key_P[lo] = (a > b) == is_up ? b : a;
                key_P[hi] = (a > b) == is_up ? a : b;
            }
            __syncthreads();
        }
}

#endif
