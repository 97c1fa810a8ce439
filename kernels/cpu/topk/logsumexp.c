/* SPDX-License-Identifier: Apache-2.0
 *
 * e^x over a tile's sums, 16 lanes at a time. Called for each customer and panel when a
 * log-sum-exp was asked for.
 *
 * Terms are 2^(score log2(e) / T - reference), in float32: a polynomial of degree 6 on [-1/2, 1/2]
 * (2e-7) and the exponent added in integers. Lanes take at most 64 terms before they are gathered
 * in float64. */
#include "kernels/cpu/topk/logsumexp.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/cpu/clones.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/candidates.h"

#define COLS          BR_SCREEN_COLS
#define LOG_2         0.69314718055994530942
#define NEAR          4.0f    /* how far the largest exponent may be above the reference */
#define NO_TERM       -1e30f  /* an exponent whose power is 0 */
#define LEAST         -125.0f /* smaller exponents count as this: nothing */
#define MOST          125.0f
#define TO_WHOLE      12582912.0f /* 1.5 * 2^23: x + this - this is x rounded */
#define MOST_EXCLUDED 0.9 /* share of the sum that may be subtracted without losing digits */

void br_lse_start_row(const br_lse *lse, br_lse_row *row, float scale, int32_t offset,
                      const br_topk_rules *rules)
{
    memset(row, 0, sizeof *row);
    row->reference = -INFINITY;
    row->per_sum   = (float)((double)scale * lse->per_score);
    row->offset    = offset;
    row->rules     = rules;
}

void br_lse_enter_panel(br_lse *lse, int64_t panel)
{
    for (int c = 0; c < COLS; c++) {
        int64_t i = panel * COLS + c;

        lse->bias_C[c] =
            i < lse->items->N ? (float)((double)lse->items->bias_N[i] * lse->per_score) : NO_TERM;
    }
}

void br_lse_raise(const br_lse *lse, br_lse_row *row, float approx)
{
    float exponent = (float)((double)approx * lse->per_score), factor;

    if (exponent <= row->reference + NEAR)
        return;
    factor = row->reference > -INFINITY ? exp2f(row->reference - exponent) : 0.0f;
    row->total *= (double)factor;
    for (int l = 0; l < BR_LSE_LANES; l++)
        row->lane[l] *= factor;
    row->reference = exponent;
}

/* 2^f for |f| <= 1/2, relative error below 2e-7: the minimax polynomial of degree 5. */
#define C0 1.00000012e+00f
#define C1 6.93146944e-01f
#define C2 2.40221202e-01f
#define C3 5.55071309e-02f
#define C4 9.67554096e-03f
#define C5 1.32764725e-03f

/* 2^x for LEAST <= x <= MOST */
BR_INLINE float power_of_two(float x)
{
    float   whole = (x + TO_WHOLE) - TO_WHOLE, f = x - whole, p = C5;
    int32_t bits;

    p = BR_MULADD(p, f, C4);
    p = BR_MULADD(p, f, C3);
    p = BR_MULADD(p, f, C2);
    p = BR_MULADD(p, f, C1);
    p = BR_MULADD(p, f, C0);
    memcpy(&bits, &p, 4);
    bits += (int32_t)whole * (1 << 23);
    memcpy(&p, &bits, 4);
    return p;
}

/* What the sums of one customer with the panel add to its lanes. */
typedef struct terms {
    const br_screen_number *sum_C;
    const float            *exponent_C;
    float                   per_sum;
    bool                    is_fp32;
} terms;

BR_CLONES static void add_terms(const terms *t, br_lse_row *row)
{
    float sum[COLS];

    for (int c = 0; c < COLS; c++)
        sum[c] = t->is_fp32 ? t->sum_C[c].f : (float)(t->sum_C[c].i - row->offset);
    for (int c = 0; c < COLS; c += BR_LSE_LANES)
        for (int l = 0; l < BR_LSE_LANES; l++) {
            float x = BR_MULADD(sum[c + l], t->per_sum, t->exponent_C[c + l] - row->reference);

            x = x > LEAST ? x : LEAST;
            x = x < MOST ? x : MOST;
            row->lane[l] += power_of_two(x);
        }
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void add_terms_avx512(const terms *t, br_lse_row *row)
{
    __m512  lane = _mm512_loadu_ps(row->lane), scale = _mm512_set1_ps(t->per_sum);
    __m512  reference = _mm512_set1_ps(row->reference);
    __m512i offset    = _mm512_set1_epi32(row->offset);

    for (int c = 0; c < COLS; c += 16) {
        __m512i bits = _mm512_loadu_si512(t->sum_C + c);
        __m512  x    = t->is_fp32 ? _mm512_castsi512_ps(bits)
                                  : _mm512_cvtepi32_ps(_mm512_sub_epi32(bits, offset));
        __m512  e    = _mm512_sub_ps(_mm512_loadu_ps(t->exponent_C + c), reference), whole, f, p;

        x     = _mm512_fmadd_ps(x, scale, e);
        whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        f     = _mm512_sub_ps(x, whole);
        p     = _mm512_fmadd_ps(_mm512_set1_ps(C5), f, _mm512_set1_ps(C4));
        p     = _mm512_fmadd_ps(p, f, _mm512_set1_ps(C3));
        p     = _mm512_fmadd_ps(p, f, _mm512_set1_ps(C2));
        p     = _mm512_fmadd_ps(p, f, _mm512_set1_ps(C1));
        p     = _mm512_fmadd_ps(p, f, _mm512_set1_ps(C0));
        lane  = _mm512_add_ps(lane, _mm512_scalef_ps(p, whole));
    }
    _mm512_storeu_ps(row->lane, lane);
}
#endif

/* Items that the customer's segments exclude have no term. */
static const float *mask_segments(const br_lse *lse, int64_t at, const br_topk_rules *rules,
                                  float *masked_C)
{
    uint64_t any = lse->items->panel_P[at].require_any;

    if (rules->require_N == NULL || (rules->have & any) == any)
        return lse->bias_C;
    for (int c = 0; c < COLS; c++) {
        int64_t  i       = at * COLS + c;
        uint64_t require = i < lse->items->N ? rules->require_N[lse->items->row_N[i]] : 0;

        masked_C[c] = (rules->have & require) == require ? lse->bias_C[c] : NO_TERM;
    }
    return masked_C;
}

void br_lse_add(const br_lse *lse, int64_t panel, br_lse_row *const *row_R, int n,
                const br_screen_tile *tile)
{
    float masked_C[COLS], scale = lse->items->panel_P[panel].scale;
    bool  is_wide = false;
    terms t       = {.is_fp32 = lse->items->kernel->kind == BR_SCREEN_FP32};

#if defined(__x86_64__)
    is_wide = __builtin_cpu_supports("avx512f");
#endif
    for (int r = 0; r < n; r++) {
        br_lse_row *row = row_R[r];

        if (row->reference == -INFINITY)
            continue; /* nothing eligible yet, so none in this panel either */
        t.sum_C      = tile->sum_RC[r];
        t.per_sum    = row->per_sum * scale;
        t.exponent_C = mask_segments(lse, panel, row->rules, masked_C);
#if defined(__x86_64__)
        if (is_wide) {
            add_terms_avx512(&t, row);
            continue;
        }
#endif
        add_terms(&t, row);
    }
    (void)is_wide;
}

void br_lse_correct(const br_lse *lse, br_lse_row *row, float approx, float exact)
{
    double reference = (double)row->reference;

    row->total += exp2((double)exact * lse->per_score - reference) -
                  exp2((double)approx * lse->per_score - reference);
}

void br_lse_gather(br_lse_row *row)
{
    for (int l = 0; l < BR_LSE_LANES; l++) {
        row->total += (double)row->lane[l];
        row->lane[l] = 0.0f;
    }
}

bool br_lse_is_done(const br_lse *lse, const br_lse_row *row, double norm, int64_t panel)
{
    const br_panel *rest  = &lse->items->panel_P[panel];
    double          count = (double)(lse->items->N - panel * COLS);
    double          most  = norm * (double)rest->norm_rest + (double)rest->bias_rest;

    return count * exp2(most * lse->per_score - (double)row->reference) <
           lse->tolerance * row->total;
}

/* The terms of the never-list, which the scan has added: canonical scores will do. */
static double excluded_terms(const br_lse *lse, const br_lse_row *row,
                             const br_score_topk_args *args, int64_t at)
{
    br_mat        items  = args->items->item_ND;
    br_mat        biases = args->items->bias_N;
    const float  *x_D    = br_mat_f32(args->query_BD) + at * args->query_BD.ld;
    br_topk_rules rules  = br_topk_rules_of(args, at);
    double        sum    = 0.0;

    for (int64_t s = 0; s < rules.n_never; s++) {
        int32_t item = rules.never[s];
        double  score;

        if (item < 0 || item >= items.n_rows || (s > 0 && rules.never[s - 1] == item))
            continue;
        if (rules.require_N != NULL &&
            (rules.have & rules.require_N[item]) != rules.require_N[item])
            continue;
        score = br_canonical_dot_fast(x_D, br_mat_f32(items) + item * items.ld, items.n_cols);
        score += biases.buf != NULL ? (double)br_mat_f32(biases)[item * biases.ld] : 0.0;
        sum += exp2(score * lse->per_score - (double)row->reference);
    }
    return sum;
}

double br_lse_finish(const br_lse *lse, const br_lse_row *row, const br_score_topk_args *args,
                     int64_t at)
{
    double excluded;

    if (row->total == 0.0)
        return -INFINITY;
    excluded = excluded_terms(lse, row, args, at);
    if (excluded > MOST_EXCLUDED * row->total)
        return br_ref_logsumexp(args, at);
    return LOG_2 * ((double)row->reference + log2(row->total - excluded));
}
