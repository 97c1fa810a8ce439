/* SPDX-License-Identifier: Apache-2.0
 *
 * What Plackett-Luce lists left, by slots, and their propensities: from the head where the terms of
 * all else are 0, otherwise from the sums over all items (all.cu) and the items of full groups.
 * Called once per tile. */
#include "kernels/cuda/draw/head.cuh"

/* Of a part alone. */
static __device__ void tell_left(const br_draw_tile &t, const br_drawn &d, const br_left &left)
{
    if (threadIdx.x != 0)
        return;
    t.left_B2.row(d.row)[0] = left.high;
    t.left_B2.row(d.row)[1] = left.low;
}

/* From the last slot to the first, by one thread: each adds its own term to what was left after it,
 * and the terms of those that it shut out. The rest of the row is for all threads. */
static __device__ void finish(const br_draw_tile &t, const br_drawn &d, int32_t n,
                              const br_left &left)
{
    br_logsum rest = br_left_sum(left), sum = rest;

    for (int32_t j = n + (int32_t)threadIdx.x; j < t.k; j += BR_DRAW_THREADS) {
        d.item_K[j]  = -1;
        d.score_K[j] = NAN;
        d.log_K[j]   = NAN;
    }
    if (threadIdx.x != 0)
        return;
    for (int32_t j = n - 1; j >= 0; j--) {
        double y = (double)d.score_K[j] / d.heat, ln;

        if (t.n_entries > 0)
            sum = br_logsum_add(sum, t.leave_RK[d.row * t.k + j]);
        sum        = br_logsum_term(sum, y);
        ln         = y - br_logsum_ln(sum);
        d.log_K[j] = (float)(ln < 0.0 ? ln : 0.0);
    }
    if (t.normaliser_B.at != NULL)
        *t.normaliser_B.row(d.row) = (float)br_logsum_ln(sum);
    if (t.remaining_B.at != NULL)
        *t.remaining_B.row(d.row) = (float)br_logsum_ln(rest);
}

/* Of the head, by the block. */
static __device__ void sum_head(const br_draw_tile &t, const br_drawn &d, const br_draw_head &h,
                                int32_t n, br_left *left)
{
    __shared__ br_words sum;
    uint64_t            own = 0;

    for (int32_t i = (int32_t)threadIdx.x; i < h.n; i += BR_DRAW_THREADS)
        if (br_drawn_is_left(t, d, n, h.item_H[i]))
            own += br_left_term((double)h.score_H[i] / d.heat - left->most, t.floor);
    br_block_left(own, &sum, left);
}

/* For each slot what it shut out of the head, by warps. */
static __device__ void sum_head_leaving(const br_draw_tile &t, const br_drawn &d,
                                        const br_draw_head &h, int32_t n)
{
    for (int32_t j = (int32_t)threadIdx.x / BR_WARP; j < n; j += BR_DRAW_WARPS) {
        br_logsum own = br_logsum_none();
        bool      any = false;

        for (int32_t q = 0; q < t.quotas.n_quotas; q++)
            any = any || br_drawn_filled(t, d, j + 1, q) >= 0;
        for (int32_t i = br_lane(); any && i < h.n; i += BR_WARP)
            if (br_drawn_leaves(t, d, h.item_H[i]) == j + 1 &&
                !br_drawn_is_listed(d, n, h.item_H[i]))
                own = br_logsum_term(own, (double)h.score_H[i] / d.heat);
        own = br_warp_logsum(own);
        if (br_lane() == 0)
            t.leave_RK[d.row * t.k + j] = own;
    }
    __syncthreads();
}

/* Grid: a block per row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) settle_kernel(br_draw_tile t)
{
    br_drawn     d       = br_drawn_of(t, blockIdx.x);
    br_draw_head h       = br_head_of(t, blockIdx.x);
    int32_t      n       = t.n_R[blockIdx.x];
    double       ceiling = -INFINITY;
    double  best = t.step == BR_DRAW_LEFT ? (double)*t.best_B.row(d.row) : br_best_left(t, d, h, n);
    br_left left = {best / d.heat, 0, 0};

    if (!h.is_all)
        ceiling = (double)t.best_score_RM[d.row * t.m + t.m - 1] / d.heat;
    if (!h.is_all && ceiling - left.most >= t.floor) {
        if (threadIdx.x == 0) {
            t.left_R[d.row]                                 = left;
            t.summed_R[atomicAdd(&t.counters->n_summed, 1)] = (int32_t)d.row;
        }
        return;
    }
    sum_head(t, d, h, n, &left);
    if (t.n_entries > 0)
        sum_head_leaving(t, d, h, n);
    if (t.step == BR_DRAW_LEFT)
        tell_left(t, d, left);
    else
        finish(t, d, n, left);
}

/* Items of the group that the slot filled by column q, eight lanes each. */
static __device__ br_logsum sum_group(const br_draw_tile &t, const br_drawn &d, int32_t n,
                                      int32_t slot, int32_t q)
{
    int32_t   group = br_drawn_filled(t, d, slot, q);
    int64_t   begin = group < 0 ? 0 : t.quotas.offset_G1[group];
    int64_t   end   = group < 0 ? 0 : t.quotas.offset_G1[group + 1];
    br_logsum own   = br_logsum_none();

    for (int64_t i = begin; i < end; i += BR_DRAW_GROUPS) {
        int64_t at   = i + threadIdx.x / BR_CHAINS;
        int32_t item = at < end ? t.quotas.item_P[at] : -1;
        float   score;

        if (item >= 0 && !br_drawn_is_leaving(t, d, n, slot, q, item))
            item = -1;
        score = br_drawn_worth(t, d, item);
        if (item >= 0 && threadIdx.x % BR_CHAINS == 0)
            own = br_logsum_term(own, (double)score / d.heat);
    }
    return own;
}

static __device__ void sum_leaving(const br_draw_tile &t, const br_drawn &d, int32_t n)
{
    __shared__ br_logsum part[BR_DRAW_WARPS];

    for (int32_t j = 0; j < n; j++) {
        br_logsum sum = br_logsum_none();

        for (int32_t q = 0; q < t.quotas.n_quotas; q++) {
            br_logsum own = sum_group(t, d, n, j + 1, q);

            __syncthreads();
            sum = br_logsum_add(sum, br_block_logsum(own, part));
        }
        if (threadIdx.x == 0)
            t.leave_RK[d.row * t.k + j] = sum;
    }
}

/* Extras that are left: the sums over all items have none. */
static __device__ void sum_extras(const br_draw_tile &t, const br_drawn &d, int32_t n,
                                  br_left *left)
{
    __shared__ br_words sum;
    uint64_t            own = 0;

    for (int32_t e = (int32_t)threadIdx.x; e < d.n_extras; e += BR_DRAW_THREADS)
        if (br_drawn_is_left(t, d, n, d.extra_X[e]))
            own += br_left_term((double)d.extra_score_X[e] / d.heat - left->most, t.floor);
    br_block_left(own, &sum, left);
}

/* Grid: a block per row of summed_R; with fewer registers than three blocks leave, ptxas spills. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS, 3) finish_kernel(br_draw_tile t)
{
    br_drawn d    = br_drawn_of(t, t.summed_R[blockIdx.x]);
    int32_t  n    = t.n_R[d.row];
    br_left  left = t.left_R[d.row];

    sum_extras(t, d, n, &left);
    if (t.n_entries > 0)
        sum_leaving(t, d, n);
    finish(t, d, n, left);
}

/* Grid: a block per row of summed_R, of a part. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS, 4) left_kernel(br_draw_tile t)
{
    br_drawn d    = br_drawn_of(t, t.summed_R[blockIdx.x]);
    br_left  left = t.left_R[d.row];

    sum_extras(t, d, t.k, &left);
    tell_left(t, d, left);
}

br_status br_draw_settle(br_dev *dev, const br_draw_tile *tile)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, settle_kernel, (unsigned)tile->n_rows, BR_DRAW_THREADS, 0, *tile));
done:
    return st;
}

br_status br_draw_sum(br_dev *dev, const br_draw_tile *tile, int32_t n_summed)
{
    br_status st = BR_OK;

    BR_TRY(st, br_draw_sum_all(dev, tile, n_summed));
    if (tile->step == BR_DRAW_LEFT)
        BR_TRY(st, BR_LAUNCH(dev, left_kernel, (unsigned)n_summed, BR_DRAW_THREADS, 0, *tile));
    else
        BR_TRY(st, BR_LAUNCH(dev, finish_kernel, (unsigned)n_summed, BR_DRAW_THREADS, 0, *tile));
done:
    return st;
}
