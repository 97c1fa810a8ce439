/* SPDX-License-Identifier: Apache-2.0
 *
 * A list from a pool of perturbed items, in their order, by quotas: slot by slot the greatest that
 * stands behind the last listed and has room. What stands before it and had none is passed over for
 * good. Cost: a look at the whole pool for each slot. */
#ifndef BR_KERNELS_CUDA_DRAW_WALK_CUH
#define BR_KERNELS_CUDA_DRAW_WALK_CUH

#include "kernels/cuda/draw/row.cuh"

typedef struct br_draw_pool {
    int64_t        n;
    const double  *y;
    const int32_t *item; /* NULL: item row = place */
    const float   *score;
} br_draw_pool;

/* By the whole block, a barrier before it; returns how many are listed, and the last one's y, -inf
 * when that is not k. */
static __device__ inline int32_t br_walk(const br_draw_tile &t, const br_drawn &d,
                                         const br_draw_pool &pool, double *last)
{
    __shared__ br_draw_best part[BR_DRAW_WARPS];
    br_draw_best            at = {INFINITY, -1, -1};
    int32_t                 n  = 0;

    br_drawn_clear(t, d);
    __syncthreads();
    for (; n < t.k; n++) {
        br_draw_best best = br_no_best();

        for (int64_t i = threadIdx.x; i < pool.n; i += BR_DRAW_THREADS) {
            br_draw_best own = {pool.y[i], pool.item == NULL ? (int32_t)i : pool.item[i],
                                (int32_t)i};

            if (own.y > -INFINITY && br_is_better(own, best) && br_is_better(at, own) &&
                br_drawn_has_room(t, d, own.item))
                best = own;
        }
        best = br_block_best(best, part);
        if (best.place < 0)
            break;
        if (threadIdx.x == 0) {
            br_drawn_list(t, d, n, best.item, pool.score[best.place]);
            if (t.key_BK.at != NULL)
                t.key_BK.row(d.row)[n] = best.y;
        }
        __syncthreads();
        at = best;
    }
    __syncthreads();
    *last = n == t.k ? at.y : -INFINITY;
    return n;
}

#endif
