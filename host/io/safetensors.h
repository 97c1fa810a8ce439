/* SPDX-License-Identifier: Apache-2.0
 *
 * weights.safetensors, read whole into host memory as float32. Every length, offset and product is
 * checked before it is used: header of at most 16 MiB, tensors that cover the data without gap or
 * overlap, names once. Called once per model. */
#ifndef BR_HOST_IO_SAFETENSORS_H
#define BR_HOST_IO_SAFETENSORS_H

#include <stdint.h>

#include "host/base/status.h"
#include "models/model.h"

#define BR_SAFETENSORS_MAX_HEADER ((int64_t)16 << 20)

typedef struct br_safetensors br_safetensors;

/* F32, and F16, BF16 and F64 converted; `__metadata__` is passed over. BR_E_IO: missing,
 * unreadable, no regular file; BR_E_INPUT: anything else, naming file and tensor. */
br_status        br_safetensors_read(const char *path, br_safetensors **out);
void             br_safetensors_free(br_safetensors **weights);
const br_tensor *br_safetensors_tensors(const br_safetensors *weights, int32_t *n_tensors);

#endif
