/* SPDX-License-Identifier: Apache-2.0
 *
 * last_rows: a copy. Called once per chunk. */
#include <string.h>

#include "kernels/ref/ref.h"

br_status br_ref_last_rows(br_dev *dev, const br_last_rows_args *args)
{
    const int32_t *offset    = args->seqs->host_offset_B1;
    size_t         row_bytes = (size_t)args->out_BD.n_cols * sizeof(float);

    (void)dev;
    for (int64_t b = 0; b < args->seqs->n_seqs; b++) {
        float *out_D = br_mat_f32(args->out_BD) + b * args->out_BD.ld;

        if (offset[b] == offset[b + 1])
            memset(out_D, 0, row_bytes);
        else
            memcpy(out_D, br_mat_f32(args->x_ED) + (offset[b + 1] - 1) * args->x_ED.ld, row_bytes);
    }
    return BR_OK;
}
