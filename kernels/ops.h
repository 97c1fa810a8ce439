/* SPDX-License-Identifier: Apache-2.0
 *
 * The seam between the engine and the machines it runs on: devices, buffers, views (device.h) and
 * every operation (sequences, weights and blocks of encoders: block.h; random lists: draw.h; given
 * pairs: pairs.h; several devices: share.h). Backends (ref, cpu, cuda) implement the table behind
 * it; nobody else includes more of kernels/ than this file.
 *
 * Ops enqueue on the device's stream and return; only br_dev_sync and br_download wait. Arguments
 * are checked once, in ops.c (BR_E_SELFCHECK: a caller's mistake). Dimension letters are those of
 * STYLE: B rows, E packed events, D width, H heads, N items, K kept, M modalities.
 *
 * Results of a row never depend on the other rows of a call, nor on its place among them: any
 * split of rows over calls gives the same bits. (On cpu every sum is one chain in index order;
 * fixed tiles through OpenBLAS would not do, see kernels/cpu/gemm.h.) */
#ifndef BR_KERNELS_OPS_H
#define BR_KERNELS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/block.h"
#include "kernels/detect/resident.h"
#include "kernels/detect/witness.h"
#include "kernels/device.h"
#include "kernels/draw.h"
#include "kernels/pairs.h"
#include "kernels/share.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- encoders ------------------------------------------------------------------------------- */

/* embed: the input vector of each event, encoders.md 4.3.
 *   out_ED[e] = scale * item_VD[item] + position_PD[pos] + gap_GD[min(G-1, floor(log2(1+gap)))]
 *             + type_AD[type] + constant_1D ; absent tables add nothing
 *   gap    seconds since the sequence's previous event (0 for its first)
 *   pos    FROM_START t; FROM_END max_length-n+t; FROM_END_1 max_length-n+t+1
 *          (n length, t place from 0; n <= max_length)
 *   norm   where gamma_1D and beta_1D are given, each row is normed as by layer_norm (which has its
 *          card): the bits of the two ops, without the pass between them */
typedef enum { BR_POS_FROM_START, BR_POS_FROM_END, BR_POS_FROM_END_1 } br_position_rule;

typedef struct br_embed_args {
    const br_seqs   *seqs;
    br_mat           item_VD;
    float            scale;
    br_mat           position_PD;
    br_position_rule position_rule;
    int32_t          max_length;
    br_mat           gap_GD;
    br_mat           type_AD;
    br_mat           constant_1D;
    br_mat           gamma_1D;
    br_mat           beta_1D;
    double           eps;
    br_mat           out_ED;
} br_embed_args;
br_status br_op_embed(br_dev *dev, const br_embed_args *args);

/* layer_norm: out_RD = (y - mean) / sqrt(var + eps) * gamma_1D + beta_1D, y = x_RD + residual_RD
 * (absent: 0); biased variance, statistics in fp64. out may be x or residual. */
typedef struct br_layer_norm_args {
    br_mat x_RD;
    br_mat residual_RD;
    br_mat gamma_1D;
    br_mat beta_1D;
    double eps;
    br_mat out_RD;
} br_layer_norm_args;
br_status br_op_layer_norm(br_dev *dev, const br_layer_norm_args *args);

/* linear: out_RO = activation(x_RI weight_OI^T + bias_1O) + residual_RO (absent: 0).
 * out may be residual, never x. Cost 2*R*I*O flop. With weights prepared in bf16, x and (without a
 * residual) out may be bf16 views: the values that the next product would round to. */
typedef struct br_linear_args {
    br_mat             x_RI;
    br_mat             weight_OI;
    br_mat             bias_1O;
    br_activation      activation;
    br_mat             residual_RO;
    br_mat             out_RO;
    const br_prepared *prepared; /* weight_OI, 1 block; or NULL */
} br_linear_args;
br_status br_op_linear(br_dev *dev, const br_linear_args *args);

/* attention: causal softmax attention inside each packed sequence, no padding.
 *   in   qkv_E3D = [q | k | v], heads are contiguous slices of D; logit = q.k / sqrt(D/H) + ln w
 *        pad_key_1D, pad_value_1D (or absent): one virtual key before the sequence with logit bias
 *        ln(max_length - n), none when n == max_length: exact stand-in for left padding
 *   out  out_ED, heads concatenated (before the output projection)
 *   cost 2*n*n*D flop per sequence */
typedef struct br_attention_args {
    const br_seqs *seqs;
    br_mat         qkv_E3D;
    br_mat         pad_key_1D;
    br_mat         pad_value_1D;
    int32_t        n_heads;
    int32_t        max_length;
    br_mat         out_ED;
    br_precision   precision;
} br_attention_args;
br_status br_op_attention(br_dev *dev, const br_attention_args *args);

/* attention_last: the same attention for the last event of each sequence only, with the key and
 * value projections absorbed (encoders.md 4.1): per head u = W_k^T q, logit_t = (u.x_t + q.b_k)
 * / sqrt(D/H) + ln w_t, c = sum p_t x_t, out = W_v c + b_v.
 *   in   query_BD projected query of the last event; x_ED what keys and values are made from;
 *        key_weight_DD, value_weight_DD (rows = outputs), biases [1, D]
 *        pad_x_1D (or absent) the x of the virtual pad event, bias ln(max_length - n)
 *   out  out_BD; zeros for an empty sequence */
typedef struct br_attention_last_args {
    const br_seqs     *seqs;
    br_mat             query_BD;
    br_mat             x_ED;
    br_mat             key_weight_DD;
    br_mat             key_bias_1D;
    br_mat             value_weight_DD;
    br_mat             value_bias_1D;
    br_mat             pad_x_1D;
    int32_t            n_heads;
    int32_t            max_length;
    br_mat             out_BD;
    const br_prepared *key_prepared;   /* key_weight_DD in H blocks, transposed; or NULL */
    const br_prepared *value_prepared; /* value_weight_DD in H blocks; or NULL, as the key's */
} br_attention_last_args;
br_status br_op_attention_last(br_dev *dev, const br_attention_last_args *args);

/* last_rows: out_BD[b] = x_ED[last event of b]; zeros for an empty sequence. */
typedef struct br_last_rows_args {
    const br_seqs *seqs;
    br_mat         x_ED;
    br_mat         out_BD;
} br_last_rows_args;
br_status br_op_last_rows(br_dev *dev, const br_last_rows_args *args);

/* gru: one GRU layer over packed sequences, PyTorch gate order r, z, n (encoders.md 4.2).
 *   in   gate_E3H = W_ih x + b_ih, or gate_V3H: that of every item, read by seqs->item_E;
 *        weight_hh_3HH, bias_hh_1x3H (absent: 0; b_hn stays inside r*()), start_BH (absent: 0);
 *        weight w: h <- h + w (F(h, e) - h)
 *   out  state_EH every state (or absent), last_BH the last one (or absent); an empty sequence
 *        keeps start_BH */
typedef struct br_gru_args {
    const br_seqs     *seqs;
    br_mat             gate_E3H;
    br_mat             gate_V3H;
    br_mat             weight_hh_3HH;
    br_mat             bias_hh_13H;
    br_mat             start_BH;
    br_mat             state_EH;
    br_mat             last_BH;
    const br_prepared *prepared; /* weight_hh_3HH, 1 block; or NULL */
} br_gru_args;
br_status br_op_gru(br_dev *dev, const br_gru_args *args);

/* decay_pool: time-decayed mean of event vectors, one block of D columns per half-life tau:
 *   S <- S 2^(-gap/tau) + w e, W <- W 2^(-gap/tau) + w, v = S / (W + 1e-6), in time order, fp32
 *   in   item_VD rows by seqs->item_E, seqs->time_E; half_life_s[n_half_lives] seconds, > 0
 *   out  out_BJ, J = n_half_lives * D; zeros for an empty sequence */
#define BR_MAX_HALF_LIVES 8
typedef struct br_decay_pool_args {
    const br_seqs *seqs;
    br_mat         item_VD;
    int32_t        n_half_lives;
    double         half_life_s[BR_MAX_HALF_LIVES];
    br_mat         out_BJ;
} br_decay_pool_args;
br_status br_op_decay_pool(br_dev *dev, const br_decay_pool_args *args);

/* copy_rows: out_BD[b] = x_BD[b]; zeros where sequence b is empty (seqs NULL: a plain copy). out
 * may be x. */
typedef struct br_copy_rows_args {
    const br_seqs *seqs;
    br_mat         x_BD;
    br_mat         out_BD;
} br_copy_rows_args;
br_status br_op_copy_rows(br_dev *dev, const br_copy_rows_args *args);

/* ---- fusion --------------------------------------------------------------------------------- */

/* gather_rows: out_BD[b] = table_VD[row_B[b]]; zeros where the row is -1. */
typedef struct br_gather_rows_args {
    br_mat table_VD;
    br_mat row_B; /* i32 [B, 1] */
    br_mat out_BD;
} br_gather_rows_args;
br_status br_op_gather_rows(br_dev *dev, const br_gather_rows_args *args);

/* fuse_inputs: what fusion's linear layers read.
 *   in   state_BS, modality d owning the next width[d] of its columns; present_BM u8;
 *        aggregate_BA, NaN: missing; mean_A, std_A > 0 (host)
 *   out  gate_BI, I = S + M: states, zeros where absent, then presence as 0 or 1
 *        flag_BF, F = 2A: (a - mean) / std in fp64, rounded once, 0 where missing; then 1 where
 *        missing, else 0. Either may be absent, with its inputs */
#define BR_MAX_FUSED 16
typedef struct br_fuse_inputs_args {
    int32_t       n_modalities; /* 1..BR_MAX_FUSED */
    int32_t       width[BR_MAX_FUSED];
    br_mat        state_BS;
    br_mat        present_BM;
    br_mat        aggregate_BA;
    const double *mean_A;
    const double *std_A;
    br_mat        gate_BI;
    br_mat        flag_BF;
} br_fuse_inputs_args;
br_status br_op_fuse_inputs(br_dev *dev, const br_fuse_inputs_args *args);

/* fuse: gated attention over the modalities a customer has (eq. 3; GMU form).
 *   alpha = softmax over present d of (attention_1D . g_d + ln confidence_d)
 *   out_BD = residual_BD (absent: 0) + sum_d alpha_d z_d * g_d; default_1D instead of the sum
 *   where nothing is present
 *   in   g_BMD, z_BMD: [B, M*D], after tanh and sigmoid; present_BM u8; confidence_BM f32 in (0,1]
 *   out  out_BD; alpha_BM, gate_BM (mean of z_d over D), both 0 where absent (or views absent) */
typedef struct br_fuse_args {
    int32_t n_modalities; /* 1..BR_MAX_FUSED */
    br_mat  g_BMD;
    br_mat  z_BMD;
    br_mat  attention_1D;
    br_mat  default_1D;
    br_mat  present_BM;
    br_mat  confidence_BM;
    br_mat  residual_BD;
    br_mat  out_BD;
    br_mat  alpha_BM;
    br_mat  gate_BM;
} br_fuse_args;
br_status br_op_fuse(br_dev *dev, const br_fuse_args *args);

/* norm_band: scales each row of x_BD (in place) so that lo <= |x| <= hi; norms in fp64; a zero
 * row stays. 0 <= lo <= hi; hi = +inf leaves the top open. */
br_status br_op_norm_band(br_dev *dev, br_mat x_BD, double lo, double hi);

/* mlp: what becomes of fused rows (eq. 2): out_BD = band(h(layer_norm(x_BD))).
 *   h      n_layers times weight_DD x + bias_1D (absent: 0), the activation between layers, none
 *          after the last; 0 layers: nothing. band as norm_band, where has_band
 *   in     x_BD, which is lost, as is what spare_BD held; out_BD is neither
 *   cost   2*B*D*D flop a layer; a row stays near until it is done
 *   agrees with ref: 4e-6 x max(1, |x|), D up to 512 */
#define BR_MAX_MLP_LAYERS 3
typedef struct br_mlp_args {
    br_mat        x_BD;
    br_mat        gamma_1D;
    br_mat        beta_1D;
    double        eps;
    int32_t       n_layers; /* 0..BR_MAX_MLP_LAYERS */
    br_mat        weight_DD[BR_MAX_MLP_LAYERS];
    br_mat        bias_1D[BR_MAX_MLP_LAYERS];
    br_activation activation;
    bool          has_band;
    double        lo;
    double        hi;
    br_mat        spare_BD;
    br_mat        out_BD;
} br_mlp_args;
br_status br_op_mlp(br_dev *dev, const br_mlp_args *args);

/* 2^x by the fixed operations of kernels/exp.h, the same bits everywhere: for what the host decides
 * on the way to a list. */
double br_exp2_fixed(double x);

/* ---- scoring -------------------------------------------------------------------------------- */

/* How score_topk finds the items that are worth an exact score. The lists are the same. A kind that
 * a backend lacks is its nearest better one: FP16 and BF16 are INT16 on cpu; FP32 and INT16 are
 * FP16, the finest there is, on cuda. ref screens nothing. */
typedef enum { BR_LSE_NONE, BR_LSE_FINE, BR_LSE_COARSE } br_lse_kind; /* to 1e-5, to 1e-3 */
typedef enum {
    BR_SCREEN_AUTO,
    BR_SCREEN_FP32,
    BR_SCREEN_INT16,
    BR_SCREEN_INT8,
    BR_SCREEN_FP16,
    BR_SCREEN_BF16
} br_screen_kind;

/* items_prepare: a catalogue made ready once per run. The views must outlive *out.
 *   in   item_ND f32; bias_N f32 [N, 1] or absent; require_N u64 [N, 1] or absent; k: how long
 *        lists will be, about (0: unknown), a hint to the planner; logsumexp: how exact one will
 *        be wanted (FINE screens in fp32, COARSE in int16 at most); is_witnessed: keep what
 *        checksums of the score pass need */
typedef struct br_items_args {
    br_mat         item_ND;
    br_mat         bias_N;
    br_mat         require_N;
    br_screen_kind screen;
    int32_t        k;
    br_lse_kind    logsumexp;
    bool           is_witnessed;
} br_items_args;
br_status br_items_prepare(br_dev *dev, const br_items_args *args, br_items **out);
void      br_items_free(br_items **items);

/* score_topk: the K best eligible items for each query; the B x N scores are never stored.
 *   in     query_BD f32; items; never-list of each row: never_offset_B1 i64 [B+1, 1] into
 *          never_item_S i32 [S, 1] (ascending within a row; both absent: none);
 *          have_B u64 [B, 1] (absent: all bits; eligible iff (have & require) == require);
 *          wanted_B u8 [B, 1] (absent: all): for rows of 0 nothing is eligible;
 *          floor_B f32 [B, 1] (absent: -inf): K eligible items are known to score this or more
 *   out    item_BK i32, score_BK f32, best first; -1 and NaN where fewer than K remain
 *          logsumexp_B f32 [B, 1] or absent: ln sum e^(score / temperature) over the row's eligible
 *          items, -inf where there are none; within 1e-5 (FINE) or 1e-3 (COARSE) of it for scores
 *          of usual size over the temperature (docs/EXACTNESS.md); items were prepared for it
 *   order  canonical score descending (docs/EXACTNESS.md), then item row ascending
 *   bounds 1 <= K <= 1024; 1 <= D <= 1024
 *   errors BR_E_INPUT when a score overflows fp32: bad_row and bad_item say where; BR_E_SELFCHECK,
 *          or a list without the floor, where fewer than K items reach it
 *   cost   2*B*N*D flop at most; items are read once per tile of queries
 *   agrees with ref: the same items and the same score bits */
typedef struct br_score_topk_args {
    const br_items *items;
    br_mat          query_BD;
    br_mat          never_offset_B1;
    br_mat          never_item_S;
    br_mat          have_B;
    br_mat          wanted_B;
    br_mat          floor_B;
    int32_t         k;
    br_mat          item_BK;
    br_mat          score_BK;
    double          temperature; /* > 0 where logsumexp_B is wanted */
    br_mat          logsumexp_B;
    int64_t         bad_row; /* out, on BR_E_INPUT */
    int64_t         bad_item;
    int64_t         n_slow;   /* out: rows redone on the slow path */
    int64_t         n_second; /* rows whose foretold threshold was too high: a second pass */
    int64_t         n_rescored;
    br_witness      witness; /* out, where items are witnessed; zeros elsewhere */
} br_score_topk_args;
br_status br_op_score_topk(br_dev *dev, br_score_topk_args *args);

/* Scratch that score_topk takes from its lane, at most. */
size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k);

#ifdef __cplusplus
}
#endif

#endif
