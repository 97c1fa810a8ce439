/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles on AVX-512. Called for each tile: nearly all the time of score_topk is spent here.
 *
 * Each row of a tile has two registers of 16 sums: 24 of the 32. The inner loop, the test and the
 * stores are one asm block, because gcc 12 moves such sums to the stack. The test takes the larger
 * of a row's two registers and asks once whether all rows stay below; only where one does not are
 * the sums stored and the hits told apart. Zen 4, one core: 94 to 99 % of one product instruction
 * a cycle (bench/kernels/bench_screen.c). */
#include "kernels/cpu/screen/screen.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* clang-format off */
/* row, register of items 0-15, of items 16-31, a register for the customer's unit, a mask */
#define EACH_ROW(DO) \
    DO(0, 0, 1, 26, 1)   DO(1, 2, 3, 27, 2)   DO(2, 4, 5, 28, 3)   DO(3, 6, 7, 29, 4) \
    DO(4, 8, 9, 26, 1)   DO(5, 10, 11, 27, 2) DO(6, 12, 13, 28, 3) DO(7, 14, 15, 29, 4) \
    DO(8, 16, 17, 26, 1) DO(9, 18, 19, 27, 2) DO(10, 20, 21, 28, 3) DO(11, 22, 23, 29, 4)

#define CLEAR(r, lo, hi, t, k) \
    "vpxord %%zmm" #lo ", %%zmm" #lo ", %%zmm" #lo "\n\t" \
    "vpxord %%zmm" #hi ", %%zmm" #hi ", %%zmm" #hi "\n\t"
#define MULTIPLY(DOT, r, lo, hi, t, k) \
    "vpbroadcastd 4*" #r "(%[x]), %%zmm" #t "\n\t" DOT(t, 24, lo) DOT(t, 25, hi)

/* sum += customer's unit . items' units */
#define DOT_FP32(t, z, sum)  "vfmadd231ps %%zmm" #t ", %%zmm" #z ", %%zmm" #sum "\n\t"
#define DOT_INT8(t, z, sum)  "vpdpbusd %%zmm" #t ", %%zmm" #z ", %%zmm" #sum "\n\t"
#define DOT_INT16(t, z, sum) "vpdpwssd %%zmm" #t ", %%zmm" #z ", %%zmm" #sum "\n\t"
#define DOT_MADD16(t, z, sum) \
    "vpmaddwd %%zmm" #t ", %%zmm" #z ", %%zmm30\n\t" \
    "vpaddd %%zmm30, %%zmm" #sum ", %%zmm" #sum "\n\t"

#define LOOP(MULTIPLY_ROW) \
    EACH_ROW(CLEAR) \
    ".p2align 5\n" \
    "1:\n\t" \
    "vmovdqu64 (%[z]), %%zmm24\n\t" \
    "vmovdqu64 64(%[z]), %%zmm25\n\t" \
    EACH_ROW(MULTIPLY_ROW) \
    "sub $-128, %[z]\n\t" \
    "add $48, %[x]\n\t" \
    "dec %[n]\n\t" \
    "jnz 1b\n\t"

#define STORE(r, lo, hi, t, k) \
    "vmovdqu64 %%zmm" #lo ", 128*" #r "(%[sum])\n\t" \
    "vmovdqu64 %%zmm" #hi ", 128*" #r "+64(%[sum])\n\t"

/* k1 to k4: the sums of every fourth row so far are below what they must reach */
#define BELOW_INT(r, lo, hi, t, k) \
    "vpmaxsd %%zmm" #lo ", %%zmm" #hi ", %%zmm" #t "\n\t" \
    "vpcmpd $1, 4*" #r "(%[least])%{1to16%}, %%zmm" #t ", %%k" #k "%{%%k" #k "%}\n\t"
#define BELOW_FP32(r, lo, hi, t, k) \
    "vmaxps %%zmm" #lo ", %%zmm" #hi ", %%zmm" #t "\n\t" \
    "vcmpps $17, 4*" #r "(%[least])%{1to16%}, %%zmm" #t ", %%k" #k "%{%%k" #k "%}\n\t"
#define HITS_INT(r, lo, hi, t, k) \
    "vpcmpd $5, 4*" #r "(%[least])%{1to16%}, %%zmm" #lo ", %%k1\n\t" \
    "vpcmpd $5, 4*" #r "(%[least])%{1to16%}, %%zmm" #hi ", %%k2\n\t" \
    "kunpckwd %%k1, %%k2, %%k1\n\t" \
    "kmovd %%k1, 4*" #r "(%[hit])\n\t"
#define HITS_FP32(r, lo, hi, t, k) \
    "vcmpps $29, 4*" #r "(%[least])%{1to16%}, %%zmm" #lo ", %%k1\n\t" \
    "vcmpps $29, 4*" #r "(%[least])%{1to16%}, %%zmm" #hi ", %%k2\n\t" \
    "kunpckwd %%k1, %%k2, %%k1\n\t" \
    "kmovd %%k1, 4*" #r "(%[hit])\n\t"

#define NO_HITS \
    "vpxord %%zmm0, %%zmm0, %%zmm0\n\t" \
    "vmovdqu %%ymm0, (%[hit])\n\t" \
    "vmovdqu %%xmm0, 32(%[hit])\n\t"

#define CLOBBERS \
    "memory", "cc", "k1", "k2", "k3", "k4", \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
    "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", \
    "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30"

#define KERNEL(name, target_name, MULTIPLY_ROW, BELOW, HITS) \
    __attribute__((target(target_name), noinline)) static bool run_##name(br_screen_tile *b) \
    { \
        const int32_t *x = b->x, *z = b->z; \
        int64_t        n = b->n_units; \
        int32_t        any; \
        __asm__ volatile( \
            LOOP(MULTIPLY_ROW) \
            "xorl %[any], %[any]\n\t" \
            "kxnorw %%k1, %%k1, %%k1\n\t" \
            "kxnorw %%k2, %%k2, %%k2\n\t" \
            "kxnorw %%k3, %%k3, %%k3\n\t" \
            "kxnorw %%k4, %%k4, %%k4\n\t" \
            EACH_ROW(BELOW) \
            "kandw %%k1, %%k2, %%k1\n\t" \
            "kandw %%k3, %%k4, %%k3\n\t" \
            "kandw %%k1, %%k3, %%k1\n\t" \
            "kortestw %%k1, %%k1\n\t" \
            "jnc 3f\n\t" \
            "cmpl $0, %[keep]\n\t" \
            "je 2f\n\t" \
            EACH_ROW(STORE) \
            NO_HITS \
            "incl %[any]\n\t" \
            "jmp 2f\n" \
            "3:\n\t" \
            EACH_ROW(HITS) \
            EACH_ROW(STORE) \
            "incl %[any]\n" \
            "2:" \
            : [x] "+r"(x), [z] "+r"(z), [n] "+r"(n), [any] "=&r"(any) \
            : [least] "r"(b->least_R), [hit] "r"(b->hit_R), [sum] "r"(b->sum_RC), \
              [keep] "m"(b->keep_sums) \
            : CLOBBERS); \
        return any != 0; \
    } \
    __attribute__((target(target_name), noinline)) static void sums_##name(br_screen_tile *b) \
    { \
        const int32_t *x = b->x, *z = b->z; \
        int64_t        n = b->n_units; \
        __asm__ volatile(LOOP(MULTIPLY_ROW) EACH_ROW(STORE) \
                         : [x] "+r"(x), [z] "+r"(z), [n] "+r"(n) \
                         : [sum] "r"(b->sum_RC) \
                         : CLOBBERS); \
    }

#define MULTIPLY_FP32(r, lo, hi, t, k)   MULTIPLY(DOT_FP32, r, lo, hi, t, k)
#define MULTIPLY_INT8(r, lo, hi, t, k)   MULTIPLY(DOT_INT8, r, lo, hi, t, k)
#define MULTIPLY_INT16(r, lo, hi, t, k)  MULTIPLY(DOT_INT16, r, lo, hi, t, k)
#define MULTIPLY_MADD16(r, lo, hi, t, k) MULTIPLY(DOT_MADD16, r, lo, hi, t, k)

KERNEL(fp32, "avx512f,avx512bw", MULTIPLY_FP32, BELOW_FP32, HITS_FP32)
KERNEL(int8, "avx512f,avx512bw,avx512vnni", MULTIPLY_INT8, BELOW_INT, HITS_INT)
KERNEL(int16, "avx512f,avx512bw,avx512vnni", MULTIPLY_INT16, BELOW_INT, HITS_INT)
KERNEL(madd16, "avx512f,avx512bw", MULTIPLY_MADD16, BELOW_INT, HITS_INT)
/* clang-format on */

__attribute__((target("avx512f,avx512bw"))) static void refine(br_screen_tile *b)
{
    __m512 most   = _mm512_set1_ps(b->bias_most);
    __m512 gap_lo = _mm512_sub_ps(most, _mm512_loadu_ps(b->bias_C));
    __m512 gap_hi = _mm512_sub_ps(most, _mm512_loadu_ps(b->bias_C + 16));

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        __m512i  least = _mm512_set1_epi32(b->least_R[r].i);
        __m512   step  = _mm512_set1_ps(b->step_R[r]);
        __m512i  lo    = _mm512_sub_epi32(_mm512_loadu_si512(&b->sum_RC[r][0]), least);
        __m512i  hi    = _mm512_sub_epi32(_mm512_loadu_si512(&b->sum_RC[r][16]), least);
        uint32_t hits_lo =
            _mm512_cmp_ps_mask(_mm512_cvtepu32_ps(lo), _mm512_mul_ps(gap_lo, step), _CMP_NLT_UQ);
        uint32_t hits_hi =
            _mm512_cmp_ps_mask(_mm512_cvtepu32_ps(hi), _mm512_mul_ps(gap_hi, step), _CMP_NLT_UQ);

        b->hit_R[r] &= hits_lo | hits_hi << 16;
    }
}

const br_screen_kernel *br_screen_avx512(br_screen_kind kind)
{
    static const br_screen_kernel fp32 = {
        "fp32, AVX-512", BR_SCREEN_FP32, 1, 1, 0, 0, 0, 0.0, 16.0, run_fp32, sums_fp32, NULL};
    static const br_screen_kernel int8   = {"int8, AVX-512 VNNI",
                                            BR_SCREEN_INT8,
                                            4,
                                            1,
                                            127,
                                            127,
                                            128,
                                            1e9,
                                            64.0,
                                            run_int8,
                                            sums_int8,
                                            refine};
    static const br_screen_kernel int16  = {"int16, AVX-512 VNNI",
                                            BR_SCREEN_INT16,
                                            2,
                                            1,
                                            32700,
                                            32700,
                                            0,
                                            46000.0,
                                            32.0,
                                            run_int16,
                                            sums_int16,
                                            refine};
    static const br_screen_kernel madd16 = {
        "int16, AVX-512", BR_SCREEN_INT16, 2,     1, 32700, 32700, 0, 46000.0, 24.0,
        run_madd16,       sums_madd16,     refine};
    bool has_vnni = __builtin_cpu_supports("avx512vnni");

    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw"))
        return NULL;
    switch (kind) {
    case BR_SCREEN_FP32:
        return &fp32;
    case BR_SCREEN_INT16:
        return has_vnni ? &int16 : &madd16;
    case BR_SCREEN_INT8:
        return has_vnni ? &int8 : NULL;
    default:
        return NULL;
    }
}

#else

const br_screen_kernel *br_screen_avx512(br_screen_kind kind)
{
    (void)kind;
    return NULL;
}
#endif
