/* SPDX-License-Identifier: Apache-2.0
 *
 * e^x over a tile's sums, 16 lanes at a time. Called for each customer and panel when a
 * log-sum-exp was asked for.
 *
 * Terms are 2^(score log2(e) / T - reference), in float32: a polynomial of degree 4 on [0, 1)
 * (2.7e-6) and the exponent added by scaling. Lanes take at most 64 terms before they are gathered
 * in float64. */
#include "kernels/cpu/topk/logsumexp.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "host/base/clones.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/candidates.h"

#define COLS          BR_SCREEN_COLS
#define LOG_2         0.69314718055994530942
#define NEAR          4.0f    /* how far the largest exponent may be above the reference */
#define NO_TERM       -1e30f  /* an exponent whose power is 0 */
#define NONE          1e30f   /* the reference before any item is eligible: all powers are 0 */
#define LEAST         -125.0f /* smaller exponents count as this: nothing */
#define MOST          125.0f
#define MOST_EXCLUDED 0.9 /* share of the sum that may be subtracted without losing digits */

br_lse br_lse_begin(const br_cpu_items *items, br_lse_kind kind, double temperature)
{
    br_lse lse = {.items     = items,
                  .per_score = 1.0 / (LOG_2 * temperature),
                  .tolerance = kind == BR_LSE_FINE ? 1e-6 : 1e-4};

#if defined(__x86_64__)
    lse.is_wide = items->kernel == br_screen_avx512(items->kernel->kind) &&
                  __builtin_cpu_supports("avx512dq");
#endif
    return lse;
}

void br_lse_start_row(const br_lse *lse, br_lse_row *row, float scale, const br_topk_rules *rules)
{
    memset(row, 0, sizeof *row);
    row->reference = NONE;
    row->per_sum   = (float)((double)scale * lse->per_score);
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

    if (row->reference != NONE && exponent <= row->reference + NEAR)
        return;
    factor = row->reference != NONE ? exp2f(row->reference - exponent) : 0.0f;
    row->total *= (double)factor;
    for (int l = 0; l < BR_LSE_LANES; l++)
        row->lane[l] *= factor;
    row->reference = exponent;
}

/* 2^f for 0 <= f <= 1, relative error below 2.7e-6: the minimax polynomial of degree 4. */
#define C0 1.000002593e+00f
#define C1 6.930038345e-01f
#define C2 2.414427569e-01f
#define C3 5.201146061e-02f
#define C4 1.353416792e-02f

/* 2^x, x taken into [LEAST, MOST] */
BR_INLINE float power_of_two(float x)
{
    float   whole, f, p = C4;
    int32_t bits;

    x     = x > LEAST ? x : LEAST;
    x     = x < MOST ? x : MOST;
    whole = floorf(x);
    f     = x - whole;
    p     = BR_MULADD(p, f, C3);
    p     = BR_MULADD(p, f, C2);
    p     = BR_MULADD(p, f, C1);
    p     = BR_MULADD(p, f, C0);
    memcpy(&bits, &p, 4);
    bits += (int32_t)whole * (1 << 23);
    memcpy(&p, &bits, 4);
    return p;
}

/* A tile's sums and the customers to whose lanes their powers go. */
typedef struct terms {
    const br_screen_tile *tile;
    br_lse_row *const    *row_R;
    const float          *exponent_C;  /* of the first customer's items, beside their sums */
    int                   exponent_ld; /* to the next customer's; 0: the same for all */
    float                 scale;       /* of the panel */
    bool                  is_fp32;
} terms;

BR_CLONES static void add_row(const terms *t, int r)
{
    const br_screen_number *sum_C      = t->tile->sum_RC[r];
    const float            *exponent_C = t->exponent_C + r * t->exponent_ld;
    br_lse_row             *row        = t->row_R[r];
    float                   reference = row->reference, per_sum = row->per_sum * t->scale;
    float                   sum[COLS];

    for (int c = 0; c < COLS; c++)
        sum[c] = t->is_fp32 ? sum_C[c].f : (float)sum_C[c].i;
    for (int c = 0; c < COLS; c += BR_LSE_LANES)
        for (int l = 0; l < BR_LSE_LANES; l++)
            row->lane[l] +=
                power_of_two(BR_MULADD(sum[c + l], per_sum, exponent_C[c + l] - reference));
}

#if defined(__x86_64__)
#define WIDE      __attribute__((target("avx512f,avx512dq")))
#define N_X       8
#define AT_A_TIME (N_X * 16 / COLS) /* customers */
#define EACH_X    for (int i = 0; i < N_X; i++)

/* power_of_two of 8 x 16; what is far below counts as 0 by itself. Zen 4 has one pipe for products
 * and one for sums, which reduce, scalef and conversions share: sums are made by the first, the
 * minimum by that of integers, whose order is the same above 0. */
WIDE BR_INLINE void powers_of_two(__m512 *x)
{
    const __m512i most = _mm512_castps_si512(_mm512_set1_ps(MOST));
    __m512        f[N_X], p[N_X];

    EACH_X x[i] = _mm512_castsi512_ps(_mm512_min_epi32(_mm512_castps_si512(x[i]), most));
    EACH_X f[i] = _mm512_reduce_ps(x[i], _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    EACH_X p[i] = _mm512_fmadd_ps(_mm512_set1_ps(C4), f[i], _mm512_set1_ps(C3));
    EACH_X p[i] = _mm512_fmadd_ps(p[i], f[i], _mm512_set1_ps(C2));
    EACH_X p[i] = _mm512_fmadd_ps(p[i], f[i], _mm512_set1_ps(C1));
    EACH_X p[i] = _mm512_fmadd_ps(p[i], f[i], _mm512_set1_ps(C0));
    EACH_X x[i] = _mm512_scalef_ps(p[i], x[i]); /* times 2^floor(x) */
}

/* Customers r to r + AT_A_TIME - 1 */
WIDE static void add_rows(const terms *t, int r)
{
    __m512 x[N_X], one = _mm512_set1_ps(1.0f);

    __asm__("" : "+v"(one)); /* the compiler would make sums of its products */
    EACH_X
    {
        __m512i bits = _mm512_load_si512(&t->tile->sum_RC[r + i / 2][i % 2 * 16]);

        x[i] = t->is_fp32 ? _mm512_castsi512_ps(bits) : _mm512_cvtepi32_ps(bits);
    }
    EACH_X
    {
        const br_lse_row *row      = t->row_R[r + i / 2];
        const float      *exponent = t->exponent_C + (r + i / 2) * t->exponent_ld + i % 2 * 16;

        x[i] = _mm512_fmadd_ps(
            x[i], _mm512_set1_ps(row->per_sum * t->scale),
            _mm512_fmsub_ps(one, _mm512_load_ps(exponent), _mm512_set1_ps(row->reference)));
    }
    powers_of_two(x);
    for (int i = 0; i < N_X; i += 2) {
        float *lane = t->row_R[r + i / 2]->lane;

        x[i] = _mm512_fmadd_ps(one, x[i], x[i + 1]);
        _mm512_store_ps(lane, _mm512_fmadd_ps(one, x[i], _mm512_load_ps(lane)));
    }
}
#endif

/* Items that the customer's segments exclude have no term. */
static void mask_segments(const br_lse *lse, int64_t at, const br_topk_rules *rules,
                          float *masked_C)
{
    uint32_t eligible = br_cpu_items_eligible(lse->items, at, rules->have);

    for (int c = 0; c < COLS; c++)
        masked_C[c] = (eligible >> c & 1) != 0 ? lse->bias_C[c] : NO_TERM;
}

static bool any_lacks(uint64_t require, br_lse_row *const *row_R, int n)
{
    for (int r = 0; require != 0 && r < n; r++)
        if (row_R[r]->rules->require_N != NULL && (row_R[r]->rules->have & require) != require)
            return true;
    return false;
}

void br_lse_add(const br_lse *lse, int64_t panel, br_lse_row *const *row_R, int n,
                const br_screen_tile *tile)
{
    _Alignas(64) float masked_RC[BR_SCREEN_ROWS][COLS];
    terms              t = {.tile       = tile,
                            .row_R      = row_R,
                            .exponent_C = lse->bias_C,
                            .scale      = lse->items->panel_P[panel].scale,
                            .is_fp32    = lse->items->kernel->kind == BR_SCREEN_FP32};

    if (any_lacks(lse->items->panel_P[panel].require_any, row_R, n)) {
        memset(masked_RC + n, 0, (size_t)(BR_SCREEN_ROWS - n) * sizeof *masked_RC);
        for (int r = 0; r < n; r++)
            mask_segments(lse, panel, row_R[r]->rules, masked_RC[r]);
        t.exponent_C  = masked_RC[0];
        t.exponent_ld = COLS;
    }
#if defined(__x86_64__)
    if (lse->is_wide) {
        for (int r = 0; r < n; r += AT_A_TIME)
            add_rows(&t, r);
        return;
    }
#endif
    for (int r = 0; r < n; r++)
        add_row(&t, r);
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

    if (row->reference == NONE)
        return -INFINITY;
    excluded = excluded_terms(lse, row, args, at);
    if (excluded > MOST_EXCLUDED * row->total)
        return br_ref_logsumexp(args, at);
    return LOG_2 * ((double)row->reference + log2(row->total - excluded));
}
