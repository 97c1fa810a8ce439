/* SPDX-License-Identifier: Apache-2.0
 *
 * copy_rows: a warp per row; zeros where the sequence is empty. Called once per modality and
 * chunk. */
#include "kernels/cuda/warp.cuh"

typedef struct copy_params {
    int64_t              n_rows;
    int64_t              width;
    const int32_t       *offset_B1; /* or NULL */
    br_view<const float> x_BD;
    br_view<float>       out_BD;
} copy_params;

/* Grid: n_rows warps; a lane owns columns lane, lane + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) copy_rows_kernel(copy_params p)
{
    int64_t b = br_row();
    bool    is_empty;

    if (b >= p.n_rows)
        return;
    is_empty = p.offset_B1 != NULL && p.offset_B1[b + 1] == p.offset_B1[b];
    for (int64_t d = br_lane(); d < p.width; d += BR_WARP)
        p.out_BD.row(b)[d] = is_empty ? 0.0f : p.x_BD.row(b)[d];
}

br_status br_cuda_copy_rows(br_dev *dev, const br_copy_rows_args *args)
{
    br_status   st = BR_OK;
    copy_params p  = {args->out_BD.n_rows, args->out_BD.n_cols,
                     args->seqs == NULL ? NULL : br_mat_i32(args->seqs->offset_B1),
                      br_view_of<const float>(args->x_BD), br_view_of<float>(args->out_BD)};

    BR_TRY(st, BR_LAUNCH(dev, copy_rows_kernel, br_row_blocks(p.n_rows), BR_ROW_THREADS, 0, p));
done:
    return st;
}
