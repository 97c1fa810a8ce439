/* SPDX-License-Identifier: Apache-2.0
 *
 * Plackett-Luce lists that are certain: the best items and extras perturbed, then those of the
 * others above the noise's threshold that may matter, as a bound on their score tells before it is
 * computed. Rows whose list is not certain go to slow_R. Called once per tile. */
#include "kernels/cuda/draw/above.cuh"
#include "kernels/cuda/draw/head.cuh"
#include "kernels/cuda/draw/walk.cuh"

typedef struct pool {
    int64_t  at; /* of the tile's arrays */
    int32_t *n;  /* in shared memory; beyond n_pool_most they are not there */
    double   floor;
    double   ceiling; /* score / T of the items outside the head, at most */
} pool;

static __device__ void add(const br_draw_tile &t, const pool &p, int32_t item, float score,
                           double y)
{
    int32_t at = atomicAdd(p.n, 1);

    if (at >= t.n_pool_most)
        return;
    t.pool_y_RP[p.at + at]     = y;
    t.pool_item_RP[p.at + at]  = item;
    t.pool_score_RP[p.at + at] = score;
}

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

static __device__ void add_head(const br_draw_tile &t, const br_drawn &d, const br_draw_head &h,
                                const pool &p)
{
    for (int32_t i = (int32_t)threadIdx.x; i < h.n; i += BR_DRAW_THREADS)
        add(t, p, h.item_H[i], h.score_H[i],
            (double)h.score_H[i] / d.heat + br_drawn_noise(t, d, h.item_H[i], h.above_H[i]));
    __syncthreads();
}

/* The place-th bit set in votes; -1: there are fewer. */
static __device__ int bit_of(unsigned votes, int place)
{
    for (int j = 0; j < place; j++)
        votes &= votes - 1;
    return votes == 0 ? -1 : __ffs((int)votes) - 1;
}

/* Of 32 items above from `first` on those that are voted for: scored, four at a time. */
static __device__ void add_voted(const br_draw_tile &t, const br_drawn &d, const pool &p,
                                 int32_t first, int32_t item, unsigned votes)
{
    while (votes != 0) {
        int     bit   = bit_of(votes, br_lane() / BR_CHAINS);
        int32_t voted = __shfl_sync(BR_FULL_WARP, item, bit < 0 ? 0 : bit);
        float   score = br_drawn_score(t, d, bit < 0 ? -1 : voted);

        if (bit >= 0 && br_lane() % BR_CHAINS == 0) {
            double y = (double)score / d.heat + br_drawn_noise(t, d, voted, first + bit);

            if (y >= p.floor)
                add(t, p, voted, score, y);
        }
        for (int j = 0; j < BR_WARP / BR_CHAINS; j++)
            votes &= votes - 1;
    }
}

/* Items outside the head: noise is -ln E with E >= share * unit, score / T at most the ceiling. */
static __device__ void add_above(const br_draw_tile &t, const br_drawn &d, const pool &p,
                                 int32_t n_above)
{
    const int32_t *above_A = t.above_RA + d.row * t.n_above_most;
    double         most    = INFINITY;

    if (p.floor > -INFINITY)
        most = br_exp(p.ceiling - p.floor + br_gumbel_slack(p.ceiling, p.floor)) * (1.0 + 1e-9);
    for (int32_t first = (int32_t)threadIdx.x / BR_WARP * BR_WARP; first < n_above;
         first += BR_DRAW_THREADS) {
        int32_t   a    = first + br_lane();
        int32_t   item = a < n_above ? above_A[a] : -1;
        br_random r    = br_random_at(d.source, BR_STREAM_ABOVE, (uint32_t)a);
        bool      any  = item >= 0 && !(t.law.share * br_unit(r.word[2], r.word[3]) > most) &&
                   br_is_allowed(t.rules, d.row, item);

        add_voted(t, d, p, first, item, __ballot_sync(BR_FULL_WARP, any));
    }
    __syncthreads();
}

/* Is the list of the pool the one of all items? */
static __device__ bool is_certain(const br_draw_tile &t, const br_draw_head &h, const pool &p,
                                  double last)
{
    double threshold = t.law.threshold;

    return h.is_all || (*p.n <= t.n_pool_most && last >= p.floor &&
                        p.ceiling + threshold + br_gumbel_slack(p.ceiling, threshold) < last);
}

/* Lists from the head, then, with that list's last y as the floor, from the items above too. */
static __device__ int32_t list_pool(const br_draw_tile &t, const br_drawn &d, const br_draw_head &h,
                                    int32_t n_above, pool *p, double *last)
{
    int32_t n = 0;

    for (bool is_last = h.is_all;; is_last = true) {
        br_draw_pool from     = {*p->n, t.pool_y_RP + p->at, t.pool_item_RP + p->at,
                                 t.pool_score_RP + p->at};
        int32_t      n_before = *p->n;

        n = br_walk(t, d, from, last);
        if (is_last)
            return n;
        p->floor = *last;
        add_above(t, d, *p, n_above);
        if (*p->n == n_before || *p->n > t.n_pool_most)
            return n;
    }
}

/* Grid: a block per row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) lists_kernel(br_draw_tile t)
{
    __shared__ int32_t n_pool;
    br_drawn           d       = br_drawn_of(t, blockIdx.x);
    br_draw_head       h       = br_fill_head(t, d, t.n_shortlist > 0);
    int32_t            n_above = br_find_above(t, d), n;
    pool               p       = {d.row * t.n_pool_most, &n_pool, -INFINITY, -INFINITY};
    double             last;

    if (!h.is_all)
        p.ceiling = (double)h.score_H[h.n_best - 1] / d.heat;
    if (threadIdx.x == 0)
        n_pool = 0;
    find_head_above(t, d, h, n_above);
    add_head(t, d, h, p);
    n = list_pool(t, d, h, n_above, &p, &last);
    if (threadIdx.x != 0)
        return;
    if (is_certain(t, h, p, last)) {
        t.n_R[d.row] = n;
    } else {
        t.n_R[d.row]                                = -1;
        t.slow_R[atomicAdd(&t.counters->n_slow, 1)] = (int32_t)d.row;
    }
}

br_status br_draw_lists(br_dev *dev, const br_draw_tile *tile)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, lists_kernel, (unsigned)tile->n_rows, BR_DRAW_THREADS, 0, *tile));
done:
    return st;
}
