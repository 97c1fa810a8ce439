/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranks and sorting within a block of BR_TOPK_THREADS threads, and ranks within a warp. */
#ifndef BR_KERNELS_CUDA_TOPK_SELECT_CUH
#define BR_KERNELS_CUDA_TOPK_SELECT_CUH

#include "kernels/cuda/topk/bounds.cuh"

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

#define BR_DIGITS 256
#define BR_PASSES 4

typedef struct br_rank_work {
    int32_t count[BR_PASSES][BR_DIGITS];
} br_rank_work;

/* The digit that holds the rank-th largest value; *rank becomes its rank among those. Every warp
 * finds it for itself: a lane owns eight digits, the largest first. */
static __device__ inline uint32_t br_find_digit(const int32_t *count, int32_t *rank)
{
    const int32_t *at  = count + BR_DIGITS - 1 - 8 * br_lane();
    int32_t        own = 0, left, digit = -1;
    int32_t        up_to = 0; /* this lane's and those before */
    int            lane;

    for (int j = 0; j < 8; j++)
        own += at[-j];
    up_to = br_warp_up_to(own);
    lane  = __ffs((int)__ballot_sync(BR_FULL_WARP, up_to >= *rank)) - 1;
    left  = *rank - (up_to - own);
    for (int j = 0; j < 8 && digit < 0; j++) {
        digit = left <= at[-j] ? (int32_t)(at - count) - j : -1;
        left -= digit < 0 ? at[-j] : 0;
    }
    *rank = __shfl_sync(BR_FULL_WARP, left, lane);
    return (uint32_t)__shfl_sync(BR_FULL_WARP, digit, lane);
}

/* The rank-th largest of n >= rank >= 1 values in shared memory, digit by digit. The values are
 * there for all threads (a barrier before); another comes before the work is used again. */
static __device__ inline float br_block_rank(const float *value_C, int32_t n, int32_t rank,
                                             br_rank_work *work)
{
    uint32_t found = 0, known = 0; /* bits, and which of them */

    for (int i = (int)threadIdx.x; i < BR_PASSES * BR_DIGITS; i += BR_TOPK_THREADS)
        work->count[i / BR_DIGITS][i % BR_DIGITS] = 0;
    __syncthreads();
    for (int pass = 0, shift = 24; pass < BR_PASSES; pass++, shift -= 8) {
        for (int32_t i = (int32_t)threadIdx.x; i < n; i += BR_TOPK_THREADS) {
            uint32_t bits = br_ordered_bits(value_C[i]);

            if ((bits & known) == found)
                atomicAdd(&work->count[pass][bits >> shift & (BR_DIGITS - 1)], 1);
        }
        __syncthreads();
        found |= br_find_digit(work->count[pass], &rank) << shift;
        known |= (uint32_t)(BR_DIGITS - 1) << shift;
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

/* Sorts n keys in shared memory, n a power of two, ascending: a bitonic network. A barrier before
 * and after. */
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

/* How many of n keys in shared memory come before `key`. */
static __device__ inline int32_t br_place(const unsigned long long *key_P, int32_t n,
                                          unsigned long long key)
{
    int32_t place = 0;

    for (int32_t i = 0; i < n; i++)
        place += key_P[i] < key;
    return place;
}

/* ---- short rows ---- */

/* A short row's candidates (topk.cuh) in the registers of a warp: lane l has candidates l, l + 32
 * and so on. No barrier of a block: each warp has a row of its own. Called by whole warps. */
#define BR_OWN (BR_SHORT / BR_WARP) /* candidates of a lane */

typedef struct br_short_row {
    br_topk_candidate found[BR_OWN];
    float             slack[BR_OWN];
    int32_t           n;
} br_short_row;

static __device__ inline bool br_short_has(const br_short_row &s, int j)
{
    return j * BR_WARP + br_lane() < s.n;
}

/* Once it returns all lanes have read theirs. */
static __device__ inline br_short_row br_short_load(const br_topk_chunk &c, const br_topk_row &row,
                                                    const br_topk_candidate *found_C)
{
    br_short_row s = {};

    s.n = row.n;
#pragma unroll
    for (int j = 0; j < BR_OWN; j++)
        if (br_short_has(s, j)) {
            s.found[j] = found_C[j * BR_WARP + br_lane()];
            s.slack[j] = br_slack_of(c, row, s.found[j]);
        }
    __syncwarp();
    return s;
}

/* The rank-th largest of the lanes' values by their ordered bits, at least rank of which are not 0:
 * bit by bit, until as many are left. */
static __device__ inline float br_warp_rank(const uint32_t ordered[BR_OWN], int32_t rank)
{
    uint32_t least = 0, own = ~0u;
    int32_t  n = -1;

    for (uint32_t bit = 1u << 31; bit != 0 && n != rank; bit >>= 1) {
        int32_t found = 0;

#pragma unroll
        for (int j = 0; j < BR_OWN; j++)
            found += __popc(__ballot_sync(BR_FULL_WARP, ordered[j] >= (least | bit)));
        if (found >= rank) {
            least |= bit;
            n = found;
        }
    }
#pragma unroll
    for (int j = 0; j < BR_OWN; j++)
        own = ordered[j] >= least ? min(own, ordered[j]) : own;
    return br_ordered_value(__reduce_min_sync(BR_FULL_WARP, own));
}

/* A place behind *n for each lane that wants one, which *n then counts. */
static __device__ inline int32_t br_warp_place(bool is_wanted, int32_t *n)
{
    uint32_t vote  = __ballot_sync(BR_FULL_WARP, is_wanted);
    int32_t  place = *n + __popc(vote & ((1u << br_lane()) - 1));

    *n += __popc(vote);
    return place;
}

#endif
