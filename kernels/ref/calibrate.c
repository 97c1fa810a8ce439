/* SPDX-License-Identifier: Apache-2.0
 *
 * Logits to response probabilities (eq. 9): Platt (1999), isotonic table (Zadrozny and Elkan 2002),
 * logistic and identity links. Called once per head and tile of customers. */
#include "kernels/exp.h"
#include "kernels/ref/ref.h"

/* Linear between the knots, flat outside. */
static double interpolate(const float *knot_P2, int64_t ld, int32_t n_points, double y)
{
    int32_t lo = 0, hi = n_points - 1;

    if (y <= (double)knot_P2[0])
        return (double)knot_P2[1];
    if (y >= (double)knot_P2[hi * ld])
        return (double)knot_P2[hi * ld + 1];
    while (hi - lo > 1) {
        int32_t mid = lo + (hi - lo) / 2;

        if ((double)knot_P2[mid * ld] <= y)
            lo = mid;
        else
            hi = mid;
    }
    {
        double x0 = (double)knot_P2[lo * ld], x1 = (double)knot_P2[hi * ld];
        double y0 = (double)knot_P2[lo * ld + 1], y1 = (double)knot_P2[hi * ld + 1];

        return x1 > x0 ? y0 + (y1 - y0) * ((y - x0) / (x1 - x0)) : y1;
    }
}

br_status br_ref_calibrate(br_dev *dev, const br_calibrate_args *args)
{
    (void)dev;
    for (int64_t b = 0; b < args->logit_BK.n_rows; b++) {
        float *logit_K = br_mat_f32(args->logit_BK) + b * args->logit_BK.ld;

        for (int64_t j = 0; j < args->logit_BK.n_cols; j++) {
            double y = (double)logit_K[j] + args->offset;

            if (y != y)
                continue;
            if (args->calibration == BR_CALIBRATION_PLATT)
                y = args->platt_a * y + args->platt_b;
            if (args->link == BR_LINK_LOGISTIC)
                y = 1.0 / (1.0 + br_exp(-y));
            if (args->calibration == BR_CALIBRATION_ISOTONIC)
                y = interpolate(br_mat_f32(args->knot_P2), args->knot_P2.ld, args->n_points, y);
            logit_K[j] = (float)y;
        }
    }
    return BR_OK;
}
