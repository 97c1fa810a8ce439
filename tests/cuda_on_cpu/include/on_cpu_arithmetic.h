/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrinsics of one thread: bits, rounding as named, loads and stores with cache hints. The host
 * compiler contracts nothing (-ffp-contract=off) and rounds to nearest, so + * / sqrt and fma are
 * the device's bits. Directed rounding: the double result is exact or rounded to odd's side by a
 * second look, see each. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_ARITHMETIC_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_ARITHMETIC_H

#include <string.h>

#include <type_traits>

#define BR_INTRINSIC(result, name, params, expression)                                             \
    static inline result name params                                                               \
    {                                                                                              \
        return (expression);                                                                       \
    }
BR_INTRINSIC(float, __fadd_rn, (float a, float b), a + b)
BR_INTRINSIC(float, __fsub_rn, (float a, float b), a - b)
BR_INTRINSIC(float, __fmul_rn, (float a, float b), a *b)
BR_INTRINSIC(float, __fdiv_rn, (float a, float b), a / b)
BR_INTRINSIC(float, __fmaf_rn, (float a, float b, float c), fmaf(a, b, c))
BR_INTRINSIC(float, __fsqrt_rn, (float a), sqrtf(a))
BR_INTRINSIC(float, __frcp_rn, (float a), 1.0f / a)
BR_INTRINSIC(double, __dadd_rn, (double a, double b), a + b)
BR_INTRINSIC(double, __dsub_rn, (double a, double b), a - b)
BR_INTRINSIC(double, __dmul_rn, (double a, double b), a *b)
BR_INTRINSIC(double, __ddiv_rn, (double a, double b), a / b)
BR_INTRINSIC(double, __fma_rn, (double a, double b, double c), fma(a, b, c))
BR_INTRINSIC(double, __dsqrt_rn, (double a), sqrt(a))
BR_INTRINSIC(float, __double2float_rn, (double a), (float)a)
BR_INTRINSIC(float, rsqrtf, (float a), (float)(1.0 / sqrt((double)a)))
BR_INTRINSIC(double, rsqrt, (double a), 1.0 / sqrt(a))
BR_INTRINSIC(float, __fdividef, (float a, float b), a / b)
BR_INTRINSIC(float, br_expf, (float a), (float)exp((double)a))
BR_INTRINSIC(float, br_logf, (float a), (float)log((double)a))
BR_INTRINSIC(float, br_log2f, (float a), (float)log2((double)a))
#define __expf(a)  br_expf(a) /* the C library has such names of its own */
#define __logf(a)  br_logf(a)
#define __log2f(a) br_log2f(a)
BR_INTRINSIC(float, __saturatef, (float a), a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f)

BR_INTRINSIC(int, __vimax3_s32, (int a, int b, int c), a > b ? (a > c ? a : c) : b > c ? b : c)
BR_INTRINSIC(int, __popc, (unsigned a), __builtin_popcount(a))
BR_INTRINSIC(int, __popcll, (unsigned long long a), __builtin_popcountll(a))
BR_INTRINSIC(int, __ffs, (int a), __builtin_ffs(a))
BR_INTRINSIC(int, __ffsll, (long long a), __builtin_ffsll(a))
BR_INTRINSIC(int, __clz, (int a), a == 0 ? 32 : __builtin_clz((unsigned)a))
BR_INTRINSIC(int, __clzll, (long long a), a == 0 ? 64 : __builtin_clzll((unsigned long long)a))
BR_INTRINSIC(int, __mulhi, (int a, int b), (int)(((long long)a * b) >> 32))
BR_INTRINSIC(unsigned, __umulhi, (unsigned a, unsigned b),
             (unsigned)(((unsigned long long)a * b) >> 32))

template <typename To, typename From> static inline To br_reinterpret(From from)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits need the same size");
    To to;

    memcpy(&to, &from, sizeof to);
    return to;
}
BR_INTRINSIC(int, __float_as_int, (float a), br_reinterpret<int>(a))
BR_INTRINSIC(unsigned, __float_as_uint, (float a), br_reinterpret<unsigned>(a))
BR_INTRINSIC(float, __int_as_float, (int a), br_reinterpret<float>(a))
BR_INTRINSIC(float, __uint_as_float, (unsigned a), br_reinterpret<float>(a))
BR_INTRINSIC(long long, __double_as_longlong, (double a), br_reinterpret<long long>(a))
BR_INTRINSIC(double, __longlong_as_double, (long long a), br_reinterpret<double>(a))

/* To whole numbers: out of range gives the nearest one there is, NaN 0, as cvt does. */
static inline int br_to_int(double whole)
{
    return whole != whole           ? 0
           : whole >= 2147483647.0  ? 2147483647
           : whole <= -2147483648.0 ? (int)-2147483648LL
                                    : (int)whole;
}
BR_INTRINSIC(int, __float2int_rn, (float a), br_to_int(rint((double)a)))
BR_INTRINSIC(int, __float2int_rz, (float a), br_to_int(trunc((double)a)))
BR_INTRINSIC(int, __float2int_rd, (float a), br_to_int(floor((double)a)))
BR_INTRINSIC(int, __float2int_ru, (float a), br_to_int(ceil((double)a)))
BR_INTRINSIC(int, __double2int_rn, (double a), br_to_int(rint(a)))
BR_INTRINSIC(float, __int2float_rn, (int a), (float)a)

/* Up or down: the nearest float, or its neighbour where that lies on the wrong side. */
static inline float __double2float_ru(double a)
{
    float near = (float)a;
    return (double)near < a ? nextafterf(near, INFINITY) : near;
}

static inline float __double2float_rd(double a)
{
    float near = (float)a;
    return (double)near > a ? nextafterf(near, -INFINITY) : near;
}
/* products of floats are exact in double */
BR_INTRINSIC(float, __fmul_ru, (float a, float b), __double2float_ru((double)a *b))
BR_INTRINSIC(float, __fmul_rd, (float a, float b), __double2float_rd((double)a *b))

/* A sum's double may be rounded; its error (two-sum) says to which side. */
static inline double br_sum_beyond(float a, float b, double side)
{
    double sum   = (double)a + (double)b;
    double part  = sum - (double)a;
    double error = ((double)a - (sum - part)) + ((double)b - part);

    return error * side > 0.0 ? nextafter(sum, side * INFINITY) : sum;
}
BR_INTRINSIC(float, __fadd_ru, (float a, float b), __double2float_ru(br_sum_beyond(a, b, 1.0)))
BR_INTRINSIC(float, __fadd_rd, (float a, float b), __double2float_rd(br_sum_beyond(a, b, -1.0)))

/* Four products of signed bytes, and a sum. */
static inline int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 32; i += 8)
        c += (int)(signed char)(a >> i) * (int)(signed char)(b >> i);
    return c;
}

#define BR_HINT(name)                                                                              \
    template <typename T> static inline T name(const T *at)                                        \
    {                                                                                              \
        return *at;                                                                                \
    }
BR_HINT(__ldg)
BR_HINT(__ldcs)
BR_HINT(__ldcg)
#undef BR_HINT
template <typename T> static inline void __stcs(T *at, std::common_type_t<T> value)
{
    *at = value;
}
template <typename T> static inline void __stcg(T *at, std::common_type_t<T> value)
{
    *at = value;
}

template <typename A, typename B> static inline std::common_type_t<A, B> min(A a, B b)
{
    return b < a ? b : a;
}
template <typename A, typename B> static inline std::common_type_t<A, B> max(A a, B b)
{
    return a < b ? b : a;
}

#endif
