/* SPDX-License-Identifier: Apache-2.0
 *
 * last_rows: a warp per sequence copies a row. Called once per chunk. */
#include "kernels/cuda/warp.cuh"

typedef struct last_params {
    int64_t              n_seqs;
    int64_t              width;
    const int32_t       *offset_B1;
    br_view<const float> x_ED;
    br_view<float>       out_BD;
} last_params;

/* Grid: n_seqs warps; a lane owns columns lane, lane + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) last_rows_kernel(last_params p)
{
    int64_t b = br_row();

    if (b >= p.n_seqs)
        return;
    for (int64_t d = br_lane(); d < p.width; d += BR_WARP) {
        int32_t end = p.offset_B1[b + 1];

        p.out_BD.row(b)[d] = end == p.offset_B1[b] ? 0.0f : p.x_ED.row(end - 1)[d];
    }
}

br_status br_cuda_last_rows(br_dev *dev, const br_last_rows_args *args)
{
    br_status   st = BR_OK;
    last_params p  = {args->seqs->n_seqs, args->out_BD.n_cols, br_mat_i32(args->seqs->offset_B1),
                      br_view_of<const float>(args->x_ED), br_view_of<float>(args->out_BD)};

    BR_TRY(st, BR_LAUNCH(dev, last_rows_kernel, br_row_blocks(p.n_seqs), BR_ROW_THREADS, 0, p));
done:
    return st;
}
