/* SPDX-License-Identifier: Apache-2.0
 *
 * Plackett-Luce lists that are certain: of the perturbed head (heads.cu), and of the others above
 * the noise's threshold those that may matter, as a bound on their score tells before it is
 * computed. Rows whose list is not certain go to slow_R. Called once per tile. */
#include "kernels/cuda/draw/above.cuh"
#include "kernels/cuda/draw/head.cuh"
#include "kernels/cuda/draw/walk.cuh"

#define STRETCH BR_DRAW_POOL_BESIDE /* items above between two looks at the floor */

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

/* How many the pool has, before anybody adds more. */
static __device__ int32_t n_pooled(const pool &p)
{
    int32_t n;

    __syncthreads();
    n = *p.n;
    __syncthreads();
    return n;
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

/* Items [first, last) above that are outside the head: noise is -ln E with E >= share * unit, score
 * / T at most the ceiling. Returns how many the pool has. */
static __device__ int32_t add_above(const br_draw_tile &t, const br_drawn &d, const pool &p,
                                    int32_t first, int32_t last)
{
    const int32_t *above_A = t.above_RA + d.row * t.n_above_most;
    uint32_t       before  = (uint32_t)t.before_R[d.row];
    double         most    = INFINITY;

    if (p.floor > -INFINITY)
        most = br_exp(p.ceiling - p.floor + br_gumbel_slack(p.ceiling, p.floor)) * (1.0 + 1e-9);
    for (first += (int32_t)threadIdx.x / BR_WARP * BR_WARP; first < last;
         first += BR_DRAW_THREADS) {
        int32_t   a    = first + br_lane();
        int32_t   item = a < last ? above_A[a] : -1;
        br_random r    = br_random_at(d.source, BR_STREAM_ABOVE, before + (uint32_t)a);
        bool      any  = item >= 0 && !(t.law.share * br_unit(r.word[2], r.word[3]) > most) &&
                   br_is_allowed(t.rules, d.row, item);

        add_voted(t, d, p, first, item, __ballot_sync(BR_FULL_WARP, any));
    }
    return n_pooled(p);
}

/* What is not below the floor moves to the front of the pool, 256 items at a time; how many. */
static __device__ int32_t compact(const br_draw_tile &t, const pool &p)
{
    __shared__ long long part[BR_DRAW_WARPS];
    int32_t              n = *p.n, kept = 0;
    long long            all;

    for (int32_t first = 0; first < n; first += BR_DRAW_THREADS) {
        int64_t from  = p.at + first + threadIdx.x;
        bool    any   = first + (int32_t)threadIdx.x < n;
        double  y     = any ? t.pool_y_RP[from] : -INFINITY;
        int32_t item  = any ? t.pool_item_RP[from] : -1;
        float   score = any ? t.pool_score_RP[from] : 0.0f;
        int64_t to;

        any = any && y >= p.floor;
        to  = p.at + kept + br_block_sum_up_to(any, part, &all) - 1; /* all have read theirs */
        if (any) {
            t.pool_y_RP[to]     = y;
            t.pool_item_RP[to]  = item;
            t.pool_score_RP[to] = score;
        }
        kept += (int32_t)all;
        __syncthreads();
    }
    if (threadIdx.x == 0)
        *p.n = kept;
    return n_pooled(p);
}

/* Is the list of the pool the one of all items? */
static __device__ bool is_certain(const br_draw_tile &t, const br_draw_head &h, const pool &p,
                                  double last)
{
    double threshold = t.law.threshold;

    return h.is_all || (*p.n <= t.n_pool_most && last >= p.floor &&
                        p.ceiling + threshold + br_gumbel_slack(p.ceiling, threshold) < last);
}

/* Lists from the head, then, a stretch at a time, with the items above too: each list's last y is
 * the floor for what follows. Where quotas make one fall below it the row is slow. */
static __device__ int32_t list_pool(const br_draw_tile &t, const br_drawn &d, const br_draw_head &h,
                                    int32_t n_above, pool *p, double *last)
{
    int32_t n = 0, first = 0, n_before, n_now = h.n;

    do {
        br_draw_pool from = {n_now, t.pool_y_RP + p->at, t.pool_item_RP + p->at,
                             t.pool_score_RP + p->at};

        n = br_walk(t, d, from, last);
        if (h.is_all)
            break;
        p->floor = *last > p->floor ? *last : p->floor;
        n_now = n_before = compact(t, *p);
        for (; first < n_above && n_now == n_before; first += STRETCH)
            n_now =
                add_above(t, d, *p, first, first + STRETCH < n_above ? first + STRETCH : n_above);
    } while (n_now > n_before && n_now <= t.n_pool_most);
    return n;
}

/* Grid: a block per row; with fewer registers than four blocks leave, ptxas spills. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS, 4) lists_kernel(br_draw_tile t)
{
    __shared__ int32_t n_pool;
    br_drawn           d = br_drawn_of(t, blockIdx.x);
    br_draw_head       h = br_head_of(t, blockIdx.x);
    pool               p = {d.row * t.n_pool_most, &n_pool, -INFINITY, -INFINITY};
    double             last;
    int32_t            n;

    if (!h.is_all)
        p.ceiling = (double)t.best_score_RM[d.row * t.m + t.m - 1] / d.heat;
    if (threadIdx.x == 0)
        n_pool = h.n;
    __syncthreads();
    n = list_pool(t, d, h, t.n_above_R[d.row], &p, &last);
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

    BR_TRY(st, br_draw_heads(dev, tile));
    BR_TRY(st, BR_LAUNCH(dev, lists_kernel, (unsigned)tile->n_rows, BR_DRAW_THREADS, 0, *tile));
done:
    return st;
}
