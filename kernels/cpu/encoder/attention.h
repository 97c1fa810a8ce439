/* SPDX-License-Identifier: Apache-2.0
 *
 * The two forms of attention: attention.c takes fp32, and bf16 where the processor has no products
 * of it; attention_bf16.c the rest. */
#ifndef BR_KERNELS_CPU_ENCODER_ATTENTION_H
#define BR_KERNELS_CPU_ENCODER_ATTENTION_H

#include "kernels/cpu/cpu.h"

br_status br_cpu_attention_dot(br_dev *dev, const br_attention_args *args);

/* Keys that a sequence of this call, or of a later one, may have, the pad's included. */
int64_t br_cpu_most_keys(const br_attention_args *args);

#endif
