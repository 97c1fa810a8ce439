/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical score of every item for eight customers at a time: summed as e^(score / T), in
 * whole numbers, without what may not be shown, is listed or has no room; or perturbed and kept,
 * for slow rows. A thread owns one chain of an item's eight products. Called once per tile. */
#include "kernels/cuda/draw/above.cuh"

#define ROWS       8
#define MASK_WORDS (BR_SUM_BLOCK / 32)

typedef struct all_params {
    br_draw_tile   t;
    const int32_t *row_L;
    int32_t        n_rows;
    br_draw_slow   slow; /* y_SN NULL: sums are wanted */
} all_params;

typedef struct eight_rows {
    const double *x_8D;
    unsigned     *mask_8W; /* items of the block that have no term */
    int64_t       first;
    int32_t       n_items;
} eight_rows;

static __device__ void mask_ascending(const eight_rows &e, unsigned *mask_W, const int32_t *item_n,
                                      int64_t n)
{
    for (int64_t i = br_first_from(item_n, n, e.first) + br_lane();
         i < n && item_n[i] < e.first + e.n_items; i += BR_WARP)
        atomicOr(&mask_W[(item_n[i] - e.first) / 32], 1u << (item_n[i] - e.first) % 32);
}

static __device__ void mask_listed(const all_params &p, const eight_rows &e, const br_drawn &d,
                                   unsigned *mask_W)
{
    int32_t n = p.t.n_R[d.row];

    for (int32_t j = br_lane(); j < n; j += BR_WARP)
        if (d.item_K[j] >= e.first && d.item_K[j] < e.first + e.n_items)
            atomicOr(&mask_W[(d.item_K[j] - e.first) / 32], 1u << (d.item_K[j] - e.first) % 32);
    for (int32_t j = 0; p.t.n_entries > 0 && j < n; j++)
        for (int32_t q = 0; q < p.t.quotas.n_quotas; q++) {
            int32_t group = br_drawn_filled(p.t, d, j + 1, q);
            int64_t begin = group < 0 ? 0 : p.t.quotas.offset_G1[group];

            if (group >= 0)
                mask_ascending(e, mask_W, p.t.quotas.item_P + begin,
                               p.t.quotas.offset_G1[group + 1] - begin);
        }
}

/* A warp per row; extras are on the never-list and join elsewhere. */
static __device__ void fill_mask(const all_params &p, const eight_rows &e, const br_drawn &d)
{
    unsigned *mask_W = e.mask_8W + threadIdx.x / BR_WARP * MASK_WORDS;

    for (int w = br_lane(); w < MASK_WORDS; w += BR_WARP)
        mask_W[w] = 0;
    __syncwarp();
    if (p.t.rules.never_S != NULL)
        mask_ascending(e, mask_W, p.t.rules.never_S + p.t.rules.never_offset_B1[d.row],
                       p.t.rules.never_offset_B1[d.row + 1] - p.t.rules.never_offset_B1[d.row]);
    if (p.slow.y_SN == NULL)
        mask_listed(p, e, d, mask_W);
}

/* Of eight sums per lane each lane's own over all eight lanes, by the tree of canonical.h. */
static __device__ double own_sum(const double sum_8[ROWS])
{
    int    l = br_lane();
    double four[4], two[2];

#pragma unroll
    for (int j = 0; j < 4; j++)
        four[j] = (l & 4 ? sum_8[4 + j] : sum_8[j]) +
                  __shfl_xor_sync(BR_FULL_WARP, l & 4 ? sum_8[j] : sum_8[4 + j], 4);
#pragma unroll
    for (int j = 0; j < 2; j++)
        two[j] = (l & 2 ? four[2 + j] : four[j]) +
                 __shfl_xor_sync(BR_FULL_WARP, l & 2 ? four[j] : four[2 + j], 2);
    return (l & 1 ? two[1] : two[0]) + __shfl_xor_sync(BR_FULL_WARP, l & 1 ? two[0] : two[1], 1);
}

/* x . z of this lane's row (lane mod 8) and the eight lanes' item. */
static __device__ double dot_of(const all_params &p, const eight_rows &e, int64_t item)
{
    const float *z_D         = p.t.item_ND.row(item);
    double       sum_8[ROWS] = {};

    for (int64_t i = br_lane() % BR_CHAINS; i < p.t.D; i += BR_CHAINS)
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            sum_8[r] = fma(e.x_8D[r * p.t.D + i], (double)z_D[i], sum_8[r]); /* exact products */
    return own_sum(sum_8);
}

/* Rows r of the eight that are not there stand for the last. */
static __device__ int32_t place_of(const all_params &p, int r)
{
    int32_t at = (int32_t)blockIdx.x * ROWS + r;

    return at < p.n_rows ? at : p.n_rows - 1;
}

static __device__ void keep_perturbed(const all_params &p, const br_drawn &d, int64_t item,
                                      float score, bool takes_part)
{
    int64_t at = (int64_t)place_of(p, br_lane() % ROWS) * p.t.N + item;

    p.slow.score_SN[at] = score;
    p.slow.y_SN[at] =
        takes_part ? (double)score / d.heat + br_drawn_noise(p.t, d, (int32_t)item, -1) : -INFINITY;
}

/* A thread's terms of a row, at most 128, to those of the block, which go to the row's sum. */
static __device__ void keep_sum(const all_params &p, uint64_t own, br_words *sum_8)
{
    int      r   = (int)threadIdx.x % ROWS;
    br_left *out = &p.t.left_R[p.row_L[place_of(p, r)]];

    atomicAdd(&sum_8[r].high, (unsigned long long)(own >> 32));
    atomicAdd(&sum_8[r].low, (unsigned long long)(own & 0xffffffffu));
    __syncthreads();
    if (threadIdx.x < ROWS && (int)blockIdx.x * ROWS + r < p.n_rows)
        br_left_join(out, sum_8[r]);
}

/* Grid: eight rows of row_L, a block of items. Dynamic shared: x_8D. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) all_kernel(all_params p)
{
    __shared__ unsigned mask_8W[ROWS * MASK_WORDS];
    __shared__ br_words sum_8[ROWS];
    BR_DYNAMIC_SHARED(double, x_8D);
    eight_rows e     = {x_8D, mask_8W, (int64_t)blockIdx.y * BR_SUM_BLOCK, BR_SUM_BLOCK};
    int        r     = br_lane() % ROWS;
    br_drawn   d     = br_drawn_of(p.t, p.row_L[place_of(p, r)]);
    bool       is_in = (int)blockIdx.x * ROWS + r < p.n_rows;
    uint64_t   sum   = 0;
    double     most  = p.slow.y_SN == NULL ? p.t.left_R[d.row].most : 0.0;

    if (threadIdx.x < ROWS)
        sum_8[threadIdx.x] = {0, 0};
    e.n_items = p.t.N - e.first < BR_SUM_BLOCK ? (int32_t)(p.t.N - e.first) : BR_SUM_BLOCK;
    for (int64_t i = threadIdx.x; i < ROWS * p.t.D; i += BR_DRAW_THREADS)
        x_8D[i] = (double)p.t.query_BD.row(p.row_L[place_of(p, (int)(i / p.t.D))])[i % p.t.D];
    fill_mask(p, e, br_drawn_of(p.t, p.row_L[place_of(p, (int)threadIdx.x / BR_WARP)]));
    __syncthreads();
    for (int32_t i = 0; i < e.n_items; i += BR_DRAW_GROUPS) {
        int32_t at   = i + (int32_t)threadIdx.x / BR_CHAINS;
        bool    any  = at < e.n_items;
        int64_t item = e.first + (any ? at : 0);
        double  dot  = dot_of(p, e, item);
        float score = br_canonical_round(dot, p.t.bias_N.at == NULL ? 0.0f : *p.t.bias_N.row(item));

        if (!any || !is_in)
            continue;
        any = (mask_8W[r * MASK_WORDS + at / 32] >> at % 32 & 1) == 0 &&
              br_has_segments(p.t.rules, d.row, item);
        if (p.slow.y_SN != NULL)
            keep_perturbed(p, d, item, score, any);
        else if (any)
            sum += br_left_term((double)score / d.heat - most, p.t.floor);
    }
    if (p.slow.y_SN == NULL)
        keep_sum(p, sum, sum_8);
}

static br_status launch(br_dev *dev, const all_params *p)
{
    br_status st   = BR_OK;
    dim3      grid = {br_cuda_blocks(p->n_rows, ROWS), (unsigned)p->t.n_blocks};

    BR_TRY(st, BR_LAUNCH(dev, all_kernel, grid, BR_DRAW_THREADS,
                         (size_t)(ROWS * p->t.D) * sizeof(double), *p));
done:
    return st;
}

br_status br_draw_sum_all(br_dev *dev, const br_draw_tile *tile, int32_t n_summed)
{
    all_params p = {*tile, tile->summed_R, n_summed, {}};

    return launch(dev, &p);
}

br_status br_draw_score_all(br_dev *dev, const br_draw_tile *tile, const br_draw_slow *slow)
{
    all_params p = {*tile, slow->row_S, slow->n_rows, *slow};

    return launch(dev, &p);
}
