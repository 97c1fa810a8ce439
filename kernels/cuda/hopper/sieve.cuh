/* SPDX-License-Identifier: Apache-2.0
 *
 * What a multiplying warp does with sums that may matter (screen.cu, sums.cu). A thread looks at
 * its 64 sums of a panel as whole numbers: the bits of floats above zero are ordered as they are,
 * and below every such number where they are not above zero. Eight sums of a row are one block, of
 * which the largest is enough; where one reaches the row's number, the block's scores are made and
 * those that pass are noted in the warp's own list in shared memory, without atomics; where most
 * blocks of the panel have such a sum all of it is noted at once. A full list is taken by its user,
 * E:
 *
 *   take(hits, n)  by the whole warp; the list is empty behind it
 *   KEEPS_SUMS     a hit has its sum of codes, as a float, else its score */
#ifndef BR_KERNELS_CUDA_HOPPER_SIEVE_CUH
#define BR_KERNELS_CUDA_HOPPER_SIEVE_CUH

#include "kernels/cuda/hopper/feed.cuh"

#define BR_HITS 256 /* of a warp's list: 32 lanes of eight scores fit an empty one */

#define BR_MANY 6 /* blocks of a panel, so many that all of it is looked at */

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
    __device__ void pass(const typename K::sum d[BR_WGMMA_SUMS], const br_topk_panel &p,
                         const float *bias, uint32_t passed[2]);
    __device__ bool note_all(const typename K::sum d[BR_WGMMA_SUMS], int32_t panel);
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

/* What passes, a bit a column of either row, of the thread's 32 in their order. */
template <typename K, int ROWS, typename E>
__device__ __forceinline__ void br_sieve<K, ROWS, E>::pass(const typename K::sum d[BR_WGMMA_SUMS],
                                                           const br_topk_panel  &p,
                                                           const float *bias, uint32_t passed[2])
{
    float scale[2], least[2];

#pragma unroll
    for (int half = 0; half < 2; half++) {
        int   at    = place + 8 * half;
        float error = br_bound_of_panel(p, rows->norm[at], rows->residual[at]);

        least[half]  = br_least_of_panel(rows->down[at], error);
        scale[half]  = rows->scale[at] * p.scale;
        passed[half] = 0;
    }
#pragma unroll
    for (int m = 0; m < BR_WGMMA_SUMS / 4; m++) {
        float2 b = *reinterpret_cast<const float2 *>(bias + 8 * m);

#pragma unroll
        for (int i = 0; i < 4; i++)
            if (fmaf((float)d[4 * m + i], scale[i / 2], i % 2 == 0 ? b.x : b.y) >= least[i / 2])
                passed[i / 2] |= 1u << (2 * m + i % 2);
    }
}

/* All of the panel that passes, by the same few instructions whatever that is, without a branch:
 * which, as bits; where in the list, by a sum over the lanes; then the bits of every sum go to
 * their place, if they have one, and there its score is made. False, and nothing is noted, where
 * the list is too short. */
template <typename K, int ROWS, typename E>
__device__ __forceinline__ bool
br_sieve<K, ROWS, E>::note_all(const typename K::sum d[BR_WGMMA_SUMS], int32_t panel)
{
    int32_t       first = panel * BR_PANEL + br_lane() % 4 * 2;
    const float  *bias  = c->items.bias_N + first;
    br_topk_panel p     = c->items.panel_P[panel];
    uint32_t      address, all[2];
    int           own, up_to, total;
    br_hit       *to;

    pass(d, p, bias, all);
    own   = __popc(all[0]) + __popc(all[1]);
    up_to = br_warp_up_to(own);
    total = __shfl_sync(BR_FULL_WARP, up_to, BR_WARP - 1);
    if (total > BR_HITS)
        return false;
    if (n + total > BR_HITS)
        flush();
    to      = hits + n + up_to - own;
    address = br_shared_address(&to->position);
#pragma unroll
    for (int i = 0; i < BR_WGMMA_SUMS; i++)
        br_put_shared(&address, all[i / 32] & 1u << i % 32, sizeof *to,
                      br_bits_of<K>(d[i % 32 / 2 * 4 + i / 32 * 2 + i % 2]));
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll 1
        for (uint32_t left = all[half]; left != 0; left &= left - 1, to++) {
            int     j      = __ffs((int)left) - 1;
            int32_t column = j / 2 * 8 + j % 2;
            float   scale  = rows->scale[place + 8 * half] * p.scale;
            float   sum    = K::IS_WHOLE ? (float)to->position : __int_as_float(to->position);

            *to = {place + 8 * half, fmaf(sum, scale, bias[column]), first + column};
        }
    n += total;
    return true;
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
    blocks = __reduce_or_sync(BR_FULL_WARP, blocks);
    if constexpr (!E::KEEPS_SUMS)
        if (__popc(blocks) >= BR_MANY && note_all(d, panel))
            return;
    for (; blocks != 0; blocks &= blocks - 1) {
        int             block = __ffs((int)blocks) - 1;
        typename K::sum v[8];

        br_sums_of_block(v, d, block);
        note(v, panel, block);
    }
}

#endif
