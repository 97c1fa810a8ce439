/* SPDX-License-Identifier: Apache-2.0
 *
 * The cpu backend: the ops where vector loops pay, one thread per lane. A row's bits
 * depend neither on its place in a call nor on the other rows. */
#ifndef BR_KERNELS_CPU_CPU_H
#define BR_KERNELS_CPU_CPU_H

#include "kernels/backend.h"

/* device.c: the lane and its workspace */
br_status br_cpu_open(br_dev *dev);
void      br_cpu_close(br_dev *dev);

/* At least n_floats, 64-byte aligned, until the lane's next call. Grows to the largest op of a run
 * and stays there: nothing is allocated once each op has been seen. */
br_status br_cpu_workspace(br_dev *dev, int64_t n_floats, float **out);

/* The widest vectors that score_topk's screens and pair_mlp may use where the processor has them:
 * BATCHRANK_SCREEN_CPU=avx2 or plain takes the path of a lesser one, for tests and comparisons. */
typedef enum { BR_VECTORS_PLAIN, BR_VECTORS_AVX2, BR_VECTORS_AVX512 } br_vectors;
br_vectors br_cpu_widest(void);

/* Does the lane multiply bf16 by the processor's own instruction? Tests can take it away. */
bool br_cpu_uses_dot(const br_dev *dev);
void br_cpu_forbid_dot(br_dev *dev);

br_status br_cpu_weight_prepare(br_dev *dev, br_prepared *weight);
void      br_cpu_weight_release(br_prepared *weight);
int32_t   br_cpu_weight_pieces(const br_prepared *weight, br_piece piece[BR_MAX_PIECES]);
br_status br_cpu_embed(br_dev *dev, const br_embed_args *args);
br_status br_cpu_layer_norm(br_dev *dev, const br_layer_norm_args *args);
br_status br_cpu_linear(br_dev *dev, const br_linear_args *args);
br_status br_cpu_attention(br_dev *dev, const br_attention_args *args);
br_status br_cpu_attention_last(br_dev *dev, const br_attention_last_args *args);
br_status br_cpu_gru(br_dev *dev, const br_gru_args *args);
br_status br_cpu_mlp(br_dev *dev, const br_mlp_args *args);

br_status br_cpu_items_prepare(br_dev *dev, br_items *items);
void      br_cpu_items_release(br_items *items);
int32_t   br_cpu_items_pieces(const br_items *items, br_piece piece[BR_MAX_PIECES]);
br_status br_cpu_score_topk(br_dev *dev, br_score_topk_args *args);
br_status br_cpu_draw_topk(br_dev *dev, br_draw_topk_args *args);
br_status br_cpu_score_pairs(br_dev *dev, const br_score_pairs_args *args);
br_status br_cpu_pair_mlp(br_dev *dev, const br_pair_mlp_args *args);

#endif
