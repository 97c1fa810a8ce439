/* SPDX-License-Identifier: Apache-2.0
 *
 * Customers coded for the screen, and who cannot be: vectors that are not finite or of unusual
 * size go by the definition. Called once per chunk. */
#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/code.cuh"

#define LEAST_NORM      1e-15 /* what codes and their scales can hold */
#define MOST_NORM       1e15
#define MOST_ITEM_NORM  1e18
#define MOST_SCORE      1e38
#define MOST_BARE_SCORE 1e30 /* below half a unit in the last place of the largest float */

/* No step of the screen can overflow, nor can a canonical score. */
static __device__ bool can_be_screened(const br_cuda_items &items, double norm)
{
    double product = norm * items.norm_most;
    bool   fits    = product < MOST_SCORE && product + items.bias_size < MOST_SCORE;

    if (!(norm == 0.0 || (norm >= LEAST_NORM && norm <= MOST_NORM)))
        return false;
    if (!(items.norm_most <= MOST_ITEM_NORM))
        return false;
    return fits || (product < MOST_BARE_SCORE && items.bias_size < INFINITY);
}

/* Grid: a warp per customer. */
template <typename K>
static __global__ void __launch_bounds__(BR_ROW_THREADS) queries_kernel(br_topk_chunk c)
{
    int64_t           r   = br_row();
    br_topk_row       row = {};
    br_measured       m;
    br_coded          coded;
    br_code_target<K> to;
    bool              is_wanted;

    if (r >= c.n_rows)
        return;
    is_wanted     = br_is_wanted(c.rows->rules, r);
    m             = br_measure(c.rows->query_BD.row(r), c.items.dim);
    row.is_coded  = is_wanted && can_be_screened(c.items, m.norm);
    row.is_slow   = is_wanted && !row.is_coded;
    row.scale     = K::scale(row.is_coded ? m.element : 0.0f);
    row.threshold = c.rows->floor_B.at == NULL ? -INFINITY : *c.rows->floor_B.row(r);
    to            = br_code_place<K>(c.code_RD, c.below_RD, r, c.items.width);
    coded    = br_encode(row.is_coded ? c.rows->query_BD.row(r) : NULL, c.items.dim, row.scale, to);
    row.norm = br_bound_up(m.norm);
    row.residual = br_bound_up(coded.residual);
    if (br_lane() == 0)
        c.row_R[r] = row;
}

template <typename K> static br_status launch(br_dev *dev, const br_topk_chunk *chunk)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, queries_kernel<K>, br_row_blocks(chunk->n_rows), BR_ROW_THREADS, 0,
                         *chunk));
done:
    return st;
}

br_status br_topk_queries(br_dev *dev, const br_topk_chunk *chunk)
{
    return BR_BY_KIND(chunk->items.kind, launch, dev, chunk);
}
