/* SPDX-License-Identifier: Apache-2.0
 *
 * gather_rows: a warp per row copies by index. Called once per static feature and chunk. */
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/warp.cuh"

typedef struct gather_params {
    int64_t                n_rows;
    int64_t                width;
    int64_t                n_table;
    br_view<const float>   table_VD;
    br_view<const int32_t> row_B;
    br_view<float>         out_BD;
    br_cuda_faults        *faults;
} gather_params;

/* Grid: n_rows warps; a lane owns columns lane, lane + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) gather_rows_kernel(gather_params p)
{
    int64_t b = br_row();
    int32_t row;

    if (b >= p.n_rows)
        return;
    row = *p.row_B.row(b);
    if (row != -1)
        row = (int32_t)br_checked_row(p.faults, BR_FAULT_GATHER_ROW, b, row, p.n_table);
    for (int64_t d = br_lane(); d < p.width; d += BR_WARP)
        p.out_BD.row(b)[d] = row == -1 ? 0.0f : p.table_VD.row(row)[d];
}

br_status br_cuda_gather_rows(br_dev *dev, const br_gather_rows_args *args)
{
    br_status     st = BR_OK;
    gather_params p  = {args->out_BD.n_rows,
                        args->out_BD.n_cols,
                        args->table_VD.n_rows,
                        br_view_of<const float>(args->table_VD),
                        br_view_of<const int32_t>(args->row_B),
                        br_view_of<float>(args->out_BD),
                        br_faults_of(dev)};

    BR_TRY(st, BR_LAUNCH(dev, gather_rows_kernel, br_row_blocks(p.n_rows), BR_ROW_THREADS, 0, p));
done:
    return st;
}
