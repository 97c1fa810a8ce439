/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax of one row of logits, for attention and attention_last. */
#ifndef BR_KERNELS_CPU_SOFTMAX_H
#define BR_KERNELS_CPU_SOFTMAX_H

#include <stdint.h>

#define BR_SOFTMAX_LANES 16

/* In place: row[s] = exp(scale row[s] + bias[s] - largest) for s < n, 0 for n <= s < n_stored, a
 * multiple of 16, 1 <= n; bias is readable as far. Returns the sum of the row. Sums run in 16
 * interleaved chains, so a row's bits depend on nothing but the row. */
float br_cpu_softmax(float *row, const float *bias, float scale, int32_t n, int32_t n_stored);

#endif
