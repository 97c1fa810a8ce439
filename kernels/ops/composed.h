/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of encoders by the ops that they stand for: what a backend falls back to (ops/block.c). */
#ifndef BR_KERNELS_OPS_COMPOSED_H
#define BR_KERNELS_OPS_COMPOSED_H

#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

br_status br_self_attention_composed(br_dev *dev, const br_self_attention_args *args);
br_status br_feed_forward_composed(br_dev *dev, const br_feed_forward_args *args);

#ifdef __cplusplus
}
#endif

#endif
