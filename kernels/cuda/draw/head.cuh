/* SPDX-License-Identifier: Apache-2.0
 *
 * A customer's head: its best items, and the extras. */
#ifndef BR_KERNELS_CUDA_DRAW_HEAD_CUH
#define BR_KERNELS_CUDA_DRAW_HEAD_CUH

#include "kernels/cuda/draw/row.cuh"

typedef struct br_draw_head {
    int32_t  n_best; /* of the shortlist, while it is filled */
    int32_t  n;
    bool     is_all;
    int32_t *item_H;
    float   *score_H;
    int32_t *above_H;
} br_draw_head;

/* Where it goes; nothing is there yet. */
static __device__ inline br_draw_head br_no_head(const br_draw_tile &t, int64_t row)
{
    int64_t at = row * t.n_head_most;

    return {0, 0, false, t.head_item_RH + at, t.head_score_RH + at, t.head_above_RH + at};
}

/* That was filled. */
static __device__ inline br_draw_head br_head_of(const br_draw_tile &t, int64_t row)
{
    br_draw_head h = br_no_head(t, row);

    h.n      = t.n_head_R[row];
    h.is_all = t.is_all_R[row];
    return h;
}

/* How many of a shortlist are there: -1 stands behind the last. */
static __device__ inline int32_t br_n_best(const int32_t *item_M, int32_t m)
{
    int32_t lo = 0, hi = m;

    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;

        if (item_M[mid] >= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Of the n best, how many stand before an item. */
static __device__ inline int32_t br_n_before(const int32_t *item_M, const float *score_M, int32_t n,
                                             int32_t item, float score)
{
    int32_t lo = 0, hi = n;

    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;

        if (br_canonical_before(score_M[mid], item_M[mid], score, item))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static __device__ inline int32_t br_n_extras_before(const br_drawn &d, int32_t item, float score)
{
    int32_t n = 0;

    for (int32_t e = 0; e < d.n_extras; e++)
        n += br_canonical_before(d.extra_score_X[e], d.extra_X[e], score, item);
    return n;
}

static __device__ inline void br_head_put(const br_draw_head &h, int32_t at, int32_t most,
                                          int32_t item, float score)
{
    if (at >= most)
        return;
    h.item_H[at]  = item;
    h.score_H[at] = score;
}

/* The m best and the extras behind them; is_merged: the m best of both, in canonical order. By the
 * whole block, a barrier after it. */
static __device__ inline br_draw_head br_fill_head(const br_draw_tile &t, const br_drawn &d,
                                                   bool is_merged)
{
    br_draw_head   h       = br_no_head(t, d.row);
    const int32_t *item_M  = t.best_item_RM + d.row * t.m;
    const float   *score_M = t.best_score_RM + d.row * t.m;
    int32_t        most;

    h.n_best = br_n_best(item_M, t.m);
    h.n      = h.n_best + d.n_extras;
    h.n      = is_merged && h.n > t.m ? t.m : h.n;
    h.is_all = t.n_shortlist > 0 || h.n_best < t.m || h.n_best == t.N;
    most     = h.n;
    for (int32_t i = (int32_t)threadIdx.x; i < h.n_best; i += BR_DRAW_THREADS)
        br_head_put(h, i + (is_merged ? br_n_extras_before(d, item_M[i], score_M[i]) : 0), most,
                    item_M[i], score_M[i]);
    for (int32_t e = (int32_t)threadIdx.x; e < d.n_extras; e += BR_DRAW_THREADS) {
        int32_t item  = d.extra_X[e];
        float   score = d.extra_score_X[e];
        int32_t at    = is_merged ? br_n_before(item_M, score_M, h.n_best, item, score) +
                                     br_n_extras_before(d, item, score)
                                  : h.n_best + e;

        br_head_put(h, at, most, item, score);
    }
    if (threadIdx.x == 0) {
        t.n_head_R[d.row] = h.n;
        t.is_all_R[d.row] = h.is_all;
    }
    __syncthreads();
    return h;
}

/* The best score of what is left; -inf: nothing is. Where none of the best items is, it is looked
 * for among all. Barriers within. */
static __device__ inline double br_best_left(const br_draw_tile &t, const br_drawn &d,
                                             const br_draw_head &h, int32_t n)
{
    __shared__ br_draw_best part[BR_DRAW_WARPS];
    int32_t                 n_best = h.is_all ? h.n : h.n - d.n_extras; /* extras are behind */
    br_draw_best            best   = br_no_best();

    for (int32_t i = (int32_t)threadIdx.x; i < n_best; i += BR_DRAW_THREADS) {
        br_draw_best own = {(double)h.score_H[i], h.item_H[i], i};

        if (br_drawn_is_left(t, d, n, own.item) && br_is_better(own, best))
            best = own;
    }
    best = br_block_best(best, part);
    __syncthreads();
    if (best.place < 0 && !h.is_all)
        return br_best_of_all(t, d, n, part).y;
    for (int32_t e = n_best + (int32_t)threadIdx.x; e < h.n; e += BR_DRAW_THREADS)
        if ((double)h.score_H[e] > best.y && br_drawn_is_left(t, d, n, h.item_H[e]))
            best = {(double)h.score_H[e], h.item_H[e], e};
    return h.n > n_best ? br_block_best(best, part).y : best.y;
}

#endif
