/* SPDX-License-Identifier: Apache-2.0
 *
 * The ref backend: one plain function per op, which is the op's specification. Dot products and
 * statistics are summed in fp64 in index order and rounded to fp32 once, where an op stores its
 * result. The cpu backend takes an entry from here wherever plain loops are as good. */
#ifndef BR_KERNELS_REF_REF_H
#define BR_KERNELS_REF_REF_H

#include "kernels/backend.h"
#include "kernels/bf16.h"

#ifdef __cplusplus
extern "C" {
#endif

/* memory.c: buffers in host memory, for ref and cpu */
br_status br_ref_open(br_dev *dev);
void      br_ref_close(br_dev *dev);
br_status br_ref_allocate(size_t bytes, void **memory);
void      br_ref_release(void *memory);
br_status br_ref_upload(br_dev *dev, br_mat to, const void *from);
br_status br_ref_download(br_dev *dev, br_mat from, void *to);
br_status br_ref_sync(br_dev *dev);

/* hash.c */
br_status br_ref_hash(br_dev *dev, br_mat x_RC, br_mat out_11);

/* encoders and fusion */
br_status br_ref_embed(br_dev *dev, const br_embed_args *args);
br_status br_ref_layer_norm(br_dev *dev, const br_layer_norm_args *args);
br_status br_ref_linear(br_dev *dev, const br_linear_args *args);
br_status br_ref_attention(br_dev *dev, const br_attention_args *args);
br_status br_ref_attention_last(br_dev *dev, const br_attention_last_args *args);
br_status br_ref_last_rows(br_dev *dev, const br_last_rows_args *args);
br_status br_ref_gru(br_dev *dev, const br_gru_args *args);
br_status br_ref_decay_pool(br_dev *dev, const br_decay_pool_args *args);
br_status br_ref_gather_rows(br_dev *dev, const br_gather_rows_args *args);
br_status br_ref_copy_rows(br_dev *dev, const br_copy_rows_args *args);
br_status br_ref_fuse_inputs(br_dev *dev, const br_fuse_inputs_args *args);
br_status br_ref_fuse(br_dev *dev, const br_fuse_args *args);
br_status br_ref_norm_band(br_dev *dev, br_mat x_BD, double lo, double hi);
br_status br_ref_mlp(br_dev *dev, const br_mlp_args *args); /* by the ops of dev's own table */

/* scoring */
br_status br_ref_items_prepare(br_dev *dev, br_items *items);
void      br_ref_items_release(br_items *items);
br_status br_ref_score_topk(br_dev *dev, br_score_topk_args *args);
br_status br_ref_draw_topk(br_dev *dev, br_draw_topk_args *args);
br_status br_ref_score_pairs(br_dev *dev, const br_score_pairs_args *args);
br_status br_ref_pair_mlp(br_dev *dev, const br_pair_mlp_args *args);
br_status br_ref_calibrate(br_dev *dev, const br_calibrate_args *args);

/* What the precisions mean: an operand of a matrix product as it is, or rounded to bfloat16. */
static inline double br_ref_operand(double x, br_precision precision)
{
    return precision == BR_PRECISION_BF16 ? (double)br_bf16((float)x) : x;
}

/* linear.c: the dot product of two rows of operands */
double br_ref_dot(const float *a, const float *b, int64_t n, br_precision precision);

/* embed.c: what norms n_rows rows of out_ED in place, from `first` on */
br_layer_norm_args br_ref_embed_norm(const br_embed_args *args, int64_t first, int64_t n_rows);

/* BR_E_SELFCHECK unless 0 <= row < n_rows: a host backend never reads outside a table. */
br_status br_ref_check_row(const char *op, int64_t at, int64_t row, int64_t n_rows);

#ifdef __cplusplus
}
#endif

#endif
