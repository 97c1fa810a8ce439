/* SPDX-License-Identifier: Apache-2.0
 *
 * Powers and gates in 16 lanes, for the bf16 mode's AVX-512 code. Only functions with that target
 * may call them. */
#ifndef BR_KERNELS_CPU_ENCODER_POWERS_H
#define BR_KERNELS_CPU_ENCODER_POWERS_H

#include <immintrin.h>

#include "host/base/clones.h"

#define BR_DOT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#define BR_LOG2_E     1.44269504f

/* 2^x, relative error 2e-7; NaN stays NaN */
BR_DOT_TARGET BR_INLINE __m512 br_power_of_two(__m512 x)
{
    __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 f = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(1.3276470e-3f);

    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.6755410e-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5507135e-2f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4022120e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9314694e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0000001f));
    return _mm512_scalef_ps(p, n);
}

/* 1 / (1 + 2^x), absolute error 2e-7: the reciprocal's 14 bits and one step of Newton. x is held
 * below 126, where the reciprocal is still a normal number. */
BR_DOT_TARGET BR_INLINE __m512 br_share_of_one(__m512 x)
{
    __m512 d = _mm512_add_ps(br_power_of_two(_mm512_min_ps(_mm512_set1_ps(126.0f), x)),
                             _mm512_set1_ps(1.0f));
    __m512 r = _mm512_rcp14_ps(d);

    return _mm512_mul_ps(r, _mm512_fnmadd_ps(d, r, _mm512_set1_ps(2.0f)));
}

#endif
