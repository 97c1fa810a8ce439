/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse_inputs: masks, flags and standardised values; a warp per row. Means and deviations are the
 * host's and travel with the launch, 128 columns at a time. Called once per chunk. */
#include "kernels/cuda/warp.cuh"

#define COLUMNS 128 /* 2 KB of a launch's 4 KB of parameters */

typedef struct gate_params {
    int64_t                n_rows;
    int32_t                n_modalities;
    int32_t                end[BR_MAX_FUSED]; /* of each modality's columns */
    br_view<const float>   state_BS;
    br_view<const uint8_t> present_BM;
    br_view<float>         gate_BI;
} gate_params;

/* Grid: n_rows warps; a lane owns columns lane, lane + 32, ... of states, then of presence. */
static __global__ void __launch_bounds__(BR_ROW_THREADS) gate_kernel(gate_params p)
{
    int64_t b     = br_row();
    int32_t total = p.end[p.n_modalities - 1];
    int32_t m     = 0;

    if (b >= p.n_rows)
        return;
    for (int32_t i = br_lane(); i < total; i += BR_WARP) {
        while (i >= p.end[m])
            m++;
        p.gate_BI.row(b)[i] = p.present_BM.row(b)[m] ? p.state_BS.row(b)[i] : 0.0f;
    }
    for (int32_t i = br_lane(); i < p.n_modalities; i += BR_WARP)
        p.gate_BI.row(b)[total + i] = p.present_BM.row(b)[i] ? 1.0f : 0.0f;
}

typedef struct flag_params {
    int64_t              n_rows;
    int64_t              first; /* column of the launch */
    int64_t              n_columns;
    int64_t              n_values; /* A */
    br_view<const float> aggregate_BA;
    br_view<float>       flag_BF;
    double               mean[COLUMNS];
    double               std[COLUMNS];
} flag_params;

/* Grid: n_rows warps; a lane owns columns first + lane, + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) flag_kernel(flag_params p)
{
    int64_t b = br_row();

    if (b >= p.n_rows)
        return;
    for (int64_t i = br_lane(); i < p.n_columns; i += BR_WARP) {
        int64_t a     = p.first + i;
        float   value = p.aggregate_BA.row(b)[a];
        bool    has   = value == value;

        p.flag_BF.row(b)[a] = has ? (float)(((double)value - p.mean[i]) / p.std[i]) : 0.0f;
        p.flag_BF.row(b)[p.n_values + a] = has ? 0.0f : 1.0f;
    }
}

static br_status put_gates(br_dev *dev, const br_fuse_inputs_args *args)
{
    br_status   st  = BR_OK;
    gate_params p   = {};
    int32_t     end = 0;

    p.n_rows       = args->gate_BI.n_rows;
    p.n_modalities = args->n_modalities;
    p.state_BS     = br_view_of<const float>(args->state_BS);
    p.present_BM   = br_view_of<const uint8_t>(args->present_BM);
    p.gate_BI      = br_view_of<float>(args->gate_BI);
    for (int32_t m = 0; m < args->n_modalities; m++)
        p.end[m] = end += args->width[m];
    BR_TRY(st, BR_LAUNCH(dev, gate_kernel, br_row_blocks(p.n_rows), BR_ROW_THREADS, 0, p));
done:
    return st;
}

static br_status put_flags(br_dev *dev, const br_fuse_inputs_args *args, int64_t first)
{
    br_status   st   = BR_OK;
    int64_t     rest = args->aggregate_BA.n_cols - first;
    flag_params p    = {};

    p.n_rows       = args->flag_BF.n_rows;
    p.first        = first;
    p.n_columns    = rest < COLUMNS ? rest : COLUMNS;
    p.n_values     = args->aggregate_BA.n_cols;
    p.aggregate_BA = br_view_of<const float>(args->aggregate_BA);
    p.flag_BF      = br_view_of<float>(args->flag_BF);
    for (int64_t i = 0; i < p.n_columns; i++) {
        p.mean[i] = args->mean_A[first + i];
        p.std[i]  = args->std_A[first + i];
    }
    BR_TRY(st, BR_LAUNCH(dev, flag_kernel, br_row_blocks(p.n_rows), BR_ROW_THREADS, 0, p));
done:
    return st;
}

br_status br_cuda_fuse_inputs(br_dev *dev, const br_fuse_inputs_args *args)
{
    br_status st = BR_OK;

    if (args->gate_BI.buf != NULL)
        BR_TRY(st, put_gates(dev, args));
    if (args->flag_BF.buf != NULL)
        for (int64_t first = 0; first < args->aggregate_BA.n_cols; first += COLUMNS)
            BR_TRY(st, put_flags(dev, args, first));
done:
    return st;
}
