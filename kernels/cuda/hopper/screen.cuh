/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen for sm_90a, and the sums of its log-sum-exp, as the others see them (screen.cu,
 * sums.cu). */
#ifndef BR_KERNELS_CUDA_HOPPER_SCREEN_CUH
#define BR_KERNELS_CUDA_HOPPER_SCREEN_CUH

#include "kernels/cuda/hopper/tensor_map.cuh"
#include "kernels/cuda/topk/topk.cuh"

/* A tensor map, as bytes: it need not be aligned as one. */
typedef struct br_box_map {
    unsigned char bytes[sizeof(br_tensor_map)];
} br_box_map;

/* Why Hopper's screen cannot take the catalogue, or NULL. Prepared: row_bytes, shared_most. */
const char *br_hopper_refusal(const br_cuda_items *items, int device_major);
/* Why its sums cannot, of a catalogue that the screen takes, or NULL. */
const char *br_hopper_sums_refusal(const br_cuda_items *items);

/* Once the codes have their place: items->map, by which br_topk_screen knows, and below_map, by
 * which br_topk_sums does, where a log-sum-exp is wanted. Freed by br_free. */
br_status br_hopper_prepare(br_cuda_items *items);

br_status br_hopper_sums(br_dev *dev, const br_topk_chunk *chunk);
br_status br_hopper_screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range);

#endif
