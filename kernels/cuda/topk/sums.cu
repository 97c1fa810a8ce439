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
 * nothing. Called once per chunk, where a log-sum-exp is wanted. Where the plan says so, Hopper's
 * own kernel (hopper/sums.cu) takes its place. */
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/topk/others.cuh"

#define LARGEST_ROWS 64 /* of a tile; where they do not fit: 32 */

template <int ROWS> struct summer {
    const br_topk_chunk *c;
    const br_other_row  *place;
    float                per_score; /* log2 e / T */
    double               total[2][2];

    __device__ void  operator()(int64_t panel, const br_tile<br_fp16, ROWS> &t, const float *bias);
    __device__ float terms(int64_t panel, const br_tile<br_fp16, ROWS> &t, const float *bias, int m,
                           int half) const;
};

template <int ROWS>
__device__ __forceinline__ float summer<ROWS>::terms(int64_t panel, const br_tile<br_fp16, ROWS> &t,
                                                     const float *bias, int m, int half) const
{
    br_other_row  own   = place[br_tile<br_fp16, ROWS>::row_of(m, half)];
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

        if (score >= near && br_is_listed(*c, own.row, at, score, br_slack(score, error)))
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
static __device__ void fill_places(const br_topk_chunk &c, const br_stream &s, br_other_row *place)
{
    int at = (int)threadIdx.x;

    if (at < ROWS)
        place[at] = br_other_row_of(c, br_stream_row(s, at));
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
    __shared__ br_other_row place[ROWS];
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream    s   = br_run_of<ROWS>(c);
    summer<ROWS> end = {&c, place, (float)(BR_LOG2E / c.temperature), {}};

    fill_places<ROWS>(c, s, place);
    br_stream_run<br_fp16, ROWS>(s, shared, end);
    write_sums<ROWS>(c, end, reinterpret_cast<double *>(shared));
}

int32_t br_topk_runs(int64_t n_panels)
{
    return (int32_t)((n_panels + BR_RUN - 1) / BR_RUN);
}

/* The layout is part of the order of the sums, so it rests on the catalogue alone. */
static bool fits(const br_cuda_items *items, int rows)
{
    return br_tile_bytes(rows, items->row_bytes, items->below_ND != NULL) +
               (size_t)rows * sizeof(br_other_row) + BR_SHARED_ALIGN <=
           items->shared_most;
}

bool br_topk_can_sum(const br_cuda_items *items)
{
    return items->below_map != NULL || fits(items, LARGEST_ROWS / 2);
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
    if (chunk->items.below_map != NULL)
        return br_hopper_sums(dev, chunk);
    return fits(&chunk->items, LARGEST_ROWS) ? launch<LARGEST_ROWS>(dev, chunk)
                                             : launch<LARGEST_ROWS / 2>(dev, chunk);
}
