/* SPDX-License-Identifier: Apache-2.0
 *
 * exp and the activations in fp32, written without branches so that a loop over them vectorises.
 * Largest errors against fp64, found by tests/kernels/test_ops_linear.c over every activation's
 * range: exp 1.5e-7 relative, sigmoid 1.5e-7, tanh 3e-7, gelu and silu 1.5e-7 x max(1, |x|). */
#ifndef BR_KERNELS_CPU_VECTOR_MATH_H
#define BR_KERNELS_CPU_VECTOR_MATH_H

#include <stdint.h>
#include <string.h>

#include "host/base/clones.h"

BR_INLINE uint32_t br_vbits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

BR_INLINE float br_vfloat(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |x| but at most `limit`, by integers: one instruction, where a comparison of floats is many. */
BR_INLINE float br_vclamped(float x, float limit)
{
    uint32_t bits = br_vbits(x) & 0x7FFFFFFFu;
    uint32_t most = br_vbits(limit);

    return br_vfloat(bits < most ? bits : most);
}

/* e^x for |x| <= 87, or NaN */
BR_INLINE float br_vexp_inside(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float       t     = BR_MULADD(x, 1.44269504f, shift);
    float       n     = t - shift;
    float       r     = BR_MULADD(n, -0.693359375f, x); /* exact: ln 2 in two parts */
    float       p     = 1.9875691500e-4f;

    r = BR_MULADD(n, 2.12194440e-4f, r);
    p = BR_MULADD(p, r, 1.3981999507e-3f);
    p = BR_MULADD(p, r, 8.3334519073e-3f);
    p = BR_MULADD(p, r, 4.1665795894e-2f);
    p = BR_MULADD(p, r, 1.6666665459e-1f);
    p = BR_MULADD(p, r, 5.0000001201e-1f);
    p = BR_MULADD(p, r * r, r) + 1.0f;
    return p * br_vfloat((br_vbits(t) - 0x4B400000u + 127u) << 23); /* 2^n */
}

/* e^x for x <= 0: 0 below -87, NaN for NaN */
BR_INLINE float br_vexp_negative(float x)
{
    uint32_t bits = br_vbits(x);
    uint32_t most = br_vbits(-87.0f);
    float    y    = br_vexp_inside(br_vfloat(bits < most ? bits : most));

    y = x == x ? y : x;
    return x < -87.0f ? 0.0f : y;
}

/* e^-x, x held within -87 .. 87 */
BR_INLINE float br_vexp_minus(float x)
{
    uint32_t sign = ~br_vbits(x) & 0x80000000u;

    return br_vexp_inside(br_vfloat(br_vbits(br_vclamped(x, 87.0f)) | sign));
}

BR_INLINE float br_vsigmoid(float x)
{
    float y = 1.0f / (1.0f + br_vexp_minus(x));

    return x == x ? y : x; /* NaN stays NaN */
}

BR_INLINE float br_vtanh(float x)
{
    float y = 2.0f / (1.0f + br_vexp_minus(2.0f * x)) - 1.0f;

    return x == x ? y : x;
}

BR_INLINE float br_vsilu(float x)
{
    return x / (1.0f + br_vexp_minus(x));
}

/* x (1 + erf(x/sqrt 2)) / 2 = x - x e/2 for x >= 0 and x e/2 below, e = erfc(|x|/sqrt 2): no
 * digits cancel. -ln e is a polynomial fitted on [0, 6.5]; beyond, e < 1e-10. */
BR_INLINE float br_vgelu(float x)
{
    float a = br_vclamped(x, 6.5f);
    float p = 1.3183978353481507e-06f;
    float half;

    p    = BR_MULADD(p, a, -1.9447426893748343e-05f);
    p    = BR_MULADD(p, a, 9.112952102441341e-05f);
    p    = BR_MULADD(p, a, 0.00018859042029362172f);
    p    = BR_MULADD(p, a, -0.0050221458077430725f);
    p    = BR_MULADD(p, a, 0.0364786833524704f);
    p    = BR_MULADD(p, a, 0.31826695799827576f);
    p    = BR_MULADD(p, a, 0.7978893518447876f);
    half = 0.5f * x * br_vexp_inside(-(p * a));
    return x < 0.0f ? half : x - half;
}

#endif
