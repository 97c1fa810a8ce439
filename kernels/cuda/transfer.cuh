/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane's ring of page-locked memory, made by its first copy. */
#ifndef BR_KERNELS_CUDA_TRANSFER_CUH
#define BR_KERNELS_CUDA_TRANSFER_CUH

#include "kernels/cuda/launch.cuh"

/* After the stream's last copy. */
void br_cuda_ring_close(br_cuda_lane *lane);

#endif
