/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 customers by 16 items on 16-bit codes. One vpmaddwd does 16 products where a fused
 * multiply-add does 8, and both run twice a cycle. Called for each block: nearly all the time of
 * score_topk is spent here. */
#include "kernels/cpu/topk/screen.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static bool screen_plain(br_screen_i16 *b)
{
    uint32_t any = 0;

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        b->hit_R[r] = 0;
        for (int c = 0; c < BR_SCREEN_COLS; c++) {
            int32_t sum = 0;

            for (int64_t p = 0; p < b->n_pairs; p++) {
                const int16_t *x = b->x + 2 * (p * BR_SCREEN_ROWS + r);
                const int16_t *z = b->z + 2 * (p * BR_SCREEN_COLS + c);
                sum += x[0] * z[0] + x[1] * z[1];
            }
            b->sum_RC[r][c] = sum;
            b->hit_R[r] |= (uint32_t)(sum > b->above_R[r]) << c;
        }
        any |= b->hit_R[r];
    }
    return any != 0;
}

#if defined(__x86_64__)
/* sum += pair * lo, sum += pair * hi for customer r. In asm, since gcc 12 moves some of the twelve
 * sums to the stack; 16 registers, none to spare. */
#define CLEAR(r)                                                                                   \
    "vpxor %[lo" #r "], %[lo" #r "], %[lo" #r "]\n\t"                                              \
    "vpxor %[hi" #r "], %[hi" #r "], %[hi" #r "]\n\t"
#define MULTIPLY(r)                                                                                \
    "vpbroadcastd 4*" #r "(%[x]), %[pair]\n\t"                                                     \
    "vpmaddwd %[lo], %[pair], %[term]\n\t"                                                         \
    "vpaddd %[term], %[lo" #r "], %[lo" #r "]\n\t"                                                 \
    "vpmaddwd %[hi], %[pair], %[pair]\n\t"                                                         \
    "vpaddd %[pair], %[hi" #r "], %[hi" #r "]\n\t"
#define SUMS(r) [lo##r] "=&x"(lo##r), [hi##r] "=&x"(hi##r)
#define TEST(r)                                                                                    \
    do {                                                                                           \
        __m256i t = _mm256_set1_epi32(b->above_R[r]);                                              \
        any       = _mm256_or_si256(any, _mm256_cmpgt_epi32(lo##r, t));                            \
        any       = _mm256_or_si256(any, _mm256_cmpgt_epi32(hi##r, t));                            \
    } while (0)
#define HITS(v, t) (uint32_t) _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32((v), (t))))
#define STORE(r)                                                                                   \
    do {                                                                                           \
        __m256i t = _mm256_set1_epi32(b->above_R[r]);                                              \
        _mm256_storeu_si256((__m256i *)b->sum_RC[r], lo##r);                                       \
        _mm256_storeu_si256((__m256i *)(b->sum_RC[r] + 8), hi##r);                                 \
        b->hit_R[r] = HITS(lo##r, t) | HITS(hi##r, t) << 8;                                        \
    } while (0)

__attribute__((target("avx2"))) static bool screen_avx2(br_screen_i16 *b)
{
    const int16_t *x = b->x, *z = b->z;
    int64_t        n = b->n_pairs;
    __m256i        lo0, lo1, lo2, lo3, lo4, lo5, hi0, hi1, hi2, hi3, hi4, hi5;
    __m256i        lo, hi, pair, term, any;

    __asm__ volatile(CLEAR(0) CLEAR(1) CLEAR(2) CLEAR(3) CLEAR(4)
                         CLEAR(5) ".p2align 5\n"
                                  "1:\n\t"
                                  "vmovdqu (%[z]), %[lo]\n\t"
                                  "vmovdqu 32(%[z]), %[hi]\n\t" MULTIPLY(0) MULTIPLY(1) MULTIPLY(2)
                                      MULTIPLY(3) MULTIPLY(4) MULTIPLY(5) "add $64, %[z]\n\t"
                                                                          "add $24, %[x]\n\t"
                                                                          "dec %[n]\n\t"
                                                                          "jnz 1b"
                     : SUMS(0), SUMS(1), SUMS(2), SUMS(3), SUMS(4),
                       SUMS(5), [lo] "=&x"(lo), [hi] "=&x"(hi), [pair] "=&x"(pair),
                       [term] "=&x"(term), [x] "+r"(x), [z] "+r"(z), [n] "+r"(n)
                     :
                     : "memory", "cc");
    any = _mm256_setzero_si256();
    TEST(0);
    TEST(1);
    TEST(2);
    TEST(3);
    TEST(4);
    TEST(5);
    if (_mm256_testz_si256(any, any))
        return false;
    STORE(0);
    STORE(1);
    STORE(2);
    STORE(3);
    STORE(4);
    STORE(5);
    return true;
}
#endif

bool br_screen_i16_pays(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

br_screen_i16_fn br_screen_i16_pick(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return screen_avx2;
#endif
    return screen_plain;
}
