/* SPDX-License-Identifier: Apache-2.0
 *
 * exp and the activations in fp32, written without branches so that a loop over them vectorises.
 * Largest errors against fp64, found by tests/kernels/test_ops_linear.c over every activation's
 * range: exp 1.5e-7 relative, sigmoid 1.5e-7, tanh 3e-7, gelu and silu 1.5e-7 x max(1, |x|). */
#ifndef BR_KERNELS_CPU_VECTOR_MATH_H
#define BR_KERNELS_CPU_VECTOR_MATH_H

#include <stdint.h>
#include <string.h>

#include "kernels/cpu/clones.h"

/* e^x; 0 below -87 (and for -inf), e^88 above 88. NaN gives NaN. */
BR_INLINE float br_vexp(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float       held  = x > 88.0f ? 88.0f : x;
    float       t, n, r, p, power;
    uint32_t    bits;

    held = held < -87.0f ? -87.0f : held;
    t    = held * 1.44269504f + shift;
    n    = t - shift;
    r    = held - n * 0.693359375f; /* exact: ln 2 in two parts */
    r    = r - n * -2.12194440e-4f;
    p    = 1.9875691500e-4f;
    p    = p * r + 1.3981999507e-3f;
    p    = p * r + 8.3334519073e-3f;
    p    = p * r + 4.1665795894e-2f;
    p    = p * r + 1.6666665459e-1f;
    p    = p * r + 5.0000001201e-1f;
    p    = p * (r * r) + r + 1.0f;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits - 0x4B400000u + 127u) << 23; /* 2^n */
    memcpy(&power, &bits, sizeof power);
    p = p * power;
    return x < -87.0f ? 0.0f : p;
}

BR_INLINE float br_vsigmoid(float x)
{
    return 1.0f / (1.0f + br_vexp(-x));
}

BR_INLINE float br_vtanh(float x)
{
    return 1.0f - 2.0f / (1.0f + br_vexp(2.0f * x));
}

BR_INLINE float br_vsilu(float x)
{
    return x / (1.0f + br_vexp(-x));
}

/* x (1 + erf(x/sqrt 2)) / 2 = x - x e/2 for x >= 0 and x e/2 below, e = erfc(|x|/sqrt 2): no
 * digits cancel. -ln e is a polynomial fitted on [0, 6.5]; beyond, e < 1e-10. */
BR_INLINE float br_vgelu(float x)
{
    float a = x < 0.0f ? -x : x;
    float p = 1.3183978353481507e-06f;
    float half;

    a    = a > 6.5f ? 6.5f : a;
    p    = p * a + -1.9447426893748343e-05f;
    p    = p * a + 9.112952102441341e-05f;
    p    = p * a + 0.00018859042029362172f;
    p    = p * a + -0.0050221458077430725f;
    p    = p * a + 0.0364786833524704f;
    p    = p * a + 0.31826695799827576f;
    p    = p * a + 0.7978893518447876f;
    half = 0.5f * x * br_vexp(-(p * a));
    return x < 0.0f ? half : x - half;
}

#endif
