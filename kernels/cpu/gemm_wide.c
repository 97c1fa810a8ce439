/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm.h's product on processors with AVX-512: two neighbouring panels at a time, 12 rows by 32
 * columns in 24 registers. The chains are those of the 6 x 16 block, so the bits are. Called by
 * every projection of the fp32 mode. */
#include <assert.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/cpu/gemm.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include "kernels/cpu/encoder/rows12.h"

#define TARGET    __attribute__((target("avx512f")))
#define WIDE_ROWS 12
#define WIDE_COLS (2 * BR_GEMM_COLS)

typedef struct block {
    const float *x;
    int64_t      ld_x;
    const float *panel;
    const float *next; /* the panel behind it */
    int64_t      n_in;
    float       *out;
    int64_t      ld_out;
} block;

#define MULTIPLY(r)                                                                                \
    do {                                                                                           \
        if ((r) >= rows)                                                                           \
            break;                                                                                 \
        v     = _mm512_set1_ps(*x##r);                                                             \
        lo##r = _mm512_fmadd_ps(v, lo, lo##r);                                                     \
        hi##r = _mm512_fmadd_ps(v, hi, hi##r);                                                     \
    } while (0)

TARGET BR_INLINE void run_block(const int rows, const block *b)
{
    const float *panel = b->panel, *next = b->next;
    ROWS12_POINTERS(float, b);
    EACH_ROW(ROW_DECLARE);

    for (int64_t i = 0; i < b->n_in; i++, panel += BR_GEMM_COLS, next += BR_GEMM_COLS) {
        __m512 lo = _mm512_loadu_ps(panel);
        __m512 hi = _mm512_loadu_ps(next);
        __m512 v;

        EACH_ROW(MULTIPLY);
        ROWS12_ADVANCE(1);
    }
    EACH_ROW(ROW_STORE);
}

ROWS12_BLOCKS

bool br_cpu_has_wide(void)
{
    return __builtin_cpu_supports("avx512f");
}

void br_cpu_gemm_wide(const br_cpu_gemm_args *args)
{
    float side_RC[WIDE_ROWS * WIDE_COLS];

    for (int64_t o = 0; o < args->n_out; o += WIDE_COLS) {
        int64_t n_cols = args->n_out - o < WIDE_COLS ? args->n_out - o : WIDE_COLS;
        bool    single = n_cols <= BR_GEMM_COLS; /* the panel stands in for the next */
        block   b      = {.ld_x = args->ld_x, .n_in = args->n_in};

        b.panel = args->packed + o * args->panel_in;
        b.next  = b.panel + (single ? 0 : BR_GEMM_COLS * args->panel_in);
        for (int64_t r = 0; r < args->n_rows; r += WIDE_ROWS) {
            int64_t n_rows = args->n_rows - r < WIDE_ROWS ? args->n_rows - r : WIDE_ROWS;
            float  *out    = args->out + r * args->ld_out + o;

            b.x      = args->x + r * args->ld_x;
            b.out    = n_cols == WIDE_COLS ? out : side_RC;
            b.ld_out = n_cols == WIDE_COLS ? args->ld_out : WIDE_COLS;
            block_of[n_rows](&b);
            for (int64_t i = 0; i < n_rows && n_cols < WIDE_COLS; i++)
                memcpy(out + i * args->ld_out, side_RC + i * WIDE_COLS,
                       (size_t)n_cols * sizeof(float));
        }
    }
}
#else
bool br_cpu_has_wide(void)
{
    return false;
}

void br_cpu_gemm_wide(const br_cpu_gemm_args *args)
{
    (void)args;
    assert(!"no AVX-512 on this processor");
}
#endif
