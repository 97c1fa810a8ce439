/* SPDX-License-Identifier: Apache-2.0
 *
 * The sums behind the log-sum-exp: e^((score - best) / T) over the items that a customer's segments
 * allow and that are not in the list, whose terms are exact; never-lists are taken off later
 * (logsumexp.cu). The
 * products are of fp16 codes (plan.cu) and split (tile.cuh), which leaves float32 sums of 22-bit
 * numbers: enough for FINE, and COARSE gets the same, since fp16 alone would be off by 2e-3 where
 * one item holds the sum.
 *
 * A run of 128 panels has a sum of its own, by one block in a fixed order: 16 terms of a panel in
 * float32, panels in float64, the lanes of a row, its warps. Which rows stand beside it changes
 * nothing. Called once per chunk, where a log-sum-exp is wanted. */
#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/tile.cuh"

#define RUN          128 /* panels */
#define LOG2_E       1.44269504088896340736
#define LARGEST_ROWS 64 /* of a tile; where they do not fit: 32 */

typedef struct sum_place {
    int32_t  row;
    float    best; /* the largest eligible score */
    float    down; /* the list's last score, lowered: what is listed reaches it */
    float    norm; /* of the row, with its residual and the scale of its codes */
    float    residual;
    float    scale;
    uint64_t have;
} sum_place;

template <int ROWS> struct summer {
    const br_topk_chunk *c;
    const sum_place     *place;
    float                per_score; /* log2 e / T */
    double               total[2][2];

    __device__ void  operator()(int64_t panel, const br_tile<br_fp16, ROWS> &t, const float *bias);
    __device__ float terms(int64_t panel, const br_tile<br_fp16, ROWS> &t, const float *bias, int m,
                           int half) const;
};

/* Is the item at a position among the row's k? Its score is within `slack` of `approx`. */
static __device__ bool is_listed(const br_topk_chunk &c, int32_t row, int64_t position,
                                 float approx, float slack)
{
    const float   *score_K = c.rows->score_BK.row(row);
    const int32_t *item_K  = c.rows->item_BK.row(row);
    int32_t        item    = position < c.items.N ? c.items.row_N[position] : -1;
    int32_t        lo = 0, hi = c.k;

    while (lo < hi) { /* the first score that is not above */
        int32_t mid = lo + (hi - lo) / 2;

        if (score_K[mid] > approx + slack)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < c.k && score_K[lo] >= approx - slack; lo++)
        if (item_K[lo] == item)
            return true;
    return false;
}

template <int ROWS>
__device__ __forceinline__ float summer<ROWS>::terms(int64_t panel, const br_tile<br_fp16, ROWS> &t,
                                                     const float *bias, int m, int half) const
{
    sum_place     own   = place[br_tile<br_fp16, ROWS>::row_of(m, half)];
    br_topk_panel p     = c->items.panel_P[panel];
    float         error = br_bound_of_panel(p, own.norm, own.residual);
    float         near  = br_least_of_panel(own.down, error);
    float         scale = own.scale * p.scale;
    float         sum   = 0.0f;

#pragma unroll
    for (int i = 0; i < 2 * br_tile<br_fp16, ROWS>::BLOCKS; i++) {
        int      col     = br_tile<br_fp16, ROWS>::col_of(i / 2) + i % 2;
        int64_t  at      = panel * BR_PANEL + col;
        uint64_t require = c->items.require_N == NULL ? 0 : __ldg(&c->items.require_N[at]);
        float    score   = fmaf(t.sum[m][i / 2][half * 2 + i % 2], scale, bias[col]);
        float    term    = exp2f((score - own.best) * per_score);

        if (score >= near && is_listed(*c, own.row, at, score, br_slack(score, error)))
            term = 0.0f;
        sum += (own.have & require) == require ? term : 0.0f;
    }
    return sum;
}

template <int ROWS>
__device__ __forceinline__ void
summer<ROWS>::operator()(int64_t panel, const br_tile<br_fp16, ROWS> &t, const float *bias)
{
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int half = 0; half < 2; half++)
            total[m][half] += (double)terms(panel, t, bias, m, half);
}

template <int ROWS>
static __device__ void fill_places(const br_topk_chunk &c, const br_stream &s, sum_place *place)
{
    int     at  = (int)threadIdx.x;
    int32_t row = at < ROWS ? br_stream_row(s, at) : -1;

    if (at >= ROWS)
        return;
    place[at]      = {};
    place[at].row  = row;
    place[at].down = BR_NONE_PASSES;
    if (row < 0 || !c.row_R[row].is_coded || c.rows->item_BK.row(row)[c.k - 1] < 0)
        return; /* none, or no sum, or all are listed */
    place[at].best     = c.rows->score_BK.row(row)[0];
    place[at].down     = br_threshold_down(c.rows->score_BK.row(row)[c.k - 1]);
    place[at].norm     = c.row_R[row].norm;
    place[at].residual = c.row_R[row].residual;
    place[at].scale    = c.row_R[row].scale;
    place[at].have     = br_have(c.rows->rules, row);
}

/* The lanes and warps of each row together: part[row][warp]. */
template <int ROWS>
static __device__ void write_sums(const br_topk_chunk &c, const summer<ROWS> &s, double *part)
{
    const int n_warps = br_tile<br_fp16, ROWS>::WARPS_N;
    int       warp    = (int)threadIdx.x / BR_WARP / br_tile<br_fp16, ROWS>::WARPS_M;

    for (int m = 0; m < 2; m++)
        for (int half = 0; half < 2; half++) {
            double sum = s.total[m][half];

            sum += __shfl_xor_sync(BR_FULL_WARP, sum, 1);
            sum += __shfl_xor_sync(BR_FULL_WARP, sum, 2);
            if (br_lane() % 4 == 0)
                part[br_tile<br_fp16, ROWS>::row_of(m, half) * n_warps + warp] = sum;
        }
    __syncthreads();
    if (threadIdx.x < ROWS && s.place[threadIdx.x].row >= 0) {
        double sum = 0.0;

        for (int w = 0; w < n_warps; w++)
            sum += part[threadIdx.x * n_warps + w];
        c.part_RQ[(int64_t)s.place[threadIdx.x].row * c.n_runs + blockIdx.y] = sum;
    }
}

/* Grid: x tiles of ROWS rows, y runs. Shared: as screen_kernel; at last a sum per row and warp. */
template <int ROWS>
static __global__ void __launch_bounds__(BR_TOPK_THREADS, 1) sums_kernel(br_topk_chunk c)
{
    __shared__ sum_place place[ROWS];
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream    s   = {};
    summer<ROWS> end = {&c, place, (float)(LOG2_E / c.temperature), {}};

    s.items       = &c.items;
    s.code_RD     = c.code_RD;
    s.below_RD    = c.below_RD;
    s.first_row   = (int32_t)blockIdx.x * ROWS;
    s.n_rows      = c.n_rows;
    s.first_panel = (int32_t)blockIdx.y * RUN;
    s.last_panel  = (int32_t)min((int64_t)s.first_panel + RUN, c.items.n_panels);
    fill_places<ROWS>(c, s, place);
    br_stream_run<br_fp16, ROWS>(s, shared, end);
    write_sums<ROWS>(c, end, reinterpret_cast<double *>(shared));
}

int32_t br_topk_runs(int64_t n_panels)
{
    return (int32_t)((n_panels + RUN - 1) / RUN);
}

/* The layout is part of the order of the sums, so it rests on the catalogue alone. */
static bool fits(const br_cuda_items *items, int rows)
{
    return br_tile_bytes(rows, items->row_bytes, items->below_ND != NULL) +
               (size_t)rows * sizeof(sum_place) + BR_SHARED_ALIGN <=
           items->shared_most;
}

bool br_topk_can_sum(const br_cuda_items *items)
{
    return fits(items, LARGEST_ROWS / 2);
}

template <int ROWS> static br_status launch(br_dev *dev, const br_topk_chunk *chunk)
{
    br_status st = BR_OK;
    dim3      grid(br_cuda_blocks(chunk->n_rows, ROWS), (unsigned)chunk->n_runs);

    BR_TRY(st,
           BR_LAUNCH(dev, sums_kernel<ROWS>, grid, BR_TOPK_THREADS,
                     br_tile_bytes(ROWS, chunk->items.row_bytes, chunk->below_RD != NULL), *chunk));
done:
    return st;
}

br_status br_topk_sums(br_dev *dev, const br_topk_chunk *chunk)
{
    return fits(&chunk->items, LARGEST_ROWS) ? launch<LARGEST_ROWS>(dev, chunk)
                                             : launch<LARGEST_ROWS / 2>(dev, chunk);
}
