/* SPDX-License-Identifier: Apache-2.0
 *
 * The log-sum-exp: the list's terms and the sums of runs of all others (sums.cu), relative to the
 * list's first score, which is the largest term. What the never-list holds is taken off, scored
 * canonically; where that is more than half, or there are no sums, all terms are added by the
 * definition. Called once per chunk. */
#include "kernels/cuda/score/canonical.cuh"
#include "kernels/cuda/topk/topk.cuh"
#include "kernels/exp.h"

#define MOST_NEVER 0.5 /* share of the sum that may be taken off without losing digits */

/* Of an item, or 0 for item -1; called by whole warps, four items at a time. */
static __device__ double term_of(const br_topk_chunk &c, int64_t row, int32_t item)
{
    bool   any = item >= 0;
    double dot = br_canonical_dot_by_8(c.rows->query_BD.row(row), c.item_ND.row(any ? item : 0),
                                       any ? c.items.dim : 0);
    float  score;

    if (!any)
        return 0.0;
    score = br_canonical_round(dot, c.bias_N.at == NULL ? 0.0f : *c.bias_N.row(item));
    return br_exp(((double)score - (double)*c.rows->score_BK.row(row)) / c.temperature);
}

/* The never-list's terms, by lanes that begin a group of eight; a pair listed twice counts once. */
static __device__ double never_terms(const br_topk_chunk &c, int64_t row)
{
    int64_t first = c.rows->rules.never_S == NULL ? 0 : c.rows->rules.never_offset_B1[row];
    int64_t last  = c.rows->rules.never_S == NULL ? 0 : c.rows->rules.never_offset_B1[row + 1];
    double  sum   = 0.0;

    for (int64_t s = first; s < last; s += BR_WARP / BR_CHAINS) {
        int64_t at   = s + br_lane() / BR_CHAINS;
        int32_t item = at < last ? c.rows->rules.never_S[at] : -1;
        double  term;

        if (at > first && at < last && c.rows->rules.never_S[at - 1] == item)
            item = -1;
        if (item < 0 || item >= c.items.N || !br_has_segments(c.rows->rules, row, item))
            item = -1;
        term = term_of(c, row, item);
        sum += br_lane() % BR_CHAINS == 0 ? term : 0.0;
    }
    return br_warp_sum(sum);
}

static __device__ double log_of(const br_topk_chunk &c, int64_t row, double sum)
{
    return (double)*c.rows->score_BK.row(row) / c.temperature + log(sum);
}

/* The terms of the list, exact. */
static __device__ double listed_terms(const br_topk_chunk &c, int64_t row)
{
    const float *score_K = c.rows->score_BK.row(row);
    double       sum     = 0.0;

    for (int32_t j = br_lane(); j < c.k; j += BR_WARP)
        if (c.rows->item_BK.row(row)[j] >= 0)
            sum += br_exp(((double)score_K[j] - (double)score_K[0]) / c.temperature);
    return br_warp_sum(sum);
}

/* The terms of all others. Where the list is not full there are none. */
static __device__ double other_terms(const br_topk_chunk &c, int64_t row)
{
    double sum = 0.0;

    for (int32_t q = br_lane(); q < c.n_runs; q += BR_WARP)
        sum += c.part_RQ[row * c.n_runs + q];
    return br_warp_sum(sum);
}

/* Grid: a warp per row. */
static __global__ void __launch_bounds__(BR_ROW_THREADS) combine_kernel(br_topk_chunk c)
{
    int64_t r = br_row();
    double  sum, never = 0.0;
    bool    is_full, is_summed;

    if (r >= c.n_rows)
        return;
    is_full   = c.rows->item_BK.row(r)[c.k - 1] >= 0;
    is_summed = !is_full || (c.row_R[r].is_coded && c.n_runs > 0);
    sum       = listed_terms(c, r);
    if (is_full && is_summed) {
        double others = other_terms(c, r);

        never     = never_terms(c, r);
        is_summed = isfinite(others) && never <= MOST_NEVER * (sum + others);
        sum += others - never;
    }
    __syncwarp(); /* all lanes have read the row */
    if (br_lane() != 0)
        return;
    c.row_R[r].is_summed = is_summed;
    if (is_summed)
        *c.rows->logsumexp_B.row(r) =
            *c.rows->item_BK.row(r) < 0 ? -INFINITY : (float)log_of(c, r, sum);
}

/* Grid: a block per row, for those that are left; eight lanes own an item at a time. */
static __global__ void __launch_bounds__(BR_TOPK_THREADS) definition_kernel(br_topk_chunk c)
{
    __shared__ double part[BR_TOPK_WARPS];
    int64_t           r   = blockIdx.x;
    double            sum = 0.0;

    if (c.row_R[r].is_summed)
        return;
    for (int64_t i = 0; i < c.items.N; i += BR_TOPK_THREADS / BR_CHAINS) {
        int64_t item = i + threadIdx.x / BR_CHAINS;
        double  term;

        if (item >= c.items.N || !br_is_allowed(c.rows->rules, r, (int32_t)item))
            item = -1;
        term = term_of(c, r, (int32_t)item);
        sum += threadIdx.x % BR_CHAINS == 0 ? term : 0.0;
    }
    sum = br_block_sum(sum, part, BR_TOPK_WARPS);
    if (threadIdx.x == 0)
        *c.rows->logsumexp_B.row(r) = (float)log_of(c, r, sum);
}

br_status br_topk_logsumexp(br_dev *dev, const br_topk_chunk *chunk)
{
    br_status     st = BR_OK;
    br_topk_chunk c  = *chunk;

    if (br_topk_can_sum(&c.items))
        BR_TRY(st, br_topk_sums(dev, &c));
    else
        c.n_runs = 0; /* no sums */
    BR_TRY(st, BR_LAUNCH(dev, combine_kernel, br_row_blocks(c.n_rows), BR_ROW_THREADS, 0, c));
    BR_TRY(st, BR_LAUNCH(dev, definition_kernel, (unsigned)c.n_rows, BR_TOPK_THREADS, 0, c));
done:
    return st;
}
