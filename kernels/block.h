/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed sequences, weights of matrix products, and blocks of an encoder that are several ops in
 * one: a part of the seam (ops.h includes it). A backend that has no kernel for a block composes it
 * of the ops that it stands for. */
#ifndef BR_KERNELS_BLOCK_H
#define BR_KERNELS_BLOCK_H

#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* B sequences packed one after the other, each oldest event first. Sequence b owns events
 * offset_B1[b] .. offset_B1[b+1]-1; it may be empty. */
typedef struct br_seqs {
    int64_t        n_seqs;
    int64_t        n_events;
    const int32_t *host_offset_B1; /* the same offsets on the host, [B+1], for planning */
    br_mat         offset_B1;      /* i32 [B+1, 1] */
    br_mat         item_E;         /* i32 [E, 1] row of the embedding table, never negative */
    br_mat         time_E;         /* i64 [E, 1] seconds; absent unless an op needs it */
    br_mat         type_E;         /* u8 [E, 1] or absent: all 0 */
    br_mat         weight_E;       /* f32 [E, 1] identity confidence in (0, 1], or absent: all 1 */
} br_seqs;

typedef enum {
    BR_ACT_NONE,
    BR_ACT_RELU,
    BR_ACT_GELU,
    BR_ACT_TANH,
    BR_ACT_SIGMOID,
    BR_ACT_SILU
} br_activation; /* GELU is the erf form */

/* What enters a matrix product: fp32, or values rounded to bfloat16 (ties to even). All else (sums,
 * norms, softmax, gates, states) is fp32 in both. docs/MODELS.md says what each op rounds. */
typedef enum { BR_PRECISION_FP32, BR_PRECISION_BF16 } br_precision;

/* weight_prepare: a matrix rounded and packed once per model; ops take it beside its view, and an
 * op without one packs per call, in fp32. The view must outlive *out. */
typedef struct br_weight_args {
    br_mat       weight_OI;
    br_precision precision;
    int32_t      n_blocks; /* equal groups of rows (heads), each on its own */
    bool         is_transposed;
} br_weight_args;
br_status br_weight_prepare(br_dev *dev, const br_weight_args *args, br_prepared **out);
void      br_prepared_free(br_prepared **weight);

/* self_attention: the first half of a block of the SASRec family whose queries, keys and values are
 * made of the same rows.
 *   in     seqs; x_ED f32; y = x, normed as by layer_norm where before_gamma_1D and before_beta_1D
 *          are given; [q | k | v] = y qkv_weight^T + qkv_bias (absent: 0); pads, n_heads and
 *          max_length as attention's
 *   out    out_ED = attention(q, k, v) out_weight^T + out_bias (absent: 0) + x. out may be x
 *   room   qkv_E3D and mixed_ED, f32: what they hold afterwards is not said
 *   bounds as attention's and linear's; with weights in bf16 (both are) attention is too
 *   cost   8*E*D*D flop, and attention's
 *   agrees with layer_norm, linear, attention, linear one after the other, as feed_forward does
 *   errors BR_E_SELFCHECK for views, weights or sequences that do not fit together, eps < 0 */
typedef struct br_self_attention_args {
    const br_seqs     *seqs;
    br_mat             x_ED;
    br_mat             before_gamma_1D;
    br_mat             before_beta_1D;
    double             eps;
    br_mat             qkv_weight_3DD;
    br_mat             qkv_bias_13D;
    br_mat             pad_key_1D;
    br_mat             pad_value_1D;
    int32_t            n_heads;
    int32_t            max_length;
    br_mat             out_weight_DD;
    br_mat             out_bias_1D;
    br_mat             qkv_E3D;
    br_mat             mixed_ED;
    br_mat             out_ED;
    const br_prepared *qkv_prepared; /* qkv_weight_3DD, 1 block; or NULL */
    const br_prepared *out_prepared; /* out_weight_DD, 1 block; or NULL, as the other */
} br_self_attention_args;
br_status br_op_self_attention(br_dev *dev, const br_self_attention_args *args);

/* feed_forward: the second half of a block of the SASRec family (encoders.md 4.1), with the norms
 * around it.
 *   in     x_RD f32; y = x, normed as by layer_norm where before_gamma_1D and before_beta_1D are
 *          given; inner_weight_ID, outer_weight_DI and biases [1, I], [1, D] (absent: 0)
 *   out    out_RD = FFN(y) + y, FFN(y) + x where adds_x; then normed where after_gamma_1D and
 *          after_beta_1D are given; FFN(y) = activation(y inner^T + b) outer^T + b. out may be x
 *   room   normed_RD f32 (where adds_x) and inner_RI, f32 or, with weights in bf16, bf16: what they
 *          hold afterwards is not said
 *   bounds D and I as linear's widths; with weights in bf16 both are, and y and the activations are
 *          rounded
 *   cost   4*R*D*I flop
 *   agrees with layer_norm, linear, linear, layer_norm one after the other: the same bits where it
 *          is composed of them, else what bf16 leaves (docs/MODELS.md)
 *   errors BR_E_SELFCHECK for views or weights that do not fit together, eps < 0 */
typedef struct br_feed_forward_args {
    br_mat             x_RD;
    br_mat             before_gamma_1D;
    br_mat             before_beta_1D;
    br_mat             after_gamma_1D;
    br_mat             after_beta_1D;
    double             eps;
    bool               adds_x;
    br_mat             inner_weight_ID;
    br_mat             inner_bias_1I;
    br_activation      activation;
    br_mat             outer_weight_DI;
    br_mat             outer_bias_1D;
    br_mat             normed_RD;
    br_mat             inner_RI;
    br_mat             out_RD;
    const br_prepared *inner_prepared; /* inner_weight_ID, 1 block; or NULL */
    const br_prepared *outer_prepared; /* outer_weight_DI, 1 block; or NULL, as the inner one */
} br_feed_forward_args;
br_status br_op_feed_forward(br_dev *dev, const br_feed_forward_args *args);

#ifdef __cplusplus
}
#endif

#endif
