/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 customers by 16 items, as in gemm.c, with the threshold test on the accumulators
 * instead of a store. Called for each block: nearly all the time of score_topk is spent here. */
#include "kernels/cpu/topk/screen.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static bool screen_plain(br_screen_f32 *b)
{
    uint32_t any = 0;

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        float *sum_C = b->score_RC[r];

        b->hit_R[r] = 0;
        for (int c = 0; c < BR_SCREEN_COLS; c++)
            sum_C[c] = 0.0f;
        for (int64_t d = 0; d < b->D; d++)
            for (int c = 0; c < BR_SCREEN_COLS; c++)
                sum_C[c] += b->x_R[r][d] * b->packed[d * BR_SCREEN_COLS + c];
        for (int c = 0; c < BR_SCREEN_COLS; c++) {
            sum_C[c] += b->bias_C[c];
            b->hit_R[r] |= (uint32_t)(sum_C[c] >= b->threshold_R[r]) << c;
        }
        any |= b->hit_R[r];
    }
    return any != 0;
}

#if defined(__x86_64__)
/* Twelve named accumulators: gcc keeps an array of them in memory. Not inlined: inside a larger
 * function it spills them. */
#define DECLARE(r) __m256 lo##r = _mm256_setzero_ps(), hi##r = _mm256_setzero_ps()
#define MULTIPLY(r)                                                                                \
    do {                                                                                           \
        __m256 v = _mm256_broadcast_ss(x##r + d);                                                  \
        lo##r    = _mm256_fmadd_ps(v, lo, lo##r);                                                  \
        hi##r    = _mm256_fmadd_ps(v, hi, hi##r);                                                  \
    } while (0)
#define TEST(r)                                                                                    \
    do {                                                                                           \
        __m256 t = _mm256_broadcast_ss(b->threshold_R + r);                                        \
        lo##r    = _mm256_add_ps(lo##r, lo);                                                       \
        hi##r    = _mm256_add_ps(hi##r, hi);                                                       \
        any      = _mm256_or_ps(any, _mm256_cmp_ps(lo##r, t, _CMP_GE_OQ));                         \
        any      = _mm256_or_ps(any, _mm256_cmp_ps(hi##r, t, _CMP_GE_OQ));                         \
    } while (0)
#define STORE(r)                                                                                   \
    do {                                                                                           \
        __m256 t = _mm256_broadcast_ss(b->threshold_R + r);                                        \
        _mm256_storeu_ps(b->score_RC[r], lo##r);                                                   \
        _mm256_storeu_ps(b->score_RC[r] + 8, hi##r);                                               \
        b->hit_R[r] = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(lo##r, t, _CMP_GE_OQ)) |          \
                      (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(hi##r, t, _CMP_GE_OQ)) << 8;      \
    } while (0)

__attribute__((target("avx2,fma"), noinline)) static bool screen_fma(br_screen_f32 *b)
{
    const float *z  = b->packed;
    const float *x0 = b->x_R[0], *x1 = b->x_R[1], *x2 = b->x_R[2];
    const float *x3 = b->x_R[3], *x4 = b->x_R[4], *x5 = b->x_R[5];
    __m256       any = _mm256_setzero_ps();
    __m256       lo, hi;
    DECLARE(0);
    DECLARE(1);
    DECLARE(2);
    DECLARE(3);
    DECLARE(4);
    DECLARE(5);

#pragma GCC unroll 4
    for (int64_t d = 0; d < b->D; d++, z += BR_SCREEN_COLS) {
        lo = _mm256_loadu_ps(z);
        hi = _mm256_loadu_ps(z + 8);
        MULTIPLY(0);
        MULTIPLY(1);
        MULTIPLY(2);
        MULTIPLY(3);
        MULTIPLY(4);
        MULTIPLY(5);
    }
    lo = _mm256_loadu_ps(b->bias_C);
    hi = _mm256_loadu_ps(b->bias_C + 8);
    TEST(0);
    TEST(1);
    TEST(2);
    TEST(3);
    TEST(4);
    TEST(5);
    if (_mm256_movemask_ps(any) == 0)
        return 0;
    STORE(0);
    STORE(1);
    STORE(2);
    STORE(3);
    STORE(4);
    STORE(5);
    return 1;
}
#endif

br_screen_f32_fn br_screen_f32_pick(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return screen_fma;
#endif
    return screen_plain;
}
