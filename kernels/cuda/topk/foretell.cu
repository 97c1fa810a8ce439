/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds foretold from the beginning of the catalogue, a fair sample of it: the rank-th best
 * score found there, of such a rank that the k-th best of all is hardly ever below. It is looked
 * at again in the end (finish.cu). Candidates below leave. Called between stages. */
#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/select.cuh"
#include "kernels/foretell.h"

static __device__ float slack_of(const br_topk_chunk &c, const br_topk_row &row,
                                 br_topk_candidate found)
{
    br_topk_panel panel = c.items.panel_P[found.position / BR_PANEL];

    return br_slack(found.approx, br_bound_of_panel(panel, row.norm, row.residual));
}

/* Grid: a block per row. Shared: the row's candidates, their scores apart. */
static __global__ void __launch_bounds__(BR_TOPK_THREADS)
    foretell_kernel(br_topk_chunk c, int32_t rank)
{
    __shared__ br_rank_work work;
    __shared__ int32_t      n_kept;
    BR_DYNAMIC_SHARED(float, approx_C);
    int32_t           *position_C = reinterpret_cast<int32_t *>(approx_C + c.capacity);
    br_topk_row        row        = c.row_R[blockIdx.x];
    br_topk_candidate *found_C    = c.candidate_RC + (int64_t)blockIdx.x * c.capacity;
    float              threshold, down;

    if (row.is_slow || row.n > c.capacity || row.n < rank)
        return;
    for (int32_t i = (int32_t)threadIdx.x; i < row.n; i += BR_TOPK_THREADS) {
        approx_C[i]   = found_C[i].approx;
        position_C[i] = found_C[i].position;
    }
    if (threadIdx.x == 0)
        n_kept = 0;
    __syncthreads();
    threshold = fmaxf(row.threshold, br_block_rank(approx_C, row.n, rank, &work));
    down      = br_threshold_down(threshold);
    for (int32_t i = (int32_t)threadIdx.x; i < row.n; i += BR_TOPK_THREADS) {
        br_topk_candidate found = {approx_C[i], position_C[i]};

        if (found.approx + slack_of(c, row, found) >= down)
            found_C[atomicAdd(&n_kept, 1)] = found;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        c.row_R[blockIdx.x].threshold = threshold;
        c.row_R[blockIdx.x].n         = n_kept;
    }
}

/* Approximate scores may stand in another order than the exact ones: a few ranks more. */
static int32_t rank_of(int32_t k, double share)
{
    return br_foretell_rank(k, share) + 1 + (int32_t)(share * k / 16);
}

br_status br_topk_foretell(br_dev *dev, const br_topk_chunk *chunk, int64_t n_positions)
{
    br_status st    = BR_OK;
    double    share = (double)n_positions / (double)chunk->items.N;

    BR_TRY(st, BR_LAUNCH(dev, foretell_kernel, (unsigned)chunk->n_rows, BR_TOPK_THREADS,
                         (size_t)chunk->capacity * sizeof(br_topk_candidate), *chunk,
                         rank_of(chunk->k, share)));
done:
    return st;
}
