/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds foretold from the beginning of the catalogue, a fair sample of it: the rank-th best
 * score found there, of such a rank that the k-th best of all is hardly ever below. It is looked
 * at again in the end (finish.cu). Candidates below leave. Called between stages. */
#include "kernels/cuda/topk/select.cuh"
#include "kernels/foretell.h"

/* Grid: a warp per row; for those that are short. */
static __global__ void __launch_bounds__(BR_ROW_THREADS)
    foretell_short_kernel(br_topk_chunk c, int32_t rank)
{
    int64_t            r       = br_row();
    br_topk_row        row     = r < c.n_rows ? c.row_R[r] : br_topk_row{};
    br_topk_candidate *found_C = c.candidate_RC + r * c.capacity;
    br_short_row       s;
    uint32_t           ordered[BR_OWN];
    int32_t            n_kept = 0;
    float              threshold, down;

    if (r >= c.n_rows || row.is_slow || row.n > BR_SHORT || row.n < rank)
        return;
    s = br_short_load(c, row, found_C);
#pragma unroll
    for (int j = 0; j < BR_OWN; j++)
        ordered[j] = br_short_has(s, j) ? br_ordered_bits(s.found[j].approx) : 0;
    threshold = fmaxf(row.threshold, br_warp_rank(ordered, rank));
    down      = br_threshold_down(threshold);
#pragma unroll
    for (int j = 0; j < BR_OWN; j++) {
        bool    is_kept = br_short_has(s, j) && s.found[j].approx + s.slack[j] >= down;
        int32_t place   = br_warp_place(is_kept, &n_kept);

        if (is_kept)
            found_C[place] = s.found[j];
    }
    if (br_lane() != 0)
        return;
    c.row_R[r].threshold = threshold;
    c.row_R[r].n         = n_kept;
}

/* Grid: a block per row, for the others. Shared: the row's candidates, their scores apart. */
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

    if (row.is_slow || row.n > c.capacity || row.n < rank || row.n <= br_topk_short(c.k))
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

        if (found.approx + br_slack_of(c, row, found) >= down)
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
    br_status st   = BR_OK;
    int32_t   rank = rank_of(chunk->k, (double)n_positions / (double)chunk->items.N);

    if (rank <= br_topk_short(chunk->k))
        BR_TRY(st, BR_LAUNCH(dev, foretell_short_kernel, br_row_blocks(chunk->n_rows),
                             BR_ROW_THREADS, 0, *chunk, rank));
    BR_TRY(st, BR_LAUNCH(dev, foretell_kernel, (unsigned)chunk->n_rows, BR_TOPK_THREADS,
                         (size_t)chunk->capacity * sizeof(br_topk_candidate), *chunk, rank));
done:
    return st;
}
