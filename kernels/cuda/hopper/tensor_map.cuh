/* SPDX-License-Identifier: Apache-2.0
 *
 * What the copy engine must know of a matrix of bytes on the device. A box of it is BR_BOX_ROWS
 * rows of BR_BOX_BYTES bytes and lies in shared memory as wgmma reads it: row r at 128 r, in which
 * the 16-byte pieces p stand in the order p ^ r % 8 (the 128-byte swizzle: no bank conflicts). */
#ifndef BR_KERNELS_CUDA_HOPPER_TENSOR_MAP_CUH
#define BR_KERNELS_CUDA_HOPPER_TENSOR_MAP_CUH

#include <cuda.h>

#include "kernels/cuda/launch.cuh"

#define BR_BOX_ROWS  128
#define BR_BOX_BYTES 128

typedef CUtensorMap br_tensor_map;

/* n_rows rows of row_bytes bytes, one after the other from `from`: 16-aligned, row_bytes too.
 * BR_E_DEVICE where the driver has no tensor maps, or refuses this one. tensor_map.cu */
br_status br_tensor_map_make(const void *from, int64_t n_rows, int64_t row_bytes,
                             br_tensor_map *out);

#endif
