/* SPDX-License-Identifier: Apache-2.0
 *
 * bfloat16 for kernels compiled for the emulated device: to nearest, ties to even; a NaN becomes
 * 0x7FFF, as cvt.rn.bf16.f32 gives. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_BF16_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_BF16_H

#include <cuda_runtime.h>

struct alignas(2) __nv_bfloat16 {
    unsigned short bits;
};
struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};

static inline __nv_bfloat16 __float2bfloat16_rn(float value)
{
    unsigned bits = __float_as_uint(value);

    if (value != value)
        return {0x7FFF};
    return {(unsigned short)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

static inline __nv_bfloat16 __float2bfloat16(float value)
{
    return __float2bfloat16_rn(value);
}

static inline float __bfloat162float(__nv_bfloat16 value)
{
    return __uint_as_float((unsigned)value.bits << 16);
}

static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y)
{
    return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}

static inline float2 __bfloat1622float2(__nv_bfloat162 pair)
{
    return {__bfloat162float(pair.x), __bfloat162float(pair.y)};
}

static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value)
{
    return value.bits;
}

static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits)
{
    return {bits};
}

#endif
