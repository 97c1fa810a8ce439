/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles on AVX2: each in blocks of 6 or 4 customers by 16 items, whose sums fill the registers and
 * are stored before they are tested (1 to 3 % of the time). Called for each tile.
 *
 * Products a cycle on one core (Zen 3): fp32 16, int16 21, int8 38. vpmaddubsw takes unsigned by
 * signed bytes and saturates, so codes have 7 bits: two products of two pairs are at most
 * 4 * 127 * 64 = 32,512. The inner loops are asm because gcc 12 moves sums to the stack. */
#include "kernels/cpu/screen/screen.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* clang-format off */
#define CLOBBERS \
    "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
    "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* row, register of items 0-7, of items 8-15 */
#define SIX_ROWS(DO)  DO(0, 0, 1) DO(1, 2, 3) DO(2, 4, 5) DO(3, 6, 7) DO(4, 8, 9) DO(5, 10, 11)
#define FOUR_ROWS(DO) DO(0, 0, 1) DO(1, 2, 3) DO(2, 4, 5) DO(3, 6, 7)

#define CLEAR(r, lo, hi) \
    "vpxor %%ymm" #lo ", %%ymm" #lo ", %%ymm" #lo "\n\t" \
    "vpxor %%ymm" #hi ", %%ymm" #hi ", %%ymm" #hi "\n\t"
#define STORE(r, lo, hi) \
    "vmovdqu %%ymm" #lo ", 128*" #r "(%[sum])\n\t" \
    "vmovdqu %%ymm" #hi ", 128*" #r "+32(%[sum])\n\t"

#define MULTIPLY_FP32(r, lo, hi) \
    "vbroadcastss 4*" #r "(%[x]), %%ymm14\n\t" \
    "vfmadd231ps %%ymm12, %%ymm14, %%ymm" #lo "\n\t" \
    "vfmadd231ps %%ymm13, %%ymm14, %%ymm" #hi "\n\t"
#define MULTIPLY_INT16(r, lo, hi) \
    "vpbroadcastd 4*" #r "(%[x]), %%ymm14\n\t" \
    "vpmaddwd %%ymm12, %%ymm14, %%ymm15\n\t" \
    "vpaddd %%ymm15, %%ymm" #lo ", %%ymm" #lo "\n\t" \
    "vpmaddwd %%ymm13, %%ymm14, %%ymm14\n\t" \
    "vpaddd %%ymm14, %%ymm" #hi ", %%ymm" #hi "\n\t"

/* Two units a step: their pair sums are added in 16 bits, then widened. */
#define HALF_INT8(sum, first, second) \
    "vpmaddubsw %%ymm12, %%ymm" #first ", %%ymm14\n\t" \
    "vpmaddubsw %%ymm13, %%ymm" #second ", %%ymm15\n\t" \
    "vpaddw %%ymm15, %%ymm14, %%ymm14\n\t" \
    "vpmaddwd %[ones], %%ymm14, %%ymm14\n\t" \
    "vpaddd %%ymm14, %%ymm" #sum ", %%ymm" #sum "\n\t"
#define MULTIPLY_INT8(r, lo, hi) \
    "vpbroadcastd 4*" #r "(%[x]), %%ymm12\n\t" \
    "vpbroadcastd 48+4*" #r "(%[x]), %%ymm13\n\t" \
    HALF_INT8(lo, 8, 10) HALF_INT8(hi, 9, 11)

#define SIX_BY_16(name, target_name, MULTIPLY) \
    __attribute__((target(target_name), noinline)) static void name( \
        const int32_t *x, const int32_t *z, int64_t n, br_screen_number *sum) \
    { \
        __asm__ volatile( \
            SIX_ROWS(CLEAR) \
            ".p2align 5\n" \
            "1:\n\t" \
            "vmovdqu (%[z]), %%ymm12\n\t" \
            "vmovdqu 32(%[z]), %%ymm13\n\t" \
            SIX_ROWS(MULTIPLY) \
            "sub $-128, %[z]\n\t" \
            "add $48, %[x]\n\t" \
            "dec %[n]\n\t" \
            "jnz 1b\n\t" \
            SIX_ROWS(STORE) \
            : [x] "+r"(x), [z] "+r"(z), [n] "+r"(n) \
            : [sum] "r"(sum) \
            : CLOBBERS); \
    }
SIX_BY_16(block_fp32, "avx2,fma", MULTIPLY_FP32)
SIX_BY_16(block_int16, "avx2", MULTIPLY_INT16)

static const int16_t ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

__attribute__((target("avx2"), noinline)) static void block_int8(
    const int32_t *x, const int32_t *z, int64_t n, br_screen_number *sum)
{
    n /= 2;
    __asm__ volatile(
        FOUR_ROWS(CLEAR)
        ".p2align 5\n"
        "1:\n\t"
        "vmovdqu (%[z]), %%ymm8\n\t"
        "vmovdqu 32(%[z]), %%ymm9\n\t"
        "vmovdqu 128(%[z]), %%ymm10\n\t"
        "vmovdqu 160(%[z]), %%ymm11\n\t"
        FOUR_ROWS(MULTIPLY_INT8)
        "add $256, %[z]\n\t"
        "add $96, %[x]\n\t"
        "dec %[n]\n\t"
        "jnz 1b\n\t"
        FOUR_ROWS(STORE)
        : [x] "+r"(x), [z] "+r"(z), [n] "+r"(n)
        : [sum] "r"(sum), [ones] "m"(ones)
        : CLOBBERS);
}
/* clang-format on */

static void sums_fp32(br_screen_tile *b)
{
    for (int r = 0; r < BR_SCREEN_ROWS; r += 6)
        for (int c = 0; c < BR_SCREEN_COLS; c += 16)
            block_fp32(b->x + r, b->z + c, b->n_units, &b->sum_RC[r][c]);
}

static void sums_int16(br_screen_tile *b)
{
    for (int r = 0; r < BR_SCREEN_ROWS; r += 6)
        for (int c = 0; c < BR_SCREEN_COLS; c += 16)
            block_int16(b->x + r, b->z + c, b->n_units, &b->sum_RC[r][c]);
}

static void sums_int8(br_screen_tile *b)
{
    for (int r = 0; r < BR_SCREEN_ROWS; r += 4)
        for (int c = 0; c < BR_SCREEN_COLS; c += 16)
            block_int8(b->x + r, b->z + c, b->n_units, &b->sum_RC[r][c]);
}

__attribute__((target("avx2"))) static bool mark_fp32(br_screen_tile *b)
{
    uint32_t any = 0;

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        __m256   least = _mm256_set1_ps(b->least_R[r].f);
        uint32_t hits  = 0;

        for (int c = 0; c < BR_SCREEN_COLS; c += 8) {
            __m256 sum = _mm256_loadu_ps(&b->sum_RC[r][c].f);

            hits |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(sum, least, _CMP_GE_OQ)) << c;
        }
        b->hit_R[r] = hits;
        any |= hits;
    }
    return any != 0;
}

__attribute__((target("avx2"))) static bool mark_codes(br_screen_tile *b)
{
    uint32_t any = 0;

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        __m256i  least = _mm256_set1_epi32(b->least_R[r].i);
        uint32_t below = 0;

        for (int c = 0; c < BR_SCREEN_COLS; c += 8) {
            __m256i sum  = _mm256_loadu_si256((const __m256i *)&b->sum_RC[r][c]);
            __m256i less = _mm256_cmpgt_epi32(least, sum);

            below |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(less)) << c;
        }
        b->hit_R[r] = ~below;
        any |= ~below;
    }
    return any != 0;
}

/* Differences of 2^31 and more, negative here, pass. */
__attribute__((target("avx2"))) static void refine(br_screen_tile *b)
{
    __m256 gap_4[4];

    for (int i = 0; i < 4; i++)
        gap_4[i] = _mm256_sub_ps(_mm256_set1_ps(b->bias_most), _mm256_loadu_ps(b->bias_C + 8 * i));
    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        __m256i  least = _mm256_set1_epi32(b->least_R[r].i);
        __m256   step  = _mm256_set1_ps(b->step_R[r]);
        uint32_t hits  = 0;

        for (int i = 0; i < 4; i++) {
            __m256i above =
                _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)&b->sum_RC[r][8 * i]), least);
            __m256 passes = _mm256_cmp_ps(_mm256_cvtepi32_ps(above), _mm256_mul_ps(gap_4[i], step),
                                          _CMP_NLT_UQ);

            passes = _mm256_or_ps(passes, _mm256_castsi256_ps(above));
            hits |= (uint32_t)_mm256_movemask_ps(passes) << 8 * i;
        }
        b->hit_R[r] &= hits;
    }
}

static bool run_fp32(br_screen_tile *b)
{
    sums_fp32(b);
    return mark_fp32(b) || b->keep_sums != 0;
}

static bool run_int16(br_screen_tile *b)
{
    sums_int16(b);
    return mark_codes(b) || b->keep_sums != 0;
}

static bool run_int8(br_screen_tile *b)
{
    sums_int8(b);
    return mark_codes(b) || b->keep_sums != 0;
}

const br_screen_kernel *br_screen_avx2(br_screen_kind kind)
{
    static const br_screen_kernel fp32 = {"fp32, AVX2", BR_SCREEN_FP32, 1,   1, 0, 0, 0, 0.0, 16.0,
                                          run_fp32,     sums_fp32,      NULL};
    static const br_screen_kernel int8 = {
        "int8, AVX2", BR_SCREEN_INT8, 4, 2, 64, 63, 64, 1e9, 38.0, run_int8, sums_int8, refine};
    static const br_screen_kernel int16 = {"int16, AVX2", BR_SCREEN_INT16, 2,          1,
                                           32700,         32700,           0,          46000.0,
                                           21.0,          run_int16,       sums_int16, refine};

    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return NULL;
    return kind == BR_SCREEN_INT8 ? &int8 : kind == BR_SCREEN_INT16 ? &int16 : &fp32;
}

#else

const br_screen_kernel *br_screen_avx2(br_screen_kind kind)
{
    (void)kind;
    return NULL;
}
#endif
