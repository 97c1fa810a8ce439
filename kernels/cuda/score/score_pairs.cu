/* SPDX-License-Identifier: Apache-2.0
 *
 * Canonical scores of given pairs, eight lanes each. Called once per head and tile of customers. */
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/score/canonical.cuh"

typedef struct pairs_params {
    int64_t                n_pairs;
    int64_t                k;
    int64_t                n_items;
    int64_t                dim;
    br_view<const float>   query_BD;
    br_view<const float>   item_ND;
    br_view<const float>   bias_N;
    br_view<const int32_t> item_BK;
    br_view<const float>   penalty_BK;
    br_view<float>         out_BK;
    br_cuda_faults        *faults;
} pairs_params;

/* Grid: 16 pairs per block; eight lanes own one. */
static __global__ void __launch_bounds__(BR_ROW_THREADS) score_pairs_kernel(pairs_params p)
{
    int64_t at   = br_row() * (BR_WARP / BR_CHAINS) + br_lane() / BR_CHAINS;
    int64_t b    = at / p.k;
    int64_t j    = at % p.k;
    int64_t item = at < p.n_pairs ? p.item_BK.row(b)[j] : -1;
    double  dot;

    if (item != -1)
        item = br_checked_row(p.faults, BR_FAULT_PAIRS_ITEM, b, (int32_t)item, p.n_items);
    /* one call, so that the warp stays together */
    dot = br_canonical_dot_by_8(p.query_BD.row(item == -1 ? 0 : b),
                                p.item_ND.row(item == -1 ? 0 : item), item == -1 ? 0 : p.dim);
    if (at < p.n_pairs && br_lane() % BR_CHAINS == 0)
        p.out_BK.row(b)[j] =
            item == -1
                ? NAN
                : br_canonical_penalised(dot, p.bias_N.at == NULL ? 0.0f : *p.bias_N.row(item),
                                         p.penalty_BK.at == NULL ? 0.0f : p.penalty_BK.row(b)[j]);
}

br_status br_cuda_score_pairs(br_dev *dev, const br_score_pairs_args *args)
{
    br_status    st = BR_OK;
    pairs_params p  = {};

    p.k          = args->item_BK.n_cols;
    p.n_pairs    = args->item_BK.n_rows * p.k;
    p.n_items    = args->item_ND.n_rows;
    p.dim        = args->item_ND.n_cols;
    p.query_BD   = br_view_of<const float>(args->query_BD);
    p.item_ND    = br_view_of<const float>(args->item_ND);
    p.bias_N     = br_view_of<const float>(args->bias_N);
    p.item_BK    = br_view_of<const int32_t>(args->item_BK);
    p.penalty_BK = br_view_of<const float>(args->penalty_BK);
    p.out_BK     = br_view_of<float>(args->out_BK);
    p.faults     = br_faults_of(dev);
    BR_TRY(st, BR_LAUNCH(dev, score_pairs_kernel,
                         br_row_blocks(br_cuda_blocks(p.n_pairs, BR_WARP / BR_CHAINS)),
                         BR_ROW_THREADS, 0, p));
done:
    return st;
}
