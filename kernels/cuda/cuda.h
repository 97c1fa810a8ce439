/* SPDX-License-Identifier: Apache-2.0
 *
 * The cuda backend's functions, as its table names them: one .cu per op. Ops enqueue on the lane's
 * stream and return. A row's bits depend neither on its place in a call nor on the other rows. */
#ifndef BR_KERNELS_CUDA_CUDA_H
#define BR_KERNELS_CUDA_CUDA_H

#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* choose.c */
br_status br_cuda_choose(int32_t place, bool is_asked_for);

/* device.cu */
bool        br_cuda_is_there(void); /* a GPU that could be used, whether it works or not */
br_status   br_cuda_open(br_dev *dev);
void        br_cuda_close(br_dev *dev);
br_status   br_cuda_allocate(size_t bytes, void **memory);
void        br_cuda_release(void *memory);
br_status   br_cuda_room(br_dev *dev, size_t *bytes);
br_status   br_cuda_sync(br_dev *dev);
br_launches br_cuda_launches(const br_dev *dev);

/* transfer.cu */
br_status br_cuda_upload(br_dev *dev, br_mat to, const void *from);
br_status br_cuda_download(br_dev *dev, br_mat from, void *to);

/* share.cu */
br_status br_cuda_hash(br_dev *dev, br_mat x_RC, br_mat out_11);
void     *br_cuda_stream(const br_dev *dev);
br_status br_cuda_poll(br_dev *dev, bool *is_done);

/* gemm.cu */
br_status br_cuda_weight_prepare(br_dev *dev, br_prepared *weight);
void      br_cuda_weight_release(br_prepared *weight);
int32_t   br_cuda_weight_pieces(const br_prepared *weight, br_piece piece[BR_MAX_PIECES]);

/* encoder/ */
br_status br_cuda_embed(br_dev *dev, const br_embed_args *args);
br_status br_cuda_layer_norm(br_dev *dev, const br_layer_norm_args *args);
br_status br_cuda_linear(br_dev *dev, const br_linear_args *args);
br_status br_cuda_attention(br_dev *dev, const br_attention_args *args);
br_status br_cuda_attention_last(br_dev *dev, const br_attention_last_args *args);
br_status br_cuda_last_rows(br_dev *dev, const br_last_rows_args *args);
br_status br_cuda_gru(br_dev *dev, const br_gru_args *args);
br_status br_cuda_decay_pool(br_dev *dev, const br_decay_pool_args *args);

/* block/ */
br_status br_cuda_self_attention(br_dev *dev, const br_self_attention_args *args);
br_status br_cuda_feed_forward(br_dev *dev, const br_feed_forward_args *args);

/* fusion/ */
br_status br_cuda_gather_rows(br_dev *dev, const br_gather_rows_args *args);
br_status br_cuda_copy_rows(br_dev *dev, const br_copy_rows_args *args);
br_status br_cuda_fuse_inputs(br_dev *dev, const br_fuse_inputs_args *args);
br_status br_cuda_fuse(br_dev *dev, const br_fuse_args *args);
br_status br_cuda_norm_band(br_dev *dev, br_mat x_BD, double lo, double hi);
br_status br_cuda_mlp(br_dev *dev, const br_mlp_args *args);

/* topk/ */
br_status br_cuda_items_prepare(br_dev *dev, br_items *items);
void      br_cuda_items_release(br_items *items);
int32_t   br_cuda_items_pieces(const br_items *items, br_piece piece[BR_MAX_PIECES]);
br_status br_cuda_score_topk(br_dev *dev, br_score_topk_args *args);

/* draw/ */
br_status br_cuda_draw_topk(br_dev *dev, br_draw_topk_args *args);

/* score/ */
br_status br_cuda_score_pairs(br_dev *dev, const br_score_pairs_args *args);
br_status br_cuda_pair_mlp(br_dev *dev, const br_pair_mlp_args *args);
br_status br_cuda_calibrate(br_dev *dev, const br_calibrate_args *args);

#ifdef __cplusplus
}
#endif

#endif
