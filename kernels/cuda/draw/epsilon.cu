/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists by Epsilon, slot by slot: the best that is left, or any, and how many are left. Where no
 * item of the head is, the best is looked for among all. Called once per tile. */
#include "kernels/cuda/draw/head.cuh"

/* How many items the slot shut out. */
static __device__ int64_t count_leaving(const br_draw_tile &t, const br_drawn &d,
                                        const br_draw_head &h, int32_t slot, long long *part)
{
    int64_t own = 0;

    if (t.n_entries == 0)
        return 0;
    for (int32_t i = (int32_t)threadIdx.x; t.n_shortlist > 0 && i < h.n; i += BR_DRAW_THREADS)
        own +=
            br_drawn_leaves(t, d, h.item_H[i]) == slot && !br_drawn_is_listed(d, slot, h.item_H[i]);
    for (int32_t q = 0; t.n_shortlist == 0 && q < t.quotas.n_quotas; q++) {
        int32_t group = br_drawn_filled(t, d, slot, q);
        int64_t begin = group < 0 ? 0 : t.quotas.offset_G1[group];
        int64_t end   = group < 0 ? 0 : t.quotas.offset_G1[group + 1];

        for (int64_t i = begin + threadIdx.x; i < end; i += BR_DRAW_THREADS)
            own += br_drawn_is_leaving(t, d, slot, slot, q, t.quotas.item_P[i]);
    }
    return br_block_count(own, part);
}

/* Numbers are drawn by their counters, 32 at a time; the first that hits one that is left counts.
 * Every warp finds it for itself. Returns the place in the head, or the item row. */
static __device__ int32_t any_left(const br_draw_tile &t, const br_drawn &d, const br_draw_head &h,
                                   int32_t n, uint32_t *index)
{
    bool in_head = t.n_shortlist > 0;

    for (;;) {
        br_random r  = br_random_at(d.source, BR_STREAM_ITEM, *index + (uint32_t)br_lane());
        int64_t   at = br_choice(r.word[0], (uint32_t)(in_head ? h.n : t.N));
        bool      is_hit;
        int       lane;

        is_hit = at >= 0 && (in_head ? br_drawn_is_left(t, d, n, h.item_H[at])
                                     : br_drawn_takes_part(t, d, (int32_t)at) &&
                                           br_drawn_is_left(t, d, n, (int32_t)at));
        lane   = __ffs((int)__ballot_sync(BR_FULL_WARP, is_hit)) - 1;
        *index += lane < 0 ? BR_WARP : (uint32_t)lane + 1;
        if (lane >= 0)
            return (int32_t)__shfl_sync(BR_FULL_WARP, at, lane);
    }
}

static __device__ void finish(const br_draw_tile &t, const br_drawn &d, int32_t n, int64_t n_all,
                              int64_t n_left)
{
    for (int32_t j = n + (int32_t)threadIdx.x; j < t.k; j += BR_DRAW_THREADS) {
        d.item_K[j]  = -1;
        d.score_K[j] = NAN;
        d.log_K[j]   = NAN;
    }
    if (threadIdx.x == 0 && t.normaliser_B.at != NULL)
        *t.normaliser_B.row(d.row) = (float)br_log((double)n_all);
    if (threadIdx.x == 0 && t.remaining_B.at != NULL)
        *t.remaining_B.row(d.row) = (float)br_log((double)n_left);
}

/* Grid: a block per row. All threads know the slot, the best and what is drawn. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) epsilon_kernel(br_draw_tile t)
{
    __shared__ br_draw_best best_part[BR_DRAW_WARPS];
    __shared__ long long    count_part[BR_DRAW_WARPS];
    br_drawn                d = br_drawn_of(t, blockIdx.x);
    br_draw_head            h = br_fill_head(t, d, true);
    int64_t  n_all = t.n_shortlist > 0 ? h.n : br_count_eligible(t, d, count_part), n_left = n_all;
    int32_t  n = 0, at = 0;
    uint32_t index   = 0;
    bool     is_slow = false;

    br_drawn_clear(t, d);
    __syncthreads();
    while (n < t.k && n_left > 0) {
        br_random coin = br_random_at(d.source, BR_STREAM_COIN, (uint32_t)n);
        int32_t   item, best;
        float     score;

        while (at < h.n && !br_drawn_is_left(t, d, n, h.item_H[at]))
            at++;
        if (at < h.n) {
            best  = h.item_H[at];
            score = h.score_H[at];
        } else {
            br_draw_best found = br_best_of_all(t, d, n, best_part);

            best    = found.item;
            score   = (float)found.y;
            is_slow = true;
        }
        item = best;
        if (br_unit(coin.word[0], coin.word[1]) < d.heat) {
            int32_t any = any_left(t, d, h, n, &index);

            item  = t.n_shortlist > 0 ? h.item_H[any] : any;
            score = t.n_shortlist > 0 ? h.score_H[any] : br_drawn_worth(t, d, any);
        }
        __syncthreads(); /* all have looked at the list */
        if (threadIdx.x == 0) {
            double p = d.heat / (double)n_left + (item == best ? 1.0 - d.heat : 0.0);

            d.log_K[n] = (float)br_log(p < 1.0 ? p : 1.0);
            br_drawn_list(t, d, n, item, score);
        }
        __syncthreads();
        n++;
        n_left -= 1 + count_leaving(t, d, h, n, count_part);
    }
    finish(t, d, n, n_all, n_left);
    if (threadIdx.x == 0 && is_slow)
        atomicAdd(&t.counters->n_slow, 1);
}

br_status br_draw_epsilon(br_dev *dev, const br_draw_tile *tile)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, epsilon_kernel, (unsigned)tile->n_rows, BR_DRAW_THREADS, 0, *tile));
done:
    return st;
}
