/* SPDX-License-Identifier: Apache-2.0
 *
 * copy_rows: a copy with a mask. Called once per modality and chunk. */
#include <string.h>

#include "kernels/ref/ref.h"

br_status br_ref_copy_rows(br_dev *dev, const br_copy_rows_args *args)
{
    const int32_t *offset    = args->seqs == NULL ? NULL : args->seqs->host_offset_B1;
    size_t         row_bytes = (size_t)args->out_BD.n_cols * sizeof(float);

    (void)dev;
    for (int64_t b = 0; b < args->out_BD.n_rows; b++) {
        const float *x_D   = br_mat_f32(args->x_BD) + b * args->x_BD.ld;
        float       *out_D = br_mat_f32(args->out_BD) + b * args->out_BD.ld;

        if (offset != NULL && offset[b + 1] == offset[b])
            memset(out_D, 0, row_bytes);
        else if (out_D != x_D)
            memcpy(out_D, x_D, row_bytes);
    }
    return BR_OK;
}
