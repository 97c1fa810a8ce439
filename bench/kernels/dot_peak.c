/* SPDX-License-Identifier: Apache-2.0
 *
 * Register-only loops. Called before and after every timed pass. */
#include "bench/kernels/dot_peak.h"

#include "host/base/clock.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define N_STEPS 400000
#define EACH(DO)                                                                                   \
    DO(0);                                                                                         \
    DO(1);                                                                                         \
    DO(2);                                                                                         \
    DO(3);                                                                                         \
    DO(4);                                                                                         \
    DO(5);                                                                                         \
    DO(6);                                                                                         \
    DO(7);                                                                                         \
    DO(8);                                                                                         \
    DO(9);                                                                                         \
    DO(10);                                                                                        \
    DO(11);
#define DECLARE(i) __m512 a##i = _mm512_setzero_ps(), b##i = _mm512_setzero_ps()
/* The empty assembly makes every step a step: nothing is hoisted, nothing spilled. */
#define DOT(i)                                                                                     \
    a##i = _mm512_dpbf16_ps(a##i, v, v);                                                           \
    b##i = _mm512_dpbf16_ps(b##i, v, v);                                                           \
    __asm__ volatile("" : "+v"(a##i), "+v"(b##i))
#define FMA(i)                                                                                     \
    a##i = _mm512_fmadd_ps(v, v, a##i);                                                            \
    b##i = _mm512_fmadd_ps(v, v, b##i);                                                            \
    __asm__ volatile("" : "+v"(a##i), "+v"(b##i))

__attribute__((target("avx512f,avx512bf16"), noinline)) static void run_dot(void)
{
    __m512bh v = (__m512bh)_mm512_setzero_si512();

    EACH(DECLARE)
    for (int i = 0; i < N_STEPS; i++) {
        EACH(DOT)
    }
}

__attribute__((target("avx512f"), noinline)) static void run_fma(void)
{
    __m512 v = _mm512_setzero_ps();

    EACH(DECLARE)
    for (int i = 0; i < N_STEPS; i++) {
        EACH(FMA)
    }
}

static double rate(void (*run)(void), double flop_per_step)
{
    double start = br_clock_thread_cpu_s();

    run();
    return 1e-9 * flop_per_step * N_STEPS / (br_clock_thread_cpu_s() - start);
}

double br_bench_peak_bf16(void)
{
    return __builtin_cpu_supports("avx512bf16") ? rate(run_dot, 24 * 64) : 0.0;
}

double br_bench_peak_f32(void)
{
    return __builtin_cpu_supports("avx512f") ? rate(run_fma, 24 * 32) : 0.0;
}
#else
double br_bench_peak_bf16(void)
{
    return 0.0;
}

double br_bench_peak_f32(void)
{
    return 0.0;
}
#endif
