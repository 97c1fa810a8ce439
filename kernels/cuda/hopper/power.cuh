/* SPDX-License-Identifier: Apache-2.0
 *
 * 2^a for a <= 0 in float32, in two ways that a loop may mix: the special-function unit makes 16 a
 * clock of a multiprocessor, multiply-adds 128 lanes, of which the polynomial takes ten. Both are
 * within 2^-22 of it, relatively: the unit by the PTX manual (two units in the last place), the
 * polynomial by its minimax error of 7.5e-8, the rounding of its first coefficient, of as much, and
 * those of its steps, and as measured (tests/cuda_on_cpu/hopper/hopper_test.cu). Below 2^-125 the
 * unit gives 0 or less than that, the polynomial 2^-125. */
#ifndef BR_KERNELS_CUDA_HOPPER_POWER_CUH
#define BR_KERNELS_CUDA_HOPPER_POWER_CUH

#include "kernels/cuda/launch.cuh"

#define BR_LEAST_POWER -125.0f
#define BR_MOST_POWER  127.0f
#define BR_TO_WHOLE    12582912.0f /* 1.5 2^23: a sum with it is rounded to a whole number */

static __device__ __forceinline__ float br_power_by_unit(float a)
{
    float power;

#ifdef BR_CUDA_ON_CPU
    power = exp2f(a);
#else
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(a));
#endif
    return power;
}

/* 2^n 2^f with n whole and |f| <= 1/2, which is exact: of degree 5 in f, then n into its bits. */
static __device__ __forceinline__ float br_power_by_fma(float a)
{
    float x     = fminf(fmaxf(a, BR_LEAST_POWER), BR_MOST_POWER);
    float whole = x + BR_TO_WHOLE;
    float f     = x - (whole - BR_TO_WHOLE);
    float power = 0x1.5c08e6p-10f;

    power = fmaf(power, f, 0x1.3d0c52p-7f);
    power = fmaf(power, f, 0x1.c6b6e4p-5f);
    power = fmaf(power, f, 0x1.ebf918p-3f);
    power = fmaf(power, f, 0x1.62e428p-1f);
    power = fmaf(power, f, 1.0f);
    return __uint_as_float(__float_as_uint(power) + (__float_as_uint(whole) << 23));
}

#endif
