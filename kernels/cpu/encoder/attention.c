/* SPDX-License-Identifier: Apache-2.0
 *
 * attention: sequence by sequence and head by head. Keys and values are packed once, the pad's
 * virtual key as key 0; then every 6 queries are multiplied with the keys up to the last of them,
 * the rows are masked and normalised, and multiplied with the values. All places are counted from
 * the start of the sequence, so a sequence's bits do not depend on where it lies. Called once per
 * layer and chunk. Agrees with ref within 2e-6 x max(1, |v|) times a few; bf16 as attention_bf16.c.
 */
#include "kernels/cpu/encoder/attention.h"

#include <math.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/cpu/encoder/product.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/softmax.h"

#define PLANNED_LENGTH 4096 /* up to this max_length the workspace never grows again */

typedef struct head {
    const br_attention_args *args;
    int64_t                  first;  /* event of the sequence */
    int64_t                  n;      /* length of the sequence */
    int64_t                  n_pads; /* 1: key 0 is the pad's */
    int64_t                  n_keys; /* n + n_pads */
    int64_t                  col;    /* first column of the head */
    int64_t                  width;  /* D / H */
    float                   *bias_T; /* ln of each key's weight */
    float                   *key;    /* packed: width inputs, n_keys outputs */
    float                   *value;  /* packed: n_keys inputs, width outputs */
    float                   *logit_RT;
    int64_t                  ld_logit;
    float                   *query_RD; /* rounded; bf16 only */
} head;

BR_CLONES static void scale_row(float *restrict row_D, float factor, int64_t n)
{
    for (int64_t d = 0; d < n; d++)
        row_D[d] *= factor;
}

static int64_t round_up(int64_t n)
{
    return (n + BR_GEMM_COLS - 1) / BR_GEMM_COLS * BR_GEMM_COLS;
}

/* Row `slot` of the keys (part 1) or values (part 2), 0..n_keys-1. Query t is row n_pads + t of
 * part 0. */
static const float *source(const head *h, int64_t part, int64_t slot)
{
    const br_attention_args *args = h->args;

    if (slot < h->n_pads)
        return br_mat_f32(part == 1 ? args->pad_key_1D : args->pad_value_1D) + h->col;
    return br_mat_f32(args->qkv_E3D) + (h->first + slot - h->n_pads) * args->qkv_E3D.ld +
           part * args->out_ED.n_cols + h->col;
}

/* A panel of 16 keys side by side; the last one repeats behind the end, where softmax masks. */
static void pack_keys(const head *h)
{
    const float *from[BR_GEMM_COLS];
    float       *to = h->key;

    for (int64_t slot = 0; slot < h->n_keys; slot += BR_GEMM_COLS) {
        for (int64_t k = 0; k < BR_GEMM_COLS; k++)
            from[k] = source(h, 1, slot + k < h->n_keys ? slot + k : h->n_keys - 1);
        for (int64_t c = 0; c < h->width; c++, to += BR_GEMM_COLS)
            for (int64_t k = 0; k < BR_GEMM_COLS; k++)
                to[k] = from[k][c];
    }
}

/* 16 columns of the values at a time, zeros behind the last. */
static void pack_values(const head *h)
{
    float *to = h->value;

    for (int64_t c = 0; c < h->width; c += BR_GEMM_COLS) {
        int64_t n_cols = h->width - c < BR_GEMM_COLS ? h->width - c : BR_GEMM_COLS;

        for (int64_t slot = 0; slot < h->n_keys; slot++, to += BR_GEMM_COLS) {
            const float *from = source(h, 2, slot) + c;

            if (n_cols == BR_GEMM_COLS) {
                memcpy(to, from, BR_GEMM_COLS * sizeof(float));
                continue;
            }
            memset(to, 0, BR_GEMM_COLS * sizeof(float));
            for (int64_t i = 0; i < n_cols; i++)
                to[i] = from[i];
        }
    }
}

/* Queries t .. t + n_rows - 1. */
static void attend(const head *h, int64_t t, int64_t n_rows)
{
    const br_attention_args *args   = h->args;
    int64_t                  n_seen = h->n_pads + t + n_rows; /* keys of the last of them */
    float       *out_RD = br_mat_f32(args->out_ED) + (h->first + t) * args->out_ED.ld + h->col;
    float        scale  = (float)(1.0 / sqrt((double)h->width));
    float        sum_R[BR_GEMM_ROWS];
    const float *query_RD = source(h, 0, h->n_pads + t);
    int64_t      ld_query = args->qkv_E3D.ld;

    if (args->precision == BR_PRECISION_BF16) {
        br_cpu_round_rows(query_RD, ld_query, n_rows, h->width, h->query_RD);
        query_RD = h->query_RD;
        ld_query = h->width;
    }
    br_cpu_gemm(&(br_cpu_gemm_args){.x        = query_RD,
                                    .ld_x     = ld_query,
                                    .n_rows   = n_rows,
                                    .packed   = h->key,
                                    .panel_in = h->width,
                                    .n_in     = h->width,
                                    .n_out    = round_up(n_seen),
                                    .out      = h->logit_RT,
                                    .ld_out   = h->ld_logit});
    for (int64_t r = 0; r < n_rows; r++)
        sum_R[r] = br_cpu_softmax(h->logit_RT + r * h->ld_logit, h->bias_T, scale,
                                  (int32_t)(h->n_pads + t + r + 1), (int32_t)round_up(n_seen));
    if (args->precision == BR_PRECISION_BF16)
        br_cpu_round_rows(h->logit_RT, h->ld_logit, 1, (n_rows - 1) * h->ld_logit + n_seen,
                          h->logit_RT);
    br_cpu_gemm(&(br_cpu_gemm_args){.x        = h->logit_RT,
                                    .ld_x     = h->ld_logit,
                                    .n_rows   = n_rows,
                                    .packed   = h->value,
                                    .panel_in = h->n_keys,
                                    .n_in     = n_seen,
                                    .n_out    = h->width,
                                    .out      = out_RD,
                                    .ld_out   = args->out_ED.ld});
    for (int64_t r = 0; r < n_rows; r++)
        scale_row(out_RD + r * args->out_ED.ld, 1.0f / sum_R[r], h->width);
}

static void attend_sequence(head *h)
{
    const float *w_E     = br_mat_f32(h->args->seqs->weight_E);
    int64_t      n_pads  = h->args->max_length - h->n;
    int64_t      n_heads = h->args->n_heads;

    h->n_pads = h->args->pad_key_1D.buf != NULL && n_pads > 0 ? 1 : 0;
    h->n_keys = h->n_pads + h->n;
    if (h->n_pads > 0)
        h->bias_T[0] = (float)log((double)n_pads);
    for (int64_t s = 0; s < h->n; s++)
        h->bias_T[h->n_pads + s] = w_E == NULL ? 0.0f : (float)log((double)w_E[h->first + s]);
    for (int64_t i = 0; i < n_heads; i++) {
        h->col = i * h->width;
        pack_keys(h);
        pack_values(h);
        if (h->args->precision == BR_PRECISION_BF16) {
            int64_t n_key   = round_up(h->n_keys) * h->width;
            int64_t n_value = round_up(h->width) * h->n_keys;

            br_cpu_round_rows(h->key, n_key, 1, n_key, h->key);
            br_cpu_round_rows(h->value, n_value, 1, n_value, h->value);
        }
        for (int64_t t = 0; t < h->n; t += BR_GEMM_ROWS)
            attend(h, t, h->n - t < BR_GEMM_ROWS ? h->n - t : BR_GEMM_ROWS);
    }
}

int64_t br_cpu_most_keys(const br_attention_args *args)
{
    const br_seqs *seqs = args->seqs;
    int64_t        most = 0;

    if (args->max_length <= PLANNED_LENGTH)
        return args->max_length + 1;

    for (int64_t b = 0; b < seqs->n_seqs; b++) {
        int64_t n = seqs->host_offset_B1[b + 1] - seqs->host_offset_B1[b];
        most      = n > most ? n : most;
    }
    return most + 1;
}

br_status br_cpu_attention(br_dev *dev, const br_attention_args *args)
{
    br_status      st       = BR_OK;
    const int32_t *offset   = args->seqs->host_offset_B1;
    int64_t        width    = args->out_ED.n_cols / args->n_heads;
    int64_t        most     = round_up(br_cpu_most_keys(args));
    head           h        = {.args = args, .width = width, .ld_logit = most};
    int64_t        packed   = most * round_up(width);
    int64_t        n_floats = most * (1 + BR_GEMM_ROWS) + 2 * packed + BR_GEMM_ROWS * width;

    if (br_cpu_layout_of(dev, args->precision) == BR_LAYOUT_PAIRS)
        return br_cpu_attention_dot(dev, args);
    BR_TRY(st, br_cpu_workspace(dev, n_floats, &h.bias_T));
    h.logit_RT = h.bias_T + most;
    h.key      = h.logit_RT + BR_GEMM_ROWS * most;
    h.value    = h.key + packed;
    h.query_RD = h.value + packed;
    for (int64_t b = 0; b < args->seqs->n_seqs; b++) {
        h.first = offset[b];
        h.n     = offset[b + 1] - offset[b];
        if (h.n > 0)
            attend_sequence(&h);
    }
done:
    return st;
}
