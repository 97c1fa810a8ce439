/* SPDX-License-Identifier: Apache-2.0
 *
 * Row loops of the bf16 mode in 16 lanes, fp32 throughout. Called only where br_cpu_has_dot(). */
#ifndef BR_KERNELS_CPU_ENCODER_ROWS_BF16_H
#define BR_KERNELS_CPU_ENCODER_ROWS_BF16_H

#include <stdint.h>

/* y = gelu(y), as vector_math.h's: in place, or rounded to bf16 in half_O (or NULL) */
void br_cpu_row_gelu(float *y_O, int64_t n, uint16_t *half_O);

/* The gates of a GRU's event: h <- h + w (F(h, e) - h), hh = W_hh h + b_hh. 0.14 us for 128 units
 * on a Zen 4 core, without a division; gru.c's loop takes 0.36. */
void br_cpu_row_gates(const float *gate_3H, const float *hh_3H, float w, int64_t n, float *h_H);

/* n events of D values: logit_T[t] = u . x_TD[t] + offset, and out_D += sum_t weight_T[t] x_TD[t]
 */
typedef struct br_cpu_events {
    const float *x_TD;
    int64_t      ld_x;
    int64_t      n;
    int64_t      n_cols;
} br_cpu_events;
void br_cpu_row_logits(const br_cpu_events *x, const float *u_D, float offset, float *logit_T);
void br_cpu_row_mean(const br_cpu_events *x, const float *weight_T, float factor, float *out_D);

#endif
