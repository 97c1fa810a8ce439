/* SPDX-License-Identifier: Apache-2.0
 *
 * See peaks.h. Each loop keeps 12 sums in registers: more than latency times throughput of every
 * processor asked for here, fewer than the 16 registers of AVX2. */
#include "bench/kernels/peaks.h"

#include <stddef.h>
#include <stdint.h>

#include "host/base/clock.h"

#define N_SUMS   12
#define N_LOOPS  400000
#define N_ROUNDS 9

typedef struct meter {
    br_peak_kind kind;
    const char  *instruction;
    double       n_ops; /* of one pass over the sums */
    void (*run)(int64_t n_loops);
    int (*is_here)(void);
} meter;

#if defined(__x86_64__)
#include <immintrin.h>

/* LOOP(type, start, step): N_SUMS sums of `type`, each `s = step(s)`; the empty asm keeps every sum
 * in its register and every step where it is. */
#define EACH(X)    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(i) s##i = zero,
#define ADVANCE(i) STEP(s##i);
#define PIN(i)     __asm__ volatile("" : "+v"(s##i));
#define BODY(type, zero_value)                                                                     \
    {                                                                                              \
        type zero = zero_value, EACH(DECLARE) last = zero;                                         \
        for (int64_t n = 0; n < n_loops; n++) {                                                    \
            EACH(ADVANCE)                                                                          \
            EACH(PIN)                                                                              \
        }                                                                                          \
        __asm__ volatile("" ::"v"(last));                                                          \
    }

/* An operand that the compiler knows nothing about. */
#define OPAQUE(type, name, value)                                                                  \
    type name = value;                                                                             \
    __asm__ volatile("" : "+v"(name))

__attribute__((target("avx512f"))) static void fma_512(int64_t n_loops)
{
    OPAQUE(__m512, a, _mm512_set1_ps(0.5f));
#define STEP(s) s = _mm512_fmadd_ps(a, a, s)
    BODY(__m512, _mm512_setzero_ps())
#undef STEP
}

__attribute__((target("avx2,fma"))) static void fma_256(int64_t n_loops)
{
    OPAQUE(__m256, a, _mm256_set1_ps(0.5f));
#define STEP(s) s = _mm256_fmadd_ps(a, a, s)
    BODY(__m256, _mm256_setzero_ps())
#undef STEP
}

__attribute__((target("avx512f,avx512bf16"))) static void bf16_512(int64_t n_loops)
{
    OPAQUE(__m512i, a, _mm512_set1_epi16(0x3F00));
#define STEP(s) s = _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)a)
    BODY(__m512, _mm512_setzero_ps())
#undef STEP
}

__attribute__((target("avx512f,avx512vnni"))) static void int16_512(int64_t n_loops)
{
    OPAQUE(__m512i, a, _mm512_set1_epi32(3));
#define STEP(s) s = _mm512_dpwssd_epi32(s, a, a)
    BODY(__m512i, _mm512_setzero_si512())
#undef STEP
}

__attribute__((target("avx2"))) static void int16_256(int64_t n_loops)
{
    OPAQUE(__m256i, a, _mm256_set1_epi32(3));
#define STEP(s) s = _mm256_add_epi32(s, _mm256_madd_epi16(a, s))
    BODY(__m256i, _mm256_setzero_si256())
#undef STEP
}

__attribute__((target("avx512f,avx512vnni"))) static void int8_512(int64_t n_loops)
{
    OPAQUE(__m512i, a, _mm512_set1_epi32(3));
#define STEP(s) s = _mm512_dpbusd_epi32(s, a, a)
    BODY(__m512i, _mm512_setzero_si512())
#undef STEP
}

__attribute__((target("avx2"))) static void int8_256(int64_t n_loops)
{
    OPAQUE(__m256i, a, _mm256_set1_epi32(3));
    OPAQUE(__m256i, one, _mm256_set1_epi16(1));
#define STEP(s) s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, s), one))
    BODY(__m256i, _mm256_setzero_si256())
#undef STEP
}

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}

static int has_bf16(void)
{
    return __builtin_cpu_supports("avx512bf16");
}

static int has_vnni(void)
{
    return __builtin_cpu_supports("avx512vnni");
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* The best instruction of a kind first. */
static const meter METERS[] = {
    {BR_PEAK_FP32, "vfmadd zmm", 32, fma_512, has_avx512},
    {BR_PEAK_FP32, "vfmadd ymm", 16, fma_256, has_avx2},
    {BR_PEAK_BF16, "vdpbf16ps zmm", 64, bf16_512, has_bf16},
    {BR_PEAK_INT16, "vpdpwssd zmm", 64, int16_512, has_vnni},
    {BR_PEAK_INT16, "vpmaddwd, vpaddd ymm", 32, int16_256, has_avx2},
    {BR_PEAK_INT8, "vpdpbusd zmm", 128, int8_512, has_vnni},
    {BR_PEAK_INT8, "vpmaddubsw, vpmaddwd, vpaddd ymm", 64, int8_256, has_avx2},
};
#define N_METERS (sizeof METERS / sizeof METERS[0])
#else
static const meter METERS[1];
#define N_METERS 0
#endif

static double round_of(const meter *m)
{
    double start_s = br_clock_thread_cpu_s();

    m->run(N_LOOPS);
    return 1e-9 * m->n_ops * N_SUMS * N_LOOPS / (br_clock_thread_cpu_s() - start_s);
}

static const meter *best_of(br_peak_kind kind)
{
    for (size_t i = 0; i < N_METERS; i++)
        if (METERS[i].kind == kind && METERS[i].is_here())
            return &METERS[i];
    return NULL;
}

double br_peak_once(br_peak_kind kind)
{
    const meter *m = best_of(kind);

    return m != NULL ? round_of(m) : 0.0;
}

void br_peaks_measure(br_peak out[BR_N_PEAKS])
{
    static const char *const name[BR_N_PEAKS] = {"fp32", "bf16", "int16", "int8"};

    for (int kind = 0; kind < BR_N_PEAKS; kind++) {
        const meter *m = best_of((br_peak_kind)kind);

        out[kind] = (br_peak){name[kind], m != NULL ? m->instruction : "none", 0.0};
        for (int i = 0; i <= N_ROUNDS && m != NULL; i++) { /* the first warms up */
            double gops = round_of(m);

            out[kind].gops = gops > out[kind].gops ? gops : out[kind].gops;
        }
    }
}
