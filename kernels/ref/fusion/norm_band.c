/* SPDX-License-Identifier: Apache-2.0
 *
 * norm_band: fp64 norm and factor, rounded once per element. Called once per chunk. */
#include <math.h>

#include "kernels/ref/ref.h"

br_status br_ref_norm_band(br_dev *dev, br_mat x_BD, double lo, double hi)
{
    (void)dev;
    for (int64_t b = 0; b < x_BD.n_rows; b++) {
        float *x_D = br_mat_f32(x_BD) + b * x_BD.ld;
        double sum = 0.0;
        double norm;
        double bound;

        for (int64_t d = 0; d < x_BD.n_cols; d++)
            sum += (double)x_D[d] * (double)x_D[d];
        norm  = sqrt(sum);
        bound = norm < lo ? lo : hi;
        if (norm == 0.0 || (norm >= lo && norm <= hi))
            continue;
        for (int64_t d = 0; d < x_BD.n_cols; d++)
            x_D[d] = (float)(x_D[d] * (bound / norm));
    }
    return BR_OK;
}
