/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse_inputs: masks, flags and standardised values. Called once per chunk. */
#include <math.h>

#include "kernels/ref/ref.h"

static void mask_states(const br_fuse_inputs_args *args, int64_t b)
{
    const float   *state_S    = br_mat_f32(args->state_BS) + b * args->state_BS.ld;
    const uint8_t *present_BM = br_mat_at(args->present_BM);
    const uint8_t *present_M  = present_BM + b * args->present_BM.ld;
    float         *gate_I     = br_mat_f32(args->gate_BI) + b * args->gate_BI.ld;
    int64_t        at         = 0;

    for (int64_t m = 0; m < args->n_modalities; m++)
        for (int64_t i = 0; i < args->width[m]; i++, at++)
            gate_I[at] = present_M[m] ? state_S[at] : 0.0f;
    for (int64_t m = 0; m < args->n_modalities; m++)
        gate_I[at + m] = present_M[m] ? 1.0f : 0.0f;
}

static void standardise(const br_fuse_inputs_args *args, int64_t b)
{
    const float *value_A = br_mat_f32(args->aggregate_BA) + b * args->aggregate_BA.ld;
    float       *flag_F  = br_mat_f32(args->flag_BF) + b * args->flag_BF.ld;
    int64_t      n       = args->aggregate_BA.n_cols;

    for (int64_t a = 0; a < n; a++) {
        double value  = ((double)value_A[a] - args->mean_A[a]) / args->std_A[a];
        flag_F[a]     = isnan(value_A[a]) ? 0.0f : (float)value;
        flag_F[n + a] = isnan(value_A[a]) ? 1.0f : 0.0f;
    }
}

br_status br_ref_fuse_inputs(br_dev *dev, const br_fuse_inputs_args *args)
{
    (void)dev;
    for (int64_t b = 0; b < args->gate_BI.n_rows && args->gate_BI.buf != NULL; b++)
        mask_states(args, b);
    for (int64_t b = 0; b < args->flag_BF.n_rows && args->flag_BF.buf != NULL; b++)
        standardise(args, b);
    return BR_OK;
}
