/* SPDX-License-Identifier: Apache-2.0
 *
 * attention_last: the two absorbed projections are matrix products over blocks of sequences; in
 * between, each sequence streams its events once for the logits and once for their mean. Called
 * once per chunk, in an encoder's last layer. Agrees with ref within 4e-6 x max(1, |x|). */
#include <math.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/encoder/product.h"
#include "kernels/cpu/encoder/rows_bf16.h"
#include "kernels/cpu/softmax.h"

#define BLOCK_SEQS ((int64_t)48)
#define LANES      8

typedef struct plan {
    const br_attention_last_args *args;
    int64_t                       n_cols; /* D */
    int64_t                       width;  /* D / H */
    const br_cpu_packed          *key;    /* per head: width inputs, D outputs */
    const br_cpu_packed          *value;  /* per head: D inputs, width outputs */
    float                        *side;
    float                        *u_BHD; /* W_k^T q, then sum p_t x_t */
    float                        *logit_T;
    float                        *bias_T;
} plan;

BR_CLONES static float dot(const float *restrict a_D, const float *restrict b_D, int64_t n)
{
    float   sum[LANES] = {0};
    int64_t d          = 0;

    for (; d + LANES <= n; d += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += a_D[d + l] * b_D[d + l];
    for (int l = 0; d < n; d++, l++)
        sum[l] += a_D[d] * b_D[d];
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

BR_CLONES static void add_scaled(const float *restrict x_D, float factor, int64_t n,
                                 float *restrict out_D)
{
    for (int64_t d = 0; d < n; d++)
        out_D[d] += factor * x_D[d];
}

static int64_t round_up(int64_t n)
{
    return (n + BR_SOFTMAX_LANES - 1) / BR_SOFTMAX_LANES * BR_SOFTMAX_LANES;
}

/* logit_T = u . x + offset of every event; then out = sum of weights x factor x events. The bf16
 * mode sums in 16 lanes where it can. */
static void find_logits(const plan *p, const br_cpu_events *x, const float *u_D, float offset,
                        float *logit_T)
{
    if (p->key->layout == BR_LAYOUT_PAIRS) {
        br_cpu_row_logits(x, u_D, offset, logit_T);
        return;
    }
    for (int64_t s = 0; s < x->n; s++)
        logit_T[s] = dot(u_D, x->x_TD + s * x->ld_x, x->n_cols) + offset;
}

static void add_events(const plan *p, const br_cpu_events *x, const float *weight_T, float factor,
                       float *out_D)
{
    if (p->key->layout == BR_LAYOUT_PAIRS) {
        br_cpu_row_mean(x, weight_T, factor, out_D);
        return;
    }
    for (int64_t s = 0; s < x->n; s++)
        add_scaled(x->x_TD + s * x->ld_x, weight_T[s] * factor, x->n_cols, out_D);
}

/* Sequence b, head i: u becomes the weighted mean of the events. */
static void attend(const plan *p, int64_t b, int64_t i, float *u_D)
{
    const br_attention_last_args *args   = p->args;
    const float                  *bk_D   = br_mat_f32(args->key_bias_1D);
    const float                  *w_E    = br_mat_f32(args->seqs->weight_E);
    int64_t                       first  = args->seqs->host_offset_B1[b];
    int64_t                       n      = args->seqs->host_offset_B1[b + 1] - first;
    int64_t                       n_pads = args->max_length - n;
    int64_t                       pad    = args->pad_x_1D.buf != NULL && n_pads > 0 ? 1 : 0;
    const float  *q_D    = br_mat_f32(args->query_BD) + b * args->query_BD.ld + i * p->width;
    float         q_bias = bk_D == NULL ? 0.0f : dot(q_D, bk_D + i * p->width, p->width);
    br_cpu_events event  = {br_mat_f32(args->x_ED) + first * args->x_ED.ld, args->x_ED.ld, n,
                            p->n_cols};
    br_cpu_events pads   = {br_mat_f32(args->pad_x_1D), p->n_cols, pad, p->n_cols};
    float         factor;

    find_logits(p, &pads, u_D, q_bias, p->logit_T);
    find_logits(p, &event, u_D, q_bias, p->logit_T + pad);
    if (pad > 0)
        p->bias_T[0] = (float)log((double)n_pads);
    for (int64_t s = 0; s < n; s++)
        p->bias_T[pad + s] = w_E == NULL ? 0.0f : (float)log((double)w_E[first + s]);
    factor = 1.0f / br_cpu_softmax(p->logit_T, p->bias_T, (float)(1.0 / sqrt((double)p->width)),
                                   (int32_t)(pad + n), (int32_t)round_up(pad + n));
    memset(u_D, 0, (size_t)p->n_cols * sizeof(float));
    add_events(p, &pads, p->logit_T, factor, u_D);
    add_events(p, &event, p->logit_T + pad, factor, u_D);
}

/* out = W_v c + b_v, zeros where the sequence is empty */
static void finish(const plan *p, int64_t b)
{
    const br_attention_last_args *args   = p->args;
    const int32_t                *offset = args->seqs->host_offset_B1;
    const float                  *bv_D   = br_mat_f32(args->value_bias_1D);
    float                        *out_D  = br_mat_f32(args->out_BD) + b * args->out_BD.ld;

    if (offset[b] == offset[b + 1])
        memset(out_D, 0, (size_t)p->n_cols * sizeof(float));
    else if (bv_D != NULL)
        add_scaled(bv_D, 1.0f, p->n_cols, out_D);
}

static void attend_block(const plan *p, int64_t b, int64_t n_seqs)
{
    const br_attention_last_args *args   = p->args;
    const int32_t                *offset = args->seqs->host_offset_B1;
    int64_t                       ld_u   = args->n_heads * p->n_cols;

    for (int64_t i = 0; i < args->n_heads; i++) {
        float *u_BD = p->u_BHD + i * p->n_cols;

        br_cpu_product(&(br_cpu_product_args){.x = br_mat_f32(args->query_BD) +
                                                   b * args->query_BD.ld + i * p->width,
                                              .ld_x   = args->query_BD.ld,
                                              .n_rows = n_seqs,
                                              .weight = p->key,
                                              .block  = i,
                                              .out    = u_BD,
                                              .ld_out = ld_u,
                                              .side   = p->side});
        for (int64_t s = 0; s < n_seqs; s++)
            if (offset[b + s] < offset[b + s + 1])
                attend(p, b + s, i, u_BD + s * ld_u);
        br_cpu_product(&(br_cpu_product_args){.x      = u_BD,
                                              .ld_x   = ld_u,
                                              .n_rows = n_seqs,
                                              .weight = p->value,
                                              .block  = i,
                                              .out    = br_mat_f32(args->out_BD) +
                                                     b * args->out_BD.ld + i * p->width,
                                              .ld_out = args->out_BD.ld,
                                              .side   = p->side});
    }
    for (int64_t s = 0; s < n_seqs; s++)
        finish(p, b + s);
}

br_status br_cpu_attention_last(br_dev *dev, const br_attention_last_args *args)
{
    br_status            st      = BR_OK;
    int64_t              n_heads = args->n_heads;
    int64_t              n_cols  = args->out_BD.n_cols;
    int64_t              most    = round_up((int64_t)args->max_length + 1);
    plan                 p       = {.args = args, .n_cols = n_cols, .width = n_cols / n_heads};
    const br_weight_args key     = {args->key_weight_DD, BR_PRECISION_FP32, args->n_heads, true};
    const br_weight_args value   = {args->value_weight_DD, BR_PRECISION_FP32, args->n_heads, false};
    int64_t              n_floats = BLOCK_SEQS * n_heads * n_cols + 2 * most;
    br_cpu_packed        own_key, own_value;
    int64_t              n_side;
    float               *memory;

    p.key   = br_cpu_weight_plan(dev, args->key_prepared, &key, &own_key, &n_floats);
    p.value = br_cpu_weight_plan(dev, args->value_prepared, &value, &own_value, &n_floats);
    n_side  = br_cpu_side_floats(p.key, BLOCK_SEQS);
    if (n_side < br_cpu_side_floats(p.value, BLOCK_SEQS))
        n_side = br_cpu_side_floats(p.value, BLOCK_SEQS);
    BR_TRY(st, br_cpu_workspace(dev, n_floats + n_side, &memory));
    br_cpu_weight_pack(p.key, &key, &own_key, &memory);
    br_cpu_weight_pack(p.value, &value, &own_value, &memory);
    p.side    = memory;
    p.u_BHD   = p.side + n_side;
    p.logit_T = p.u_BHD + BLOCK_SEQS * n_heads * n_cols;
    p.bias_T  = p.logit_T + most;
    for (int64_t b = 0; b < args->seqs->n_seqs; b += BLOCK_SEQS) {
        int64_t left = args->seqs->n_seqs - b;
        attend_block(&p, b, left < BLOCK_SEQS ? left : BLOCK_SEQS);
    }
done:
    return st;
}
