/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 rows by 16 columns held in registers: 12 accumulators of 8 lanes leave room for two
 * weight vectors and one broadcast input in AVX2's 16 registers. Panels are the outer loop: one
 * panel stays in the first-level cache while all rows pass. Processors with AVX-512 take
 * gemm_wide.c instead. Called by every projection. */
#include "kernels/cpu/gemm.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* One block: rows beyond n_rows repeat the last one, so that every row takes the same path. */
typedef struct block {
    const float *x_R[BR_GEMM_ROWS];
    const float *panel;
    int64_t      n_in;
} block;

typedef void (*block_fn)(const block *b, float *out, int64_t ld_out);

int64_t br_cpu_packed_floats(int64_t n_in, int64_t n_out)
{
    return (n_out + BR_GEMM_COLS - 1) / BR_GEMM_COLS * BR_GEMM_COLS * n_in;
}

void br_cpu_pack(const br_cpu_weight *from, float *packed)
{
    for (int64_t o = 0; o < from->n_out; o += BR_GEMM_COLS) {
        int64_t      n_cols = from->n_out - o < BR_GEMM_COLS ? from->n_out - o : BR_GEMM_COLS;
        const float *first  = from->weight + o * from->out_step;

        for (int64_t i = 0; i < from->n_in; i++) {
            for (int64_t c = 0; c < n_cols; c++)
                packed[c] = first[c * from->out_step + i * from->in_step];
            for (int64_t c = n_cols; c < BR_GEMM_COLS; c++)
                packed[c] = 0.0f;
            packed += BR_GEMM_COLS;
        }
    }
}

static void block_plain(const block *b, float *out, int64_t ld_out)
{
    for (int64_t r = 0; r < BR_GEMM_ROWS; r++) {
        float sum_C[BR_GEMM_COLS] = {0};

        for (int64_t i = 0; i < b->n_in; i++)
            for (int64_t c = 0; c < BR_GEMM_COLS; c++)
                sum_C[c] += b->x_R[r][i] * b->panel[i * BR_GEMM_COLS + c];
        memcpy(out + r * ld_out, sum_C, sizeof sum_C);
    }
}

#if defined(__x86_64__)
/* Twelve named accumulators: gcc keeps an array of them in memory. Not inlined: inside a larger
 * function it spills them. */
#define DECLARE(r) __m256 lo##r = _mm256_setzero_ps(), hi##r = _mm256_setzero_ps()
#define MULTIPLY(r)                                                                                \
    do {                                                                                           \
        __m256 v = _mm256_broadcast_ss(x##r + i);                                                  \
        lo##r    = _mm256_fmadd_ps(v, lo, lo##r);                                                  \
        hi##r    = _mm256_fmadd_ps(v, hi, hi##r);                                                  \
    } while (0)
#define STORE(r)                                                                                   \
    do {                                                                                           \
        _mm256_storeu_ps(out + (r)*ld_out, lo##r);                                                 \
        _mm256_storeu_ps(out + (r)*ld_out + 8, hi##r);                                             \
    } while (0)

__attribute__((target("avx2,fma"), noinline)) static void block_fma(const block *b, float *out,
                                                                    int64_t ld_out)
{
    const float *w    = b->panel;
    int64_t      n_in = b->n_in;
    const float *x0 = b->x_R[0], *x1 = b->x_R[1], *x2 = b->x_R[2];
    const float *x3 = b->x_R[3], *x4 = b->x_R[4], *x5 = b->x_R[5];
    DECLARE(0);
    DECLARE(1);
    DECLARE(2);
    DECLARE(3);
    DECLARE(4);
    DECLARE(5);

    for (int64_t i = 0; i < n_in; i++, w += BR_GEMM_COLS) {
        __m256 lo = _mm256_loadu_ps(w);
        __m256 hi = _mm256_loadu_ps(w + 8);
        MULTIPLY(0);
        MULTIPLY(1);
        MULTIPLY(2);
        MULTIPLY(3);
        MULTIPLY(4);
        MULTIPLY(5);
    }
    STORE(0);
    STORE(1);
    STORE(2);
    STORE(3);
    STORE(4);
    STORE(5);
}
#endif

static block_fn pick_block(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return block_fma;
#endif
    return block_plain;
}

/* Rows r.. of columns o.., at the edges through a whole block on the side. */
static void put_block(const br_cpu_gemm_args *args, block_fn run, int64_t r, int64_t o)
{
    float   side_RC[BR_GEMM_ROWS * BR_GEMM_COLS];
    float  *out    = args->out + r * args->ld_out + o;
    int64_t n_rows = args->n_rows - r < BR_GEMM_ROWS ? args->n_rows - r : BR_GEMM_ROWS;
    int64_t n_cols = args->n_out - o < BR_GEMM_COLS ? args->n_out - o : BR_GEMM_COLS;
    block   b      = {.panel = args->packed + o * args->panel_in, .n_in = args->n_in};

    for (int64_t i = 0; i < BR_GEMM_ROWS; i++)
        b.x_R[i] = args->x + (r + (i < n_rows ? i : n_rows - 1)) * args->ld_x;
    if (n_rows == BR_GEMM_ROWS && n_cols == BR_GEMM_COLS) {
        run(&b, out, args->ld_out);
        return;
    }
    run(&b, side_RC, BR_GEMM_COLS);
    for (int64_t i = 0; i < n_rows; i++)
        memcpy(out + i * args->ld_out, side_RC + i * BR_GEMM_COLS, (size_t)n_cols * sizeof(float));
}

void br_cpu_gemm_narrow(const br_cpu_gemm_args *args)
{
    block_fn run = pick_block();

    for (int64_t o = 0; o < args->n_out; o += BR_GEMM_COLS)
        for (int64_t r = 0; r < args->n_rows; r += BR_GEMM_ROWS)
            put_block(args, run, r, o);
}

void br_cpu_gemm(const br_cpu_gemm_args *args)
{
    if (br_cpu_has_wide())
        br_cpu_gemm_wide(args);
    else
        br_cpu_gemm_narrow(args);
}
