/* SPDX-License-Identifier: Apache-2.0
 *
 * gather_rows: a copy by index. Called once per static feature and chunk. */
#include <string.h>

#include "kernels/ref/ref.h"

br_status br_ref_gather_rows(br_dev *dev, const br_gather_rows_args *args)
{
    br_status st        = BR_OK;
    size_t    row_bytes = (size_t)args->out_BD.n_cols * sizeof(float);

    (void)dev;
    for (int64_t b = 0; b < args->out_BD.n_rows; b++) {
        int64_t row   = br_mat_i32(args->row_B)[b * args->row_B.ld];
        float  *out_D = br_mat_f32(args->out_BD) + b * args->out_BD.ld;

        if (row == -1) {
            memset(out_D, 0, row_bytes);
            continue;
        }
        BR_TRY(st, br_ref_check_row("gather_rows: row_B", b, row, args->table_VD.n_rows));
        memcpy(out_D, br_mat_f32(args->table_VD) + row * args->table_VD.ld, row_bytes);
    }
done:
    return st;
}
