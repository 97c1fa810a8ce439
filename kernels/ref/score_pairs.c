/* SPDX-License-Identifier: Apache-2.0
 *
 * Canonical scores of given pairs. Called once per head and tile of customers. */
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/ref/ref.h"

br_status br_ref_score_pairs(br_dev *dev, const br_score_pairs_args *args)
{
    br_status    st     = BR_OK;
    int64_t      D      = args->item_ND.n_cols;
    const float *z_ND   = br_mat_f32(args->item_ND);
    const float *bias_N = br_mat_f32(args->bias_N);

    (void)dev;
    for (int64_t b = 0; b < args->query_BD.n_rows; b++) {
        const float   *x_D       = br_mat_f32(args->query_BD) + b * args->query_BD.ld;
        const int32_t *item_K    = br_mat_i32(args->item_BK) + b * args->item_BK.ld;
        const float   *penalty_K = br_mat_f32(args->penalty_BK);
        float         *out_K     = br_mat_f32(args->out_BK) + b * args->out_BK.ld;

        for (int64_t j = 0; j < args->item_BK.n_cols; j++) {
            int32_t i = item_K[j];

            out_K[j] = NAN;
            if (i == -1)
                continue;
            BR_TRY(st, br_ref_check_row("score_pairs", b, i, args->item_ND.n_rows));
            out_K[j] =
                br_canonical_penalised(br_canonical_dot(x_D, z_ND + i * args->item_ND.ld, D),
                                       bias_N ? bias_N[i * args->bias_N.ld] : 0.0f,
                                       penalty_K ? penalty_K[b * args->penalty_BK.ld + j] : 0.0f);
        }
    }
done:
    return st;
}
