/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates become a list: those that cannot be among the k best leave by their bounds, the
 * others are scored canonically and sorted. A customer whose foretold threshold turns out too high
 * is listed for a second pass with a certain one; one whose buffer was full, for the slow path.
 * Called once per pass. */
#include "kernels/cuda/score/canonical.cuh"
#include "kernels/cuda/topk/select.cuh"

#define FEW 1024 /* keys that find their places by counting; more are sorted */

typedef struct kept_keys {
    int32_t            n;
    unsigned long long last; /* the list's, if it is full */
} kept_keys;

typedef struct finishing {
    int32_t             row; /* of the chunk */
    br_topk_row         own;
    br_topk_candidate  *found_C;
    float              *lower_C; /* shared */
    unsigned long long *key_P;   /* shared: item rows at first */
    kept_keys          *kept;    /* shared */
    int32_t             n_kept;
    int32_t             thread; /* of those that have the row */
    int32_t             n_threads;
} finishing;

/* The rows of candidates whose upper bound reaches the k-th best lower bound, into key_P. */
static __device__ void keep_likely(const br_topk_chunk &c, finishing *f, br_rank_work *work)
{
    float least = -INFINITY;

    for (int32_t i = (int32_t)threadIdx.x; i < f->own.n; i += BR_TOPK_THREADS)
        f->lower_C[i] = f->found_C[i].approx - br_slack_of(c, f->own, f->found_C[i]);
    if (threadIdx.x == 0)
        f->kept->n = 0;
    __syncthreads();
    if (f->own.n > c.k)
        least = br_block_rank(f->lower_C, f->own.n, c.k, work);
    for (int32_t i = (int32_t)threadIdx.x; i < f->own.n; i += BR_TOPK_THREADS) {
        br_topk_candidate found = f->found_C[i];

        if (found.approx + br_slack_of(c, f->own, found) >= least)
            f->key_P[atomicAdd(&f->kept->n, 1)] = (unsigned long long)c.items.row_N[found.position];
    }
    __syncthreads();
    f->n_kept = f->kept->n;
}

/* Eight lanes per score; keys for item rows. */
static __device__ void score_kept(const br_topk_chunk &c, const finishing &f)
{
    int32_t      groups  = f.n_threads / BR_CHAINS;
    const float *query_D = c.rows->query_BD.row(f.row);

    for (int32_t first = 0; first < f.n_kept; first += groups) {
        int32_t i    = first + f.thread / BR_CHAINS;
        bool    any  = i < f.n_kept;
        int32_t item = any ? (int32_t)f.key_P[i] : 0;
        double  dot;

        dot = br_canonical_dot_by_8<true>(query_D, c.item_ND.row(item), any ? c.items.dim : 0);
        __syncwarp(); /* all eight have read the row */
        if (any && f.thread % BR_CHAINS == 0)
            f.key_P[i] = br_list_key(
                br_canonical_round(dot, c.bias_N.at == NULL ? 0.0f : *c.bias_N.row(item)), item);
    }
}

/* A place of the list; the last one also for is_certain. */
static __device__ void put(const br_topk_chunk &c, const finishing &f, int32_t place,
                           unsigned long long key)
{
    if (place >= c.k)
        return;
    c.rows->item_BK.row(f.row)[place]  = br_key_item(key);
    c.rows->score_BK.row(f.row)[place] = br_key_score(key);
    if (place == c.k - 1)
        f.kept->last = key;
}

/* Each key finds its place. */
static __device__ void put_few(const br_topk_chunk &c, const finishing &f)
{
    for (int32_t i = f.thread; i < f.n_kept; i += f.n_threads)
        put(c, f, br_place(f.key_P, f.n_kept, f.key_P[i]), f.key_P[i]);
}

static __device__ void fill_rest(const br_topk_chunk &c, const finishing &f)
{
    for (int32_t j = f.n_kept + f.thread; j < c.k; j += f.n_threads) {
        c.rows->item_BK.row(f.row)[j]  = -1;
        c.rows->score_BK.row(f.row)[j] = NAN;
    }
}

static __device__ void write_list(const br_topk_chunk &c, const finishing &f)
{
    int32_t n = br_power_of_two(f.n_kept);

    __syncthreads();
    if (f.n_kept <= FEW) {
        put_few(c, f);
    } else {
        for (int32_t i = f.n_kept + f.thread; i < n; i += BR_TOPK_THREADS)
            f.key_P[i] = BR_NO_KEY;
        br_block_sort(f.key_P, n);
        for (int32_t i = f.thread; i < f.n_kept; i += BR_TOPK_THREADS)
            put(c, f, i, f.key_P[i]);
    }
    fill_rest(c, f);
    __syncthreads();
}

static __device__ void list_slow(const br_topk_chunk &c, int32_t row)
{
    c.row_R[row].is_slow                        = true;
    c.slow_R[atomicAdd(&c.counters->n_slow, 1)] = row;
}

/* Nothing that was dropped could be among the k: nothing was, or k scores reach the threshold. */
static __device__ bool is_certain(const br_topk_chunk &c, const finishing &f)
{
    return f.own.threshold == -INFINITY ||
           (f.n_kept >= c.k && br_key_score(f.kept->last) >= f.own.threshold);
}

static __device__ void ask_for_second(const br_topk_chunk &c, const finishing &f)
{
    c.row_R[f.row].threshold = f.n_kept >= c.k ? br_key_score(f.kept->last) : -INFINITY;
    c.row_R[f.row].n         = 0;
    c.second_R[atomicAdd(&c.counters->n_second, 1)] = f.row;
}

/* By one thread, once the list is there. */
static __device__ void conclude(const br_topk_chunk &c, const br_topk_range &range,
                                const finishing &f)
{
    atomicAdd(&c.counters->n_rescored, (unsigned long long)f.n_kept);
    if (is_certain(c, f))
        return;
    if (range.row_L == NULL)
        ask_for_second(c, f);
    else
        list_slow(c, f.row);
}

/* The at-th row of the range; by itself, without what is shared. */
static __device__ finishing begin(const br_topk_chunk &c, const br_topk_range &range, int32_t at)
{
    finishing f = {};

    f.row     = range.row_L == NULL ? at : range.row_L[at];
    f.own     = c.row_R[f.row];
    f.found_C = c.candidate_RC + (int64_t)f.row * c.capacity;
    return f;
}

static __device__ bool is_for_slow(const br_topk_chunk &c, const finishing &f)
{
    return f.own.is_slow || f.own.is_wrong || f.own.n > c.capacity;
}

/* ---- short rows ---- */

/* As keep_likely. */
static __device__ void keep_likely_of_short(const br_topk_chunk &c, finishing *f)
{
    br_short_row s     = br_short_load(c, f->own, f->found_C);
    float        least = -INFINITY;
    uint32_t     lower[BR_OWN];

#pragma unroll
    for (int j = 0; j < BR_OWN; j++)
        lower[j] = br_short_has(s, j) ? br_ordered_bits(s.found[j].approx - s.slack[j]) : 0;
    if (s.n > c.k)
        least = br_warp_rank(lower, c.k);
#pragma unroll
    for (int j = 0; j < BR_OWN; j++) {
        bool    is_kept = br_short_has(s, j) && s.found[j].approx + s.slack[j] >= least;
        int32_t place   = br_warp_place(is_kept, &f->n_kept);

        if (is_kept)
            f->key_P[place] = (unsigned long long)c.items.row_N[s.found[j].position];
    }
    __syncwarp();
}

/* Grid: a warp per row of the range, for those that are short. */
static __global__ void __launch_bounds__(BR_ROW_THREADS)
    finish_short_kernel(br_topk_chunk c, br_topk_range range)
{
    __shared__ unsigned long long key_P[BR_ROW_THREADS / BR_WARP][BR_SHORT];
    __shared__ kept_keys          kept[BR_ROW_THREADS / BR_WARP];
    int                           warp = (int)threadIdx.x / BR_WARP;
    finishing                     f;

    if (br_row() >= range.n_rows)
        return;
    f           = begin(c, range, (int32_t)br_row());
    f.key_P     = key_P[warp];
    f.kept      = &kept[warp];
    f.thread    = br_lane();
    f.n_threads = BR_WARP;
    if (f.own.n > BR_SHORT)
        return;
    __syncwarp(); /* all have read the row */
    if (is_for_slow(c, f)) {
        if (f.thread == 0)
            list_slow(c, f.row);
        return;
    }
    keep_likely_of_short(c, &f);
    score_kept(c, f);
    __syncwarp();
    put_few(c, f);
    fill_rest(c, f);
    __syncwarp();
    if (f.thread == 0)
        conclude(c, range, f);
}

/* ---- the others ---- */

/* Grid: a block per row of the range. Shared: keys, then lower bounds. */
static __global__ void __launch_bounds__(BR_TOPK_THREADS)
    finish_kernel(br_topk_chunk c, br_topk_range range)
{
    __shared__ br_rank_work work;
    __shared__ kept_keys    kept;
    BR_DYNAMIC_SHARED(unsigned long long, key_P);
    finishing f = begin(c, range, (int32_t)blockIdx.x);

    f.key_P     = key_P;
    f.kept      = &kept;
    f.lower_C   = reinterpret_cast<float *>(key_P + br_power_of_two(c.capacity));
    f.thread    = (int32_t)threadIdx.x;
    f.n_threads = BR_TOPK_THREADS;
    if (f.own.n <= br_topk_short(c.k))
        return;
    if (is_for_slow(c, f)) {
        __syncthreads(); /* all have read is_slow */
        if (threadIdx.x == 0)
            list_slow(c, f.row);
        return;
    }
    keep_likely(c, &f, &work);
    score_kept(c, f);
    write_list(c, f);
    if (threadIdx.x == 0)
        conclude(c, range, f);
}

br_status br_topk_finish(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    br_status st    = BR_OK;
    size_t    bytes = (size_t)br_power_of_two(chunk->capacity) * sizeof(unsigned long long) +
                   (size_t)chunk->capacity * sizeof(float);

    if (br_topk_short(chunk->k) >= 0)
        BR_TRY(st, BR_LAUNCH(dev, finish_short_kernel, br_row_blocks(range->n_rows), BR_ROW_THREADS,
                             0, *chunk, *range));
    BR_TRY(st, BR_LAUNCH(dev, finish_kernel, (unsigned)range->n_rows, BR_TOPK_THREADS, bytes,
                         *chunk, *range));
done:
    return st;
}
