/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said of a part of a catalogue (draw/part.h), beside what lists of the whole need: keys of
 * its lists and the best that these left, its best items, scores and heads for lists that are
 * given. Called once per tile, one of them. */
#include "kernels/cuda/draw/head.cuh"

/* Slots behind the first n. */
static __device__ void empty_slots(const br_draw_tile &t, const br_drawn &d, int32_t n)
{
    for (int32_t j = n + (int32_t)threadIdx.x; j < t.k; j += BR_DRAW_THREADS) {
        d.item_K[j]            = -1;
        d.score_K[j]           = NAN;
        t.key_BK.row(d.row)[j] = -INFINITY;
    }
}

/* Grid: a block per row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) tell_lists_kernel(br_draw_tile t)
{
    br_drawn     d    = br_drawn_of(t, blockIdx.x);
    br_draw_head h    = br_head_of(t, blockIdx.x);
    int32_t      n    = t.n_R[d.row];
    double       best = br_best_left(t, d, h, n);

    if (threadIdx.x == 0)
        *t.best_B.row(d.row) = (float)best;
    empty_slots(t, d, n);
}

/* Grid: a block per row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) tell_best_kernel(br_draw_tile t)
{
    __shared__ long long part[BR_DRAW_WARPS];
    br_drawn             d     = br_drawn_of(t, blockIdx.x);
    br_draw_head         h     = br_fill_head(t, d, true);
    int64_t              n_all = br_count_eligible(t, d, part);

    for (int32_t j = (int32_t)threadIdx.x; j < h.n; j += BR_DRAW_THREADS) {
        d.item_K[j]            = h.item_H[j];
        d.score_K[j]           = h.score_H[j];
        t.key_BK.row(d.row)[j] = (double)h.score_H[j];
    }
    if (threadIdx.x == 0)
        *t.n_B.row(d.row) = n_all;
    empty_slots(t, d, h.n);
}

/* Grid: a block per row; eight lanes own an item. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) tell_scores_kernel(br_draw_tile t)
{
    br_drawn d = br_drawn_of(t, blockIdx.x);

    for (int32_t first = 0; first < t.k; first += BR_DRAW_GROUPS) {
        int32_t j     = first + (int32_t)threadIdx.x / BR_CHAINS;
        int32_t item  = j < t.k ? d.item_K[j] : -1;
        float   score = br_drawn_worth(t, d, item);

        if (j < t.k && threadIdx.x % BR_CHAINS == 0)
            d.score_K[j] = item < 0 ? NAN : score;
    }
}

/* Grid: a block per row. All slots count as listed, whatever stands there. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) given_heads_kernel(br_draw_tile t)
{
    br_drawn d = br_drawn_of(t, blockIdx.x);

    (void)br_fill_head(t, d, false);
    if (threadIdx.x == 0)
        t.n_R[d.row] = t.k;
}

br_status br_draw_tell_lists(br_dev *dev, const br_draw_tile *t)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, tell_lists_kernel, (unsigned)t->n_rows, BR_DRAW_THREADS, 0, *t));
done:
    return st;
}

br_status br_draw_tell_best(br_dev *dev, const br_draw_tile *t)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, tell_best_kernel, (unsigned)t->n_rows, BR_DRAW_THREADS, 0, *t));
done:
    return st;
}

br_status br_draw_tell_scores(br_dev *dev, const br_draw_tile *t)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, tell_scores_kernel, (unsigned)t->n_rows, BR_DRAW_THREADS, 0, *t));
done:
    return st;
}

br_status br_draw_given_heads(br_dev *dev, const br_draw_tile *t)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, given_heads_kernel, (unsigned)t->n_rows, BR_DRAW_THREADS, 0, *t));
done:
    return st;
}
