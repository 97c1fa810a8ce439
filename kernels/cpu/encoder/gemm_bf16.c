/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 12 rows by 32 columns: 24 accumulators of the 32 registers, two weight vectors and one
 * broadcast pair of inputs. On a Zen 4 core a tile reaches 94 % of the peak of vdpbf16ps at 128
 * inputs and 99 % at 512 (bench_gemm_bf16: 96 rows, 512 outputs). Called by every projection of the
 * bf16 mode. */
#include "kernels/cpu/encoder/gemm_bf16.h"

#include <assert.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/bf16.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/encoder/rows12.h"
#endif

int64_t br_cpu_packed_pairs(int64_t n_in, int64_t n_out)
{
    return (n_out + BR_DOT_COLS - 1) / BR_DOT_COLS * BR_DOT_COLS * br_cpu_pairs(n_in);
}

void br_cpu_pack_pairs(const br_cpu_weight *from, uint32_t *packed)
{
    for (int64_t o = 0; o < from->n_out; o += BR_DOT_COLS) {
        const float *first = from->weight + o * from->out_step;

        for (int64_t i = 0; i < from->n_in; i += 2) {
            for (int64_t c = 0; c < BR_DOT_COLS; c++) {
                const float *at   = first + c * from->out_step + i * from->in_step;
                bool         have = o + c < from->n_out;
                uint32_t     low  = have ? br_bf16_bits(at[0]) >> 16 : 0;
                uint32_t high = have && i + 1 < from->n_in ? br_bf16_bits(at[from->in_step]) : 0;

                packed[c] = high | low;
            }
            packed += BR_DOT_COLS;
        }
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

bool br_cpu_has_dot(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

TARGET void br_cpu_to_bf16(const float *x, int64_t n, uint16_t *out)
{
    int64_t i = 0;

    for (; i + 32 <= n; i += 32)
        _mm512_storeu_si512(out + i, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16),
                                                                  _mm512_loadu_ps(x + i)));
    for (; i < n; i += 16) {
        int64_t   left = n - i < 16 ? n - i : 16;
        __mmask16 in   = (__mmask16)((1u << left) - 1u);
        __mmask16 put  = (__mmask16)((1u << ((left + 1) / 2 * 2)) - 1u);

        _mm256_mask_storeu_epi16(out + i, put,
                                 (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(in, x + i)));
    }
}

typedef struct block {
    const uint16_t *x;
    int64_t         ld_x;
    const uint32_t *panel;
    int64_t         n_pairs;
    float          *out;
    int64_t         ld_out;
    const float    *bias;     /* 32 values */
    const float    *residual; /* or NULL */
    int64_t         ld_residual;
} block;

#define ROW_BEGIN(r) __m512 lo##r = _mm512_loadu_ps(b->bias), hi##r = _mm512_loadu_ps(b->bias + 16)
#define ROW_ADD(r)                                                                                 \
    do {                                                                                           \
        const float *at = b->residual + (r)*b->ld_residual;                                        \
        if ((r) >= rows)                                                                           \
            break;                                                                                 \
        lo##r = _mm512_add_ps(lo##r, _mm512_loadu_ps(at));                                         \
        hi##r = _mm512_add_ps(hi##r, _mm512_loadu_ps(at + 16));                                    \
    } while (0)

#define MULTIPLY(r)                                                                                \
    do {                                                                                           \
        int pair;                                                                                  \
        if ((r) >= rows)                                                                           \
            break;                                                                                 \
        memcpy(&pair, x##r, sizeof pair);                                                          \
        v     = (__m512bh)_mm512_set1_epi32(pair);                                                 \
        lo##r = _mm512_dpbf16_ps(lo##r, v, lo);                                                    \
        hi##r = _mm512_dpbf16_ps(hi##r, v, hi);                                                    \
    } while (0)

TARGET BR_INLINE void run_block(const int rows, const block *b)
{
    const uint32_t *w = b->panel;
    ROWS12_POINTERS(uint16_t, b);
    EACH_ROW(ROW_BEGIN);

    if (b->residual != NULL) {
        EACH_ROW(ROW_ADD);
    }
    for (int64_t i = 0; i < b->n_pairs; i++, w += BR_DOT_COLS) {
        __m512bh lo = (__m512bh)_mm512_loadu_si512(w);
        __m512bh hi = (__m512bh)_mm512_loadu_si512(w + 16);
        __m512bh v;

        EACH_ROW(MULTIPLY);
        ROWS12_ADVANCE(2);
    }
    EACH_ROW(ROW_STORE);
}

ROWS12_BLOCKS

/* Fewer than 32 columns: through whole blocks on the side. */
static void run_edge(block *b, int64_t n_rows, int64_t n_cols)
{
    float   bias_C[BR_DOT_COLS] = {0}, side_RC[BR_DOT_ROWS * BR_DOT_COLS] = {0};
    size_t  row_bytes = (size_t)n_cols * sizeof(float);
    float  *out       = b->out;
    int64_t ld_out    = b->ld_out;

    memcpy(bias_C, b->bias, row_bytes);
    for (int64_t r = 0; r < n_rows && b->residual != NULL; r++)
        memcpy(side_RC + r * BR_DOT_COLS, b->residual + r * b->ld_residual, row_bytes);
    b->bias        = bias_C;
    b->residual    = b->residual == NULL ? NULL : side_RC;
    b->ld_residual = BR_DOT_COLS;
    b->out         = side_RC;
    b->ld_out      = BR_DOT_COLS;
    block_of[n_rows](b);
    for (int64_t r = 0; r < n_rows; r++)
        memcpy(out + r * ld_out, side_RC + r * BR_DOT_COLS, row_bytes);
}

void br_cpu_gemm_dot(const br_cpu_dot_args *args)
{
    static const float zero_C[BR_DOT_COLS] = {0};

    for (int64_t o = 0; o < args->n_out; o += BR_DOT_COLS) {
        int64_t n_cols = args->n_out - o < BR_DOT_COLS ? args->n_out - o : BR_DOT_COLS;

        for (int64_t r = 0; r < args->n_rows; r += BR_DOT_ROWS) {
            int64_t n_rows = args->n_rows - r < BR_DOT_ROWS ? args->n_rows - r : BR_DOT_ROWS;
            block   b      = {.x           = args->x + r * args->ld_x,
                              .ld_x        = args->ld_x,
                              .panel       = args->packed + o * args->panel_pairs,
                              .n_pairs     = args->n_pairs,
                              .out         = args->out + r * args->ld_out + o,
                              .ld_out      = args->ld_out,
                              .bias        = args->bias == NULL ? zero_C : args->bias + o,
                              .ld_residual = args->ld_residual};

            if (args->residual != NULL)
                b.residual = args->residual + r * args->ld_residual + o;
            if (n_cols == BR_DOT_COLS)
                block_of[n_rows](&b);
            else
                run_edge(&b, n_rows, n_cols);
        }
    }
}
#else
bool br_cpu_has_dot(void)
{
    return false;
}

void br_cpu_to_bf16(const float *x, int64_t n, uint16_t *out)
{
    (void)x, (void)n, (void)out;
    assert(!"no bf16 products on this processor");
}

void br_cpu_gemm_dot(const br_cpu_dot_args *args)
{
    (void)args;
    assert(!"no bf16 products on this processor");
}
#endif
