/* SPDX-License-Identifier: Apache-2.0
 *
 * What a multiplying warp does with sums that may matter (screen.cu, sums.cu). A thread looks at
 * its 64 sums of a panel as whole numbers: the bits of floats above zero are ordered as they are,
 * and below every such number where they are not above zero. Eight sums of a row are one block, of
 * which the largest is enough; where one reaches the row's number, the block's scores are made and
 * those that pass are noted in the warp's own list in shared memory, without atomics. A full list
 * is taken by its user, E:
 *
 *   take(hits, n)  by the whole warp; the list is empty behind it
 *   KEEPS_SUMS     a hit has its sum of codes, as a float, else its score */
#ifndef BR_KERNELS_CUDA_HOPPER_SIEVE_CUH
#define BR_KERNELS_CUDA_HOPPER_SIEVE_CUH

#include "kernels/cuda/hopper/feed.cuh"

#define BR_HITS 256 /* of a warp's list: 32 lanes of eight scores fit an empty one */

typedef struct br_hit {
    int32_t place;
    float   value; /* approximate score, or sum of codes */
    int32_t position;
} br_hit;

template <typename K> static __device__ __forceinline__ int32_t br_bits_of(typename K::sum sum)
{
    if constexpr (K::IS_WHOLE)
        return sum;
    else
        return __float_as_int(sum);
}

/* A warp's list, and what it is of. */
template <typename K, int ROWS, typename E> struct br_sieve {
    const br_topk_chunk   *c;
    const br_places<ROWS> *rows;
    br_hit                *hits;
    int                    n;     /* noted, the same for all lanes */
    int                    place; /* of the thread's first row; the other is 8 behind */
    E                      user;

    __device__ void flush(void);
    __device__ void note(const typename K::sum v[8], int32_t panel, int block);
    __device__ void look(const typename K::sum d[BR_WGMMA_SUMS], const int32_t limit[2],
                         int32_t panel);
};

template <typename K, int ROWS, typename E> __device__ void br_sieve<K, ROWS, E>::flush(void)
{
    __syncwarp();
    user.take(hits, n);
    __syncwarp();
    n = 0;
}

/* The scores of a block that pass. */
template <typename K, int ROWS, typename E>
__device__ __forceinline__ void br_sieve<K, ROWS, E>::note(const typename K::sum v[8],
                                                           int32_t panel, int block)
{
    int           at       = place + block / 4 * 8;
    br_topk_panel p        = c->items.panel_P[panel];
    float         error    = br_bound_of_panel(p, rows->norm[at], rows->residual[at]);
    float         least    = br_least_of_panel(rows->down[at], error);
    float         scale    = rows->scale[at] * p.scale;
    int32_t       position = panel * BR_PANEL + block % 4 * 32 + br_lane() % 4 * 2;
    float         approx[8];
    uint32_t      vote[8];
    int           total = 0;

#pragma unroll
    for (int i = 0; i < 8; i += 2) {
        float2 bias = *reinterpret_cast<const float2 *>(&c->items.bias_N[position + i / 2 * 8]);

        approx[i]     = fmaf((float)v[i], scale, bias.x);
        approx[i + 1] = fmaf((float)v[i + 1], scale, bias.y);
        vote[i]       = __ballot_sync(BR_FULL_WARP, approx[i] >= least);
        vote[i + 1]   = __ballot_sync(BR_FULL_WARP, approx[i + 1] >= least);
        total += __popc(vote[i]) + __popc(vote[i + 1]);
    }
    if (n + total > BR_HITS)
        flush();
#pragma unroll
    for (int i = 0; i < 8; i++) {
        if (vote[i] == 0)
            continue;
        if (vote[i] >> br_lane() & 1) {
            hits[n + __popc(vote[i] & ((1u << br_lane()) - 1))] = {
                at, E::KEEPS_SUMS ? (float)v[i] : approx[i], position + i / 2 * 8 + i % 2};
        }
        n += __popc(vote[i]);
    }
}

template <typename K, int ROWS, typename E>
__device__ __forceinline__ void br_sieve<K, ROWS, E>::look(const typename K::sum d[BR_WGMMA_SUMS],
                                                           const int32_t limit[2], int32_t panel)
{
    int32_t  most[8], row[2];
    uint32_t blocks = 0;

#pragma unroll
    for (int b = 0; b < 8; b++) {
        const typename K::sum *of = d + b % 4 * 16 + b / 4 * 2; /* two sums, every four */

        most[b] = __vimax3_s32(br_bits_of<K>(of[0]), br_bits_of<K>(of[1]), br_bits_of<K>(of[4]));
        most[b] = __vimax3_s32(most[b], br_bits_of<K>(of[5]), br_bits_of<K>(of[8]));
        most[b] = __vimax3_s32(most[b], br_bits_of<K>(of[9]), br_bits_of<K>(of[12]));
        most[b] = max(most[b], br_bits_of<K>(of[13]));
    }
#pragma unroll
    for (int half = 0; half < 2; half++)
        row[half] = max(__vimax3_s32(most[4 * half], most[4 * half + 1], most[4 * half + 2]),
                        most[4 * half + 3]);
    if (!__any_sync(BR_FULL_WARP, row[0] >= limit[0] || row[1] >= limit[1]))
        return;
#pragma unroll
    for (int b = 0; b < 8; b++)
        blocks |= most[b] >= limit[b / 4] ? 1u << b : 0;
    for (blocks = __reduce_or_sync(BR_FULL_WARP, blocks); blocks != 0; blocks &= blocks - 1) {
        int             block = __ffs((int)blocks) - 1;
        typename K::sum v[8];

        br_sums_of_block(v, d, block);
        note(v, panel, block);
    }
}

#endif
