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

#include "kernels/cpu/clones.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/candidates.h"

#define COLS          BR_SCREEN_COLS
#define LOG_2         0.69314718055994530942
#define NEAR          4.0f    /* how far the largest exponent may be above the reference */
#define LEAST         -125.0f /* smaller exponents count as this: nothing */
#define MOST          125.0f
#define TO_WHOLE      12582912.0f /* 1.5 * 2^23: x + this - this is x rounded */
#define MOST_EXCLUDED 0.9 /* share of the sum that may be subtracted without losing digits */

void br_lse_start_row(br_lse_row *row)
{
    memset(row, 0, sizeof *row);
    row->reference = -INFINITY;
}

void br_lse_enter_panel(br_lse *lse, int64_t panel)
{
    for (int c = 0; c < COLS; c++) {
        int64_t i = panel * COLS + c;

        lse->bias_C[c] =
            i < lse->items->N ? (float)((double)lse->items->bias_N[i] * lse->per_score) : -INFINITY;
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

/* 2^x for LEAST <= x <= MOST; Taylor's coefficients but for the last two, which take the rest. */
BR_INLINE float power_of_two(float x)
{
    float   whole = (x + TO_WHOLE) - TO_WHOLE, f = x - whole, p;
    int32_t bits;

    p = 1.5403530e-4f;
    p = BR_MULADD(p, f, 1.3333558e-3f);
    p = BR_MULADD(p, f, 9.6181291e-3f);
    p = BR_MULADD(p, f, 5.5504109e-2f);
    p = BR_MULADD(p, f, 2.4022651e-1f);
    p = BR_MULADD(p, f, 6.9314718e-1f);
    p = BR_MULADD(p, f, 1.0f);
    memcpy(&bits, &p, 4);
    bits += (int32_t)whole * (1 << 23);
    memcpy(&p, &bits, 4);
    return p;
}

BR_INLINE void add_terms(const float *sum_C, float per_sum, const float *exponent_C, float *lane)
{
    for (int c = 0; c < COLS; c += BR_LSE_LANES)
        for (int l = 0; l < BR_LSE_LANES; l++) {
            float x = BR_MULADD(sum_C[c + l], per_sum, exponent_C[c + l]);

            x = x > LEAST ? x : LEAST; /* also where a sum of -inf and +inf is no number */
            x = x < MOST ? x : MOST;
            lane[l] += power_of_two(x);
        }
}

BR_CLONES static void add_floats(const br_screen_number *sum_C, float per_sum,
                                 const float *exponent_C, float *lane)
{
    add_terms(&sum_C->f, per_sum, exponent_C, lane);
}

BR_CLONES static void add_codes(const br_screen_number *sum_C, int32_t offset, float per_sum,
                                const float *exponent_C, float *lane)
{
    float sum[COLS];

    for (int c = 0; c < COLS; c++)
        sum[c] = (float)(sum_C[c].i - offset);
    add_terms(sum, per_sum, exponent_C, lane);
}

/* Items that the customer's segments exclude have no term. */
static void mask_segments(const br_lse *lse, const br_lse_part *part, float *exponent_C)
{
    const br_panel *panel = &lse->items->panel_P[part->panel];

    if (panel->require_any == 0 || part->rules->require_N == NULL)
        return;
    for (int c = 0; c < COLS && part->panel * COLS + c < lse->items->N; c++) {
        uint64_t require = part->rules->require_N[lse->items->row_N[part->panel * COLS + c]];

        if ((part->rules->have & require) != require)
            exponent_C[c] = -INFINITY;
    }
}

void br_lse_add(const br_lse *lse, br_lse_row *row, const br_lse_part *part)
{
    float exponent_C[COLS];
    float per_sum = (float)((double)part->scale * lse->per_score);

    if (row->reference == -INFINITY)
        return; /* nothing eligible yet, so none in this panel either */
    for (int c = 0; c < COLS; c++)
        exponent_C[c] = lse->bias_C[c] - row->reference;
    mask_segments(lse, part, exponent_C);
    if (lse->items->kernel->kind == BR_SCREEN_FP32)
        add_floats(part->sum_C, per_sum, exponent_C, row->lane);
    else
        add_codes(part->sum_C, part->offset, per_sum, exponent_C, row->lane);
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
