/* SPDX-License-Identifier: Apache-2.0
 *
 * gru: sequence by sequence, gates in fp64. The state is rounded to fp32 after every event, so that
 * continuing from a stored state gives the bits of a full replay. Called once per layer and chunk.
 */
#include <math.h>
#include <string.h>

#include "kernels/ref/ref.h"

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* row `row` of W_hh h + b_hh */
static double recur(const br_gru_args *args, const float *h_H, int64_t row)
{
    const float *bias_3H  = br_mat_f32(args->bias_hh_13H);
    const float *weight_H = br_mat_f32(args->weight_hh_3HH) + row * args->weight_hh_3HH.ld;
    double       sum      = br_ref_dot(weight_H, h_H, args->weight_hh_3HH.n_cols,
                                       br_prepared_precision(args->prepared));

    return sum + (bias_3H == NULL ? 0.0 : bias_3H[row]);
}

static void step(const br_gru_args *args, int64_t e, const float *h_H, float *next_H)
{
    const float *gate_3H =
        args->gate_V3H.buf == NULL
            ? br_mat_f32(args->gate_E3H) + e * args->gate_E3H.ld
            : br_mat_f32(args->gate_V3H) + br_mat_i32(args->seqs->item_E)[e] * args->gate_V3H.ld;
    const float *w_E = br_mat_f32(args->seqs->weight_E);
    int64_t      n   = args->weight_hh_3HH.n_cols;
    double       w   = w_E == NULL ? 1.0 : w_E[e];

    for (int64_t i = 0; i < n; i++) {
        double r = sigmoid(gate_3H[i] + recur(args, h_H, i));
        double z = sigmoid(gate_3H[n + i] + recur(args, h_H, n + i));
        double g = tanh(gate_3H[2 * n + i] + r * recur(args, h_H, 2 * n + i));

        /* F(h, e) - h = (1 - z) (g - h) */
        next_H[i] = (float)(h_H[i] + w * ((1.0 - z) * (g - h_H[i])));
    }
}

br_status br_ref_gru(br_dev *dev, const br_gru_args *args)
{
    br_status      st        = BR_OK;
    const int32_t *offset    = args->seqs->host_offset_B1;
    int64_t        n         = args->weight_hh_3HH.n_cols;
    size_t         row_bytes = (size_t)n * sizeof(float);
    const float   *start_BH  = br_mat_f32(args->start_BH);
    float         *state_EH  = br_mat_f32(args->state_EH);
    float         *last_BH   = br_mat_f32(args->last_BH);
    float         *h_H       = NULL;
    float         *next_H    = NULL;

    (void)dev;
    BR_ALLOC(st, h_H, n, "gru: state");
    BR_ALLOC(st, next_H, n, "gru: next state");
    for (int64_t b = 0; b < args->seqs->n_seqs; b++) {
        if (start_BH == NULL)
            memset(h_H, 0, row_bytes);
        else
            memcpy(h_H, start_BH + b * args->start_BH.ld, row_bytes);
        for (int64_t e = offset[b]; e < offset[b + 1]; e++) {
            if (args->gate_V3H.buf != NULL)
                BR_TRY(st, br_ref_check_row("gru: item_E", e, br_mat_i32(args->seqs->item_E)[e],
                                            args->gate_V3H.n_rows));
            step(args, e, h_H, next_H);
            memcpy(h_H, next_H, row_bytes);
            if (state_EH != NULL)
                memcpy(state_EH + e * args->state_EH.ld, h_H, row_bytes);
        }
        if (last_BH != NULL)
            memcpy(last_BH + b * args->last_BH.ld, h_H, row_bytes);
    }
done:
    br_free(&next_H);
    br_free(&h_H);
    return st;
}
