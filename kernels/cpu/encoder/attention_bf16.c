/* SPDX-License-Identifier: Apache-2.0
 *
 * attention in bf16 on processors with AVX-512 BF16: as attention.c, 12 queries at a time. Keys,
 * values and queries are rounded as they are packed; the softmax runs in powers of two and leaves
 * the exponentials rounded, their sum in fp32. Called once per layer and chunk. Agrees with ref
 * within 4e-3 x max(1, |v|): a logit's last bits may round an exponential the other way. */
#include "kernels/cpu/encoder/attention.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <math.h>
#include <string.h>

#include "kernels/cpu/encoder/gemm_bf16.h"
#include "kernels/cpu/encoder/powers.h"

typedef struct head {
    const br_attention_args *args;
    int64_t                  first;   /* event of the sequence */
    int64_t                  n;       /* length of the sequence */
    int64_t                  n_pads;  /* 1: key 0 is the pad's */
    int64_t                  n_keys;  /* n + n_pads */
    int64_t                  col;     /* first column of the head */
    int64_t                  width;   /* D / H */
    int64_t                  n_pairs; /* of the width */
    int64_t                  most;    /* keys that there is room for, a multiple of 32 */
    float                   *bias_T;  /* log2 of each key's weight */
    float                   *logit_RT;
    uint16_t                *weight_RT; /* e^(logit - largest) */
    uint16_t                *query_RD;
    uint16_t                *row_D;
    uint32_t                *key;   /* panels of 32 keys */
    uint32_t                *value; /* panels of 32 columns, pairs of keys */
} head;

static const float *source(const head *h, int64_t part, int64_t slot)
{
    const br_attention_args *args = h->args;

    if (slot < h->n_pads)
        return br_mat_f32(part == 1 ? args->pad_key_1D : args->pad_value_1D) + h->col;
    return br_mat_f32(args->qkv_E3D) + (h->first + slot - h->n_pads) * args->qkv_E3D.ld +
           part * args->out_ED.n_cols + h->col;
}

/* Keys side by side; behind the last one stays what was there: softmax masks it. */
static void pack_keys(const head *h)
{
    for (int64_t slot = 0; slot < h->n_keys; slot++) {
        uint32_t *to = h->key + slot / BR_DOT_COLS * BR_DOT_COLS * h->n_pairs + slot % BR_DOT_COLS;

        br_cpu_to_bf16(source(h, 1, slot), h->width, h->row_D);
        for (int64_t c = 0; c < h->n_pairs; c++)
            memcpy(to + c * BR_DOT_COLS, h->row_D + 2 * c, sizeof *to);
    }
}

/* Two values above each other in one pair, 0 below an odd last one. */
BR_DOT_TARGET static void pack_values(const head *h)
{
    int64_t n_key_pairs = br_cpu_pairs(h->n_keys);

    for (int64_t s = 0; s < n_key_pairs; s++) {
        const float *low     = source(h, 2, 2 * s);
        bool         is_pair = 2 * s + 1 < h->n_keys;
        const float *high    = is_pair ? source(h, 2, 2 * s + 1) : low;

        for (int64_t c = 0; c < h->width; c += 16) {
            uint32_t *to = h->value + c / BR_DOT_COLS * BR_DOT_COLS * n_key_pairs +
                           s * BR_DOT_COLS + c % BR_DOT_COLS;
            __mmask16 in   = h->width - c < 16 ? (__mmask16)((1u << (h->width - c)) - 1u) : 0xFFFF;
            __mmask16 also = is_pair ? in : 0;
            __m512i   l    = _mm512_cvtepu16_epi32(
                     (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(in, low + c)));
            __m512i u = _mm512_cvtepu16_epi32(
                (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(also, high + c)));

            _mm512_storeu_si512(to, _mm512_or_si512(l, _mm512_slli_epi32(u, 16)));
        }
    }
}

/* As br_cpu_softmax, but bf16 to weight_T, n_stored a multiple of 16. */
BR_DOT_TARGET static float softmax(float *row_T, const float *bias_T, float scale, int64_t n,
                                   int64_t n_stored, uint16_t *weight_T)
{
    __m512    by   = _mm512_set1_ps(scale);
    __m512    most = _mm512_set1_ps(-INFINITY);
    __m512    sum  = _mm512_setzero_ps();
    int64_t   full = n / 16 * 16;
    __mmask16 tail = (__mmask16)((1u << (n - full)) - 1u);
    int64_t   s    = 0;

    for (; s < full; s += 16) {
        __m512 x = _mm512_fmadd_ps(_mm512_loadu_ps(row_T + s), by, _mm512_loadu_ps(bias_T + s));

        _mm512_storeu_ps(row_T + s, x);
        most = _mm512_max_ps(most, x);
    }
    if (tail != 0) {
        __m512 x = _mm512_fmadd_ps(_mm512_loadu_ps(row_T + s), by, _mm512_loadu_ps(bias_T + s));

        _mm512_storeu_ps(row_T + s, _mm512_mask_blend_ps(tail, _mm512_set1_ps(-INFINITY), x));
        most = _mm512_mask_max_ps(most, tail, most, x);
    }
    most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (s = 0; s < n; s += 16) {
        __m512 p = br_power_of_two(_mm512_sub_ps(_mm512_loadu_ps(row_T + s), most));

        sum = _mm512_add_ps(sum, p);
        _mm256_storeu_si256((__m256i *)(void *)(weight_T + s), (__m256i)_mm512_cvtneps_pbh(p));
    }
    for (; s < n_stored; s += 16)
        _mm256_storeu_si256((__m256i *)(void *)(weight_T + s), _mm256_setzero_si256());
    return _mm512_reduce_add_ps(sum);
}

BR_DOT_TARGET static void scale_row(float *row_D, float factor, int64_t n)
{
    int64_t d = 0;

    for (; d + 16 <= n; d += 16)
        _mm512_storeu_ps(row_D + d,
                         _mm512_mul_ps(_mm512_loadu_ps(row_D + d), _mm512_set1_ps(factor)));
    for (; d < n; d++)
        row_D[d] *= factor;
}

/* Queries t .. t + n_rows - 1. */
static void attend(const head *h, int64_t t, int64_t n_rows)
{
    const br_attention_args *args   = h->args;
    int64_t                  n_seen = h->n_pads + t + n_rows; /* keys of the last of them */
    int64_t                  n_even = (n_seen + 15) / 16 * 16;
    float *out_RD = br_mat_f32(args->out_ED) + (h->first + t) * args->out_ED.ld + h->col;
    float  scale  = (float)((double)BR_LOG2_E / sqrt((double)h->width));
    float  sum_R[BR_DOT_ROWS];

    for (int64_t r = 0; r < n_rows; r++)
        br_cpu_to_bf16(source(h, 0, h->n_pads + t + r), h->width, h->query_RD + r * 2 * h->n_pairs);
    br_cpu_gemm_dot(&(br_cpu_dot_args){.x           = h->query_RD,
                                       .ld_x        = 2 * h->n_pairs,
                                       .n_rows      = n_rows,
                                       .packed      = h->key,
                                       .panel_pairs = h->n_pairs,
                                       .n_pairs     = h->n_pairs,
                                       .n_out       = (n_seen + 31) / 32 * 32,
                                       .out         = h->logit_RT,
                                       .ld_out      = h->most});
    for (int64_t r = 0; r < n_rows; r++)
        sum_R[r] = softmax(h->logit_RT + r * h->most, h->bias_T, scale, h->n_pads + t + r + 1,
                           n_even, h->weight_RT + r * h->most);
    br_cpu_gemm_dot(&(br_cpu_dot_args){.x           = h->weight_RT,
                                       .ld_x        = h->most,
                                       .n_rows      = n_rows,
                                       .packed      = h->value,
                                       .panel_pairs = br_cpu_pairs(h->n_keys),
                                       .n_pairs     = br_cpu_pairs(n_seen),
                                       .n_out       = h->width,
                                       .out         = out_RD,
                                       .ld_out      = args->out_ED.ld});
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
        h->bias_T[0] = (float)log2((double)n_pads);
    for (int64_t s = 0; s < h->n; s++)
        h->bias_T[h->n_pads + s] = w_E == NULL ? 0.0f : (float)log2((double)w_E[h->first + s]);
    for (int64_t i = 0; i < n_heads; i++) {
        h->col = i * h->width;
        pack_keys(h);
        pack_values(h);
        for (int64_t t = 0; t < h->n; t += BR_DOT_ROWS)
            attend(h, t, h->n - t < BR_DOT_ROWS ? h->n - t : BR_DOT_ROWS);
    }
}

br_status br_cpu_attention_dot(br_dev *dev, const br_attention_args *args)
{
    br_status      st     = BR_OK;
    const int32_t *offset = args->seqs->host_offset_B1;
    int64_t        width  = args->out_ED.n_cols / args->n_heads;
    int64_t        most   = (br_cpu_most_keys(args) + 31) / 32 * 32;
    int64_t        wide   = (width + 31) / 32 * 32;
    head           h = {.args = args, .width = width, .n_pairs = br_cpu_pairs(width), .most = most};
    int64_t        n_floats = most * (1 + BR_DOT_ROWS) + most / 2 * BR_DOT_ROWS +
                       (BR_DOT_ROWS + 1) * wide / 2 + most * wide / 2 + most * wide / 2;
    float *memory;

    BR_TRY(st, br_cpu_workspace(dev, n_floats, &memory));
    h.key       = (uint32_t *)(void *)memory;
    h.value     = h.key + most * wide / 2;
    h.bias_T    = (float *)(void *)(h.value + most * wide / 2);
    h.logit_RT  = h.bias_T + most;
    h.weight_RT = (uint16_t *)(void *)(h.logit_RT + BR_DOT_ROWS * most);
    h.query_RD  = h.weight_RT + BR_DOT_ROWS * most;
    h.row_D     = h.query_RD + BR_DOT_ROWS * wide;
    for (int64_t b = 0; b < args->seqs->n_seqs; b++) {
        h.first = offset[b];
        h.n     = offset[b + 1] - offset[b];
        if (h.n > 0)
            attend_sequence(&h);
    }
done:
    return st;
}
#else
br_status br_cpu_attention_dot(br_dev *dev, const br_attention_args *args)
{
    (void)dev, (void)args;
    return br_fail(BR_E_SELFCHECK, "attention: no bf16 products on this processor");
}
#endif
