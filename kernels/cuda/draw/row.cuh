/* SPDX-License-Identifier: Apache-2.0
 *
 * A customer on its way, as the block that owns it sees it: who takes part, what is listed, what
 * has room; and reductions over the block, whose results do not depend on its order. */
#ifndef BR_KERNELS_CUDA_DRAW_ROW_CUH
#define BR_KERNELS_CUDA_DRAW_ROW_CUH

#include "kernels/cuda/draw/draw.cuh"

typedef struct br_drawn {
    int64_t        row; /* of the tile */
    double         heat;
    br_source      source;
    const int32_t *extra_X; /* item rows, ascending */
    const float   *extra_score_X;
    int32_t        n_extras;
    int32_t       *item_K;
    float         *score_K;
    float         *log_K;
    br_room        room;
} br_drawn;

static __device__ inline br_drawn br_drawn_of(const br_draw_tile &t, int64_t row)
{
    int64_t  first = t.extra_offset_B1 == NULL ? 0 : t.extra_offset_B1[row];
    br_drawn d     = {};

    d.row           = row;
    d.heat          = (double)*t.heat_B.row(row);
    d.source        = {t.seed, *t.customer_B.row(row)};
    d.extra_X       = t.extra_item_X + first;
    d.extra_score_X = t.extra_score_X + first;
    d.n_extras      = t.extra_offset_B1 == NULL ? 0 : (int32_t)(t.extra_offset_B1[row + 1] - first);
    d.item_K        = t.item_BK.row(row);
    d.score_K       = t.score_BK.row(row);
    d.log_K         = t.log_BK.row(row);
    d.room          = {t.room_RE + row * t.n_entries, (uint32_t)t.n_entries - 1};
    return d;
}

/* The first of n ascending item rows that is not below `item`. */
static __device__ inline int64_t br_first_from(const int32_t *item_n, int64_t n, int64_t item)
{
    int64_t lo = 0, hi = n;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (item_n[mid] < item)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Place among the extras; -1: none. */
static __device__ inline int32_t br_drawn_extra(const br_drawn &d, int32_t item)
{
    int64_t at = br_first_from(d.extra_X, d.n_extras, item);

    return at < d.n_extras && d.extra_X[at] == item ? (int32_t)at : -1;
}

static __device__ inline bool br_drawn_takes_part(const br_draw_tile &t, const br_drawn &d,
                                                  int32_t item)
{
    return br_drawn_extra(d, item) >= 0 ||
           (br_has_segments(t.rules, d.row, item) && !br_is_never(t.rules, d.row, item));
}

static __device__ inline bool br_drawn_is_listed(const br_drawn &d, int32_t n, int32_t item)
{
    for (int32_t j = 0; j < n; j++)
        if (d.item_K[j] == item)
            return true;
    return false;
}

static __device__ inline bool br_drawn_has_room(const br_draw_tile &t, const br_drawn &d,
                                                int32_t item)
{
    return t.n_entries == 0 || br_room_has(&t.quotas, &d.room, item);
}

static __device__ inline bool br_drawn_is_left(const br_draw_tile &t, const br_drawn &d, int32_t n,
                                               int32_t item)
{
    return br_drawn_has_room(t, d, item) && !br_drawn_is_listed(d, n, item);
}

/* The slot (from 1) that shut the item out; 0: none. */
static __device__ inline int32_t br_drawn_leaves(const br_draw_tile &t, const br_drawn &d,
                                                 int32_t item)
{
    int32_t column;

    return t.n_entries == 0 ? 0 : br_room_leaves(&t.quotas, &d.room, item, &column);
}

/* The group of column q that the slot (from 1) filled; -1: it filled none. */
static __device__ inline int32_t br_drawn_filled(const br_draw_tile &t, const br_drawn &d,
                                                 int32_t slot, int32_t q)
{
    int32_t group = t.quotas.group_NQ[(int64_t)d.item_K[slot - 1] * t.quotas.n_quotas + q];

    return group >= 0 && br_room_find(&d.room, group)->full_after == slot ? group : -1;
}

/* An item of a group that the slot filled by column q: does it leave by that, and takes part? */
static __device__ inline bool br_drawn_is_leaving(const br_draw_tile &t, const br_drawn &d,
                                                  int32_t n, int32_t slot, int32_t q, int32_t item)
{
    int32_t column;

    return br_room_leaves(&t.quotas, &d.room, item, &column) == slot && column == q &&
           br_drawn_takes_part(t, d, item) && !br_drawn_is_listed(d, n, item);
}

/* Empties the row's room. A barrier comes before it is used. */
static __device__ inline void br_drawn_clear(const br_draw_tile &t, const br_drawn &d)
{
    for (int32_t e = (int32_t)threadIdx.x; e < t.n_entries; e += BR_DRAW_THREADS)
        d.room.entry[e] = {0, 0, 0};
}

/* By one thread. */
static __device__ inline void br_drawn_list(const br_draw_tile &t, const br_drawn &d, int32_t n,
                                            int32_t item, float score)
{
    d.item_K[n]  = item;
    d.score_K[n] = score;
    if (t.n_entries > 0)
        br_room_place(&t.quotas, &d.room, item, n + 1);
}

/* By a whole warp, eight lanes an item; item < 0: none, and 0. */
static __device__ inline float br_drawn_score(const br_draw_tile &t, const br_drawn &d,
                                              int32_t item)
{
    double dot = br_canonical_dot_by_8(t.query_BD.row(d.row), t.item_ND.row(item < 0 ? 0 : item),
                                       item < 0 ? 0 : t.D);

    return item < 0 ? 0.0f
                    : br_canonical_round(dot, t.bias_N.at == NULL ? 0.0f : *t.bias_N.row(item));
}

/* The same, or the extra's. */
static __device__ inline float br_drawn_worth(const br_draw_tile &t, const br_drawn &d,
                                              int32_t item)
{
    int32_t extra = item < 0 ? -1 : br_drawn_extra(d, item);
    float   score = br_drawn_score(t, d, extra < 0 ? item : -1);

    return extra < 0 ? score : d.extra_score_X[extra];
}

/* Noise of an item that stands at `above` among those above the threshold; -1: it does not. */
static __device__ inline double br_drawn_noise(const br_draw_tile &t, const br_drawn &d,
                                               int32_t item, int32_t above)
{
    br_random r;

    if (above < 0)
        return br_noise_below(&t.law, d.source, (int32_t)t.first_item + item);
    r = br_random_at(d.source, BR_STREAM_ABOVE, (uint32_t)(t.before_R[d.row] + above));
    return br_noise_above(&t.law, br_unit(r.word[2], r.word[3]));
}

/* ---- reductions over a block ---- */

/* The greatest y, then the least item. */
typedef struct br_draw_best {
    double  y;
    int32_t item;
    int32_t place; /* -1: nothing */
} br_draw_best;

static __device__ inline br_draw_best br_no_best(void)
{
    return {-INFINITY, INT32_MAX, -1};
}

static __device__ inline bool br_is_better(const br_draw_best &a, const br_draw_best &b)
{
    return a.y > b.y || (a.y == b.y && a.item < b.item);
}

/* part has a place per warp and may be used again after the next barrier. */
static __device__ inline br_draw_best br_block_best(br_draw_best own, br_draw_best *part)
{
    for (int by = BR_WARP / 2; by > 0; by /= 2) {
        br_draw_best other = {__shfl_xor_sync(BR_FULL_WARP, own.y, by),
                              __shfl_xor_sync(BR_FULL_WARP, own.item, by),
                              __shfl_xor_sync(BR_FULL_WARP, own.place, by)};

        own = br_is_better(other, own) ? other : own;
    }
    if (br_lane() == 0)
        part[threadIdx.x / BR_WARP] = own;
    __syncthreads();
    for (int w = 0; w < BR_DRAW_WARPS; w++)
        own = br_is_better(part[w], own) ? part[w] : own;
    return own;
}

/* The best of all items that are left, by score; a barrier within. */
static __device__ inline br_draw_best br_best_of_all(const br_draw_tile &t, const br_drawn &d,
                                                     int32_t n, br_draw_best *part)
{
    br_draw_best best = br_no_best();

    for (int64_t i = 0; i < t.N; i += BR_DRAW_GROUPS) {
        int64_t at   = i + threadIdx.x / BR_CHAINS;
        int32_t item = at < t.N ? (int32_t)at : -1;
        bool any = item >= 0 && br_drawn_has_room(t, d, item) && br_drawn_takes_part(t, d, item) &&
                   !br_drawn_is_listed(d, n, item);
        br_draw_best own = {(double)br_drawn_worth(t, d, any ? item : -1), item, 0};

        if (any && br_is_better(own, best))
            best = own;
    }
    return br_block_best(best, part);
}

/* The block's sum. */
static __device__ inline int64_t br_block_count(int64_t own, long long *part)
{
    long long sum = br_warp_sum((long long)own);

    if (br_lane() == 0)
        part[threadIdx.x / BR_WARP] = sum;
    __syncthreads();
    sum = 0;
    for (int w = 0; w < BR_DRAW_WARPS; w++)
        sum += part[w];
    __syncthreads();
    return sum;
}

/* Items by segments, less the never-list's, and the extras. */
static __device__ inline int64_t br_count_eligible(const br_draw_tile &t, const br_drawn &d,
                                                   long long *part)
{
    const br_topk_rules &rules = t.rules;
    int64_t              begin = rules.never_S == NULL ? 0 : rules.never_offset_B1[d.row], own = 0;
    int64_t              end = rules.never_S == NULL ? 0 : rules.never_offset_B1[d.row + 1];

    for (int64_t i = threadIdx.x; rules.require_N.at != NULL && i < t.N; i += BR_DRAW_THREADS)
        own += br_has_segments(rules, d.row, i);
    for (int64_t s = begin + threadIdx.x; s < end; s += BR_DRAW_THREADS) {
        int32_t item = rules.never_S[s];

        own -= item >= 0 && item < t.N && (s == begin || rules.never_S[s - 1] != item) &&
               br_has_segments(rules, d.row, item);
    }
    return br_block_count(own, part) + d.n_extras + (rules.require_N.at == NULL ? t.N : 0);
}

/* Whole numbers that are added up by any threads in any order. */
typedef struct br_words {
    unsigned long long high, low;
} br_words;

/* By any number of blocks at once. */
static __device__ inline void br_left_join(br_left *left, const br_words &sum)
{
    atomicAdd(reinterpret_cast<unsigned long long *>(&left->high), sum.high);
    atomicAdd(reinterpret_cast<unsigned long long *>(&left->low), sum.low);
}

/* The block's sum of terms, up to 4,095 of each thread; on thread 0, whose `left` it joins. sum may
 * be used again after the next barrier. */
static __device__ inline void br_block_left(uint64_t own, br_words *sum, br_left *left)
{
    if (threadIdx.x == 0)
        *sum = {0, 0};
    __syncthreads();
    atomicAdd(&sum->high, (unsigned long long)(own >> 32));
    atomicAdd(&sum->low, (unsigned long long)(own & 0xffffffffu));
    __syncthreads();
    if (threadIdx.x != 0)
        return;
    left->high += sum->high;
    left->low += sum->low;
}

static __device__ inline br_logsum br_warp_logsum(br_logsum own)
{
    for (int by = BR_WARP / 2; by > 0; by /= 2) {
        br_logsum other = {__shfl_xor_sync(BR_FULL_WARP, own.most, by),
                           __shfl_xor_sync(BR_FULL_WARP, own.sum, by)};

        own = br_logsum_add(own, other);
    }
    return own;
}

static __device__ inline br_logsum br_block_logsum(br_logsum own, br_logsum *part)
{
    br_logsum sum = br_logsum_none();

    own = br_warp_logsum(own);
    if (br_lane() == 0)
        part[threadIdx.x / BR_WARP] = own;
    __syncthreads();
    for (int w = 0; w < BR_DRAW_WARPS; w++)
        sum = br_logsum_add(sum, part[w]);
    return sum;
}

#endif
