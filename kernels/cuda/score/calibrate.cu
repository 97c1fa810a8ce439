/* SPDX-License-Identifier: Apache-2.0
 *
 * calibrate: a thread per logit, fp64 as ref, so the bits are ref's. Called once per head and tile
 * of customers. */
#include "kernels/cuda/launch.cuh"
#include "kernels/exp.h"

typedef struct calibrate_params {
    int64_t              n_rows;
    int64_t              n_cols;
    br_view<float>       logit_BK;
    double               offset;
    br_link              link;
    br_calibration       calibration;
    double               platt_a;
    double               platt_b;
    int32_t              n_points;
    br_view<const float> knot_P2;
} calibrate_params;

/* Linear between the knots, flat outside. */
static __device__ double interpolate(const calibrate_params &p, double y)
{
    int32_t lo = 0, hi = p.n_points - 1;

    if (y <= (double)p.knot_P2.row(0)[0])
        return (double)p.knot_P2.row(0)[1];
    if (y >= (double)p.knot_P2.row(hi)[0])
        return (double)p.knot_P2.row(hi)[1];
    while (hi - lo > 1) {
        int32_t mid = lo + (hi - lo) / 2;

        if ((double)p.knot_P2.row(mid)[0] <= y)
            lo = mid;
        else
            hi = mid;
    }
    {
        double x0 = (double)p.knot_P2.row(lo)[0], x1 = (double)p.knot_P2.row(hi)[0];
        double y0 = (double)p.knot_P2.row(lo)[1], y1 = (double)p.knot_P2.row(hi)[1];

        return x1 > x0 ? y0 + (y1 - y0) * ((y - x0) / (x1 - x0)) : y1;
    }
}

/* Grid: 256 logits per block; a thread owns one. */
static __global__ void __launch_bounds__(256) calibrate_kernel(calibrate_params p)
{
    int64_t at = (int64_t)blockIdx.x * 256 + threadIdx.x;
    float  *logit;
    double  y;

    if (at >= p.n_rows * p.n_cols)
        return;
    logit = p.logit_BK.row(at / p.n_cols) + at % p.n_cols;
    y     = (double)*logit + p.offset;
    if (y != y)
        return;
    if (p.calibration == BR_CALIBRATION_PLATT)
        y = p.platt_a * y + p.platt_b;
    if (p.link == BR_LINK_LOGISTIC)
        y = 1.0 / (1.0 + br_exp(-y));
    if (p.calibration == BR_CALIBRATION_ISOTONIC)
        y = interpolate(p, y);
    *logit = (float)y;
}

br_status br_cuda_calibrate(br_dev *dev, const br_calibrate_args *args)
{
    br_status        st = BR_OK;
    calibrate_params p  = {args->logit_BK.n_rows,
                           args->logit_BK.n_cols,
                           br_view_of<float>(args->logit_BK),
                           args->offset,
                           args->link,
                           args->calibration,
                           args->platt_a,
                           args->platt_b,
                           args->n_points,
                           br_view_of<const float>(args->knot_P2)};

    BR_TRY(st,
           BR_LAUNCH(dev, calibrate_kernel, br_cuda_blocks(p.n_rows * p.n_cols, 256), 256, 0, p));
done:
    return st;
}
