/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of rows_bf16.h. Called once per event, or per sequence and head. */
#include "kernels/cpu/encoder/rows_bf16.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include "kernels/cpu/encoder/powers.h"

#define AT_ONCE 4 /* events whose sums run side by side */

BR_DOT_TARGET BR_INLINE __mmask16 lanes_of(int64_t n, int64_t i)
{
    return n - i < 16 ? (__mmask16)((1u << (n - i)) - 1u) : 0xFFFF;
}

/* A store with a mask takes several times as long as one without. */
BR_DOT_TARGET BR_INLINE void put(float *to, __mmask16 in, __m512 x)
{
    if (in == 0xFFFF)
        _mm512_storeu_ps(to, x);
    else
        _mm512_mask_storeu_ps(to, in, x);
}

/* br_vgelu with its exponential in powers of two. */
BR_DOT_TARGET BR_INLINE __m512 gelu(__m512 x)
{
    __m512 a = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(6.5f));
    __m512 p = _mm512_set1_ps(1.9020461e-06f);
    __m512 half;

    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(-2.8056706e-05f));
    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(1.3147210e-04f));
    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(2.7207847e-04f));
    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(-7.2454247e-03f));
    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(5.2627616e-02f));
    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(4.5916218e-01f));
    p    = _mm512_fmadd_ps(p, a, _mm512_set1_ps(1.1511110f));
    p    = br_power_of_two(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(p, a)));
    half = _mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(0.5f), x), p);
    return _mm512_mask_sub_ps(half, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLT_UQ), x,
                              half);
}

BR_DOT_TARGET void br_cpu_row_gelu(float *y_O, int64_t n, uint16_t *half_O)
{
    int64_t i = 0;

    for (; half_O != NULL && i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(void *)(half_O + i),
                            (__m256i)_mm512_cvtneps_pbh(gelu(_mm512_loadu_ps(y_O + i))));
    for (; i < n; i += 16) {
        __mmask16 in = lanes_of(n, i);
        __m512    y  = gelu(_mm512_maskz_loadu_ps(in, y_O + i));

        if (half_O == NULL)
            put(y_O + i, in, y);
        else
            _mm256_mask_storeu_epi16(half_O + i, in, (__m256i)_mm512_cvtneps_pbh(y));
    }
}

BR_DOT_TARGET BR_INLINE __m512 sum_of(__mmask16 in, const float *gate, const float *hh)
{
    return _mm512_add_ps(_mm512_maskz_loadu_ps(in, gate), _mm512_maskz_loadu_ps(in, hh));
}

BR_DOT_TARGET void br_cpu_row_gates(const float *gate_3H, const float *hh_3H, float w, int64_t n,
                                    float *h_H)
{
    const float *gate_z = gate_3H + n, *gate_n = gate_3H + 2 * n;
    const float *hh_z = hh_3H + n, *hh_n = hh_3H + 2 * n;
    __m512       to_power = _mm512_set1_ps(-BR_LOG2_E);

    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 in = lanes_of(n, i);
        __m512    h  = _mm512_maskz_loadu_ps(in, h_H + i);
        __m512    r  = _mm512_mul_ps(sum_of(in, gate_3H + i, hh_3H + i), to_power);
        __m512    z  = _mm512_mul_ps(sum_of(in, gate_z + i, hh_z + i), to_power);
        __m512    g  = _mm512_maskz_loadu_ps(in, hh_n + i);

        r = br_share_of_one(r);
        z = br_share_of_one(z);
        g = _mm512_fmadd_ps(r, g, _mm512_maskz_loadu_ps(in, gate_n + i));
        /* tanh g = 1 - 2 / (1 + e^(2g)); w (1 - z) is the share of the step */
        g = br_share_of_one(_mm512_mul_ps(g, _mm512_set1_ps(2.0f * BR_LOG2_E)));
        g = _mm512_fnmadd_ps(g, _mm512_set1_ps(2.0f), _mm512_set1_ps(1.0f));
        z = _mm512_fnmadd_ps(z, _mm512_set1_ps(w), _mm512_set1_ps(w));
        put(h_H + i, in, _mm512_fmadd_ps(z, _mm512_sub_ps(g, h), h));
    }
}

/* Four events; those beyond n repeat the last one and are not stored. */
BR_DOT_TARGET static void four_logits(const br_cpu_events *x, int64_t t, const float *u_D,
                                      float offset, float *logit_T)
{
    int64_t      n  = x->n - t < AT_ONCE ? x->n - t : AT_ONCE;
    const float *x0 = x->x_TD + t * x->ld_x, *x1 = x0 + (n > 1 ? x->ld_x : 0);
    const float *x2 = x1 + (n > 2 ? x->ld_x : 0), *x3 = x2 + (n > 3 ? x->ld_x : 0);
    __m512       s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;

    for (int64_t d = 0; d < x->n_cols; d += 16) {
        __mmask16 in = lanes_of(x->n_cols, d);
        __m512    u  = _mm512_maskz_loadu_ps(in, u_D + d);

        s0 = _mm512_fmadd_ps(u, _mm512_maskz_loadu_ps(in, x0 + d), s0);
        s1 = _mm512_fmadd_ps(u, _mm512_maskz_loadu_ps(in, x1 + d), s1);
        s2 = _mm512_fmadd_ps(u, _mm512_maskz_loadu_ps(in, x2 + d), s2);
        s3 = _mm512_fmadd_ps(u, _mm512_maskz_loadu_ps(in, x3 + d), s3);
    }
    logit_T[t] = _mm512_reduce_add_ps(s0) + offset;
    if (n > 1)
        logit_T[t + 1] = _mm512_reduce_add_ps(s1) + offset;
    if (n > 2)
        logit_T[t + 2] = _mm512_reduce_add_ps(s2) + offset;
    if (n > 3)
        logit_T[t + 3] = _mm512_reduce_add_ps(s3) + offset;
}

void br_cpu_row_logits(const br_cpu_events *x, const float *u_D, float offset, float *logit_T)
{
    for (int64_t t = 0; t < x->n; t += AT_ONCE)
        four_logits(x, t, u_D, offset, logit_T);
}

BR_DOT_TARGET void br_cpu_row_mean(const br_cpu_events *x, const float *weight_T, float factor,
                                   float *out_D)
{
    for (int64_t d = 0; d < x->n_cols; d += 64) {
        __mmask16    in[4];
        const float *row = x->x_TD + d;
        __m512       s0, s1, s2, s3;

        for (int64_t i = 0; i < 4; i++)
            in[i] = d + 16 * i < x->n_cols ? lanes_of(x->n_cols, d + 16 * i) : 0;
        s0 = _mm512_maskz_loadu_ps(in[0], out_D + d);
        s1 = _mm512_maskz_loadu_ps(in[1], out_D + d + 16);
        s2 = _mm512_maskz_loadu_ps(in[2], out_D + d + 32);
        s3 = _mm512_maskz_loadu_ps(in[3], out_D + d + 48);
        for (int64_t t = 0; t < x->n; t++, row += x->ld_x) {
            __m512 w = _mm512_set1_ps(weight_T[t] * factor);

            s0 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(in[0], row), s0);
            s1 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(in[1], row + 16), s1);
            s2 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(in[2], row + 32), s2);
            s3 = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(in[3], row + 48), s3);
        }
        put(out_D + d, in[0], s0);
        put(out_D + d + 16, in[1], s1);
        put(out_D + d + 32, in[2], s2);
        put(out_D + d + 48, in[3], s3);
    }
}
#else
#include <assert.h>

void br_cpu_row_gelu(float *y_O, int64_t n, uint16_t *half_O)
{
    (void)y_O, (void)n, (void)half_O;
    assert(!"no AVX-512 BF16 on this processor");
}

void br_cpu_row_gates(const float *gate_3H, const float *hh_3H, float w, int64_t n, float *h_H)
{
    (void)gate_3H, (void)hh_3H, (void)w, (void)n, (void)h_H;
    assert(!"no AVX-512 BF16 on this processor");
}

void br_cpu_row_logits(const br_cpu_events *x, const float *u_D, float offset, float *logit_T)
{
    (void)x, (void)u_D, (void)offset, (void)logit_T;
    assert(!"no AVX-512 BF16 on this processor");
}

void br_cpu_row_mean(const br_cpu_events *x, const float *weight_T, float factor, float *out_D)
{
    (void)x, (void)weight_T, (void)factor, (void)out_D;
    assert(!"no AVX-512 BF16 on this processor");
}
#endif
