/* SPDX-License-Identifier: Apache-2.0
 *
 * Fused blocks as the ops see them: which calls they take. */
#ifndef BR_KERNELS_CUDA_BLOCK_BLOCK_CUH
#define BR_KERNELS_CUDA_BLOCK_BLOCK_CUH

#include "kernels/cuda/hopper/tensor_map.cuh"

/* Does `op`'s fused kernel take a call that it could take but for `refusal` (NULL: nothing)? Only
 * where BATCHRANK_ENCODER_CUDA=hopper asks for it (else `general`; BR_E_USAGE for other words). The
 * log says which, and why, once per op, process and precision: was_said is the op's own. choose.cu
 */
br_status br_block_choose(const char *op, const char *refusal, bool was_said[2], bool *is_taken);

/* What refuses every fused block on this lane, or NULL. */
const char *br_block_refusal(const br_dev *dev, br_precision precision);

/* Will calls in bf16 that have a fused kernel take it? */
bool br_block_is_asked_for(const br_dev *dev);

/* The packed weight (bf16, one block) as the copy engine sees it. */
br_status br_block_map(const br_prepared *weight, br_tensor_map *out);

#endif
