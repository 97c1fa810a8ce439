/* SPDX-License-Identifier: Apache-2.0
 *
 * fp16 for kernels compiled for the emulated device: to nearest, ties to even, subnormals kept; a
 * NaN becomes 0x7FFF, as cvt.rn.f16.f32 gives. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_FP16_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_FP16_H

#include <cuda_runtime.h>

struct alignas(2) __half {
    unsigned short bits;
};
struct alignas(4) __half2 {
    __half x, y;
};

static inline float __half2float(__half value)
{
    int      exponent = (value.bits >> 10) & 31;
    unsigned fraction = value.bits & 1023u;
    float    size     = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                        : exponent == 0 ? ldexpf((float)fraction, -24)
                                        : ldexpf((float)(fraction | 1024u), exponent - 25);

    return value.bits & 0x8000u ? -size : size;
}

/* |value| in units of its last place in fp16, rounded by rint, which ties to even. */
static inline __half __float2half_rn(float value)
{
    unsigned short sign = __float_as_uint(value) >> 31 ? 0x8000 : 0;
    float          size = fabsf(value);
    int            exponent;

    if (value != value)
        return {0x7FFF};
    if (size >= 65520.0f) /* halfway beyond the largest */
        return {(unsigned short)(sign | 0x7C00)};
    (void)frexpf(size, &exponent);      /* size in [2^(e-1), 2^e) */
    if (exponent < -13 || size == 0.0f) /* of 0 frexpf says 0 */
        exponent = -13;
    {
        unsigned units = (unsigned)rintf(ldexpf(size, 11 - exponent)); /* <= 2048, may carry */

        return {(unsigned short)(sign | (units + ((unsigned)(exponent + 13) << 10)))};
    }
}

static inline __half __float2half(float value)
{
    return __float2half_rn(value);
}

static inline __half2 __floats2half2_rn(float x, float y)
{
    return {__float2half_rn(x), __float2half_rn(y)};
}

static inline float2 __half22float2(__half2 pair)
{
    return {__half2float(pair.x), __half2float(pair.y)};
}

static inline unsigned short __half_as_ushort(__half value)
{
    return value.bits;
}

static inline __half __ushort_as_half(unsigned short bits)
{
    return {bits};
}

#endif
