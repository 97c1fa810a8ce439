/* SPDX-License-Identifier: Apache-2.0
 *
 * Plackett-Luce heads: the best items and extras, which items' noise is above the threshold, and
 * the head's perturbed scores, with which a pool begins. Called once per tile. */
#include "kernels/cuda/draw/above.cuh"
#include "kernels/cuda/draw/head.cuh"

/* Where the head's items stand among those above; these are marked there. Barriers within. */
static __device__ void find_head_above(const br_draw_tile &t, const br_drawn &d,
                                       const br_draw_head &h, int32_t n_above)
{
    int32_t *above_A = t.above_RA + d.row * t.n_above_most;

    for (int32_t i = (int32_t)threadIdx.x; i < h.n; i += BR_DRAW_THREADS) {
        int64_t at = br_first_from(above_A, n_above, h.item_H[i]);

        h.above_H[i] = at < n_above && above_A[at] == h.item_H[i] ? (int32_t)at : -1;
    }
    __syncthreads();
    for (int32_t i = (int32_t)threadIdx.x; i < h.n; i += BR_DRAW_THREADS)
        if (h.above_H[i] >= 0)
            above_A[h.above_H[i]] = -1 - h.item_H[i];
    __syncthreads();
}

/* Grid: a block per row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) heads_kernel(br_draw_tile t)
{
    br_drawn     d       = br_drawn_of(t, blockIdx.x);
    br_draw_head h       = br_fill_head(t, d, t.n_shortlist > 0);
    int32_t      n_above = br_find_above(t, d);

    find_head_above(t, d, h, n_above);
    for (int32_t i = (int32_t)threadIdx.x; i < h.n; i += BR_DRAW_THREADS) {
        int64_t at = d.row * t.n_pool_most + i;

        t.pool_y_RP[at] =
            (double)h.score_H[i] / d.heat + br_drawn_noise(t, d, h.item_H[i], h.above_H[i]);
        t.pool_item_RP[at]  = h.item_H[i];
        t.pool_score_RP[at] = h.score_H[i];
    }
}

br_status br_draw_heads(br_dev *dev, const br_draw_tile *tile)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, heads_kernel, (unsigned)tile->n_rows, BR_DRAW_THREADS, 0, *tile));
done:
    return st;
}
