/* SPDX-License-Identifier: Apache-2.0
 *
 * Both sides of a tile's checksum. br_proof_panel is called once per panel of a run, the rest for
 * one tile in BR_PROOF_EVERY. */
#include "kernels/cpu/topk/proof.h"

#include <math.h>
#include <string.h>

#include "host/base/clones.h"
#include "host/base/hash.h"
#include "kernels/cpu/topk/bounds.h"

#define ROWS     BR_SCREEN_ROWS
#define COLS     BR_SCREEN_COLS
#define ROUNDING 20 /* units beside those of the D products: sums of vectors, rounded once each */

/* ---- sums of vectors ---- */

/* Adds `n` vectors of whole numbers, `step` units from one unit to the next, by number. Customers'
 * codes are signed; items' of 8 bits stand plus an offset. */
BR_INLINE void add_codes(const int32_t *unit, int64_t n_units, int64_t step, int dims,
                         bool is_signed, uint32_t *sum_D)
{
    for (int64_t u = 0; u < n_units; u++) {
        uint32_t bits = (uint32_t)unit[u * step];

        if (dims == 2) {
            sum_D[2 * u] += (uint32_t)(int32_t)(int16_t)bits;
            sum_D[2 * u + 1] += (uint32_t)((int32_t)bits >> 16);
            continue;
        }
        for (int i = 0; i < 4; i++)
            sum_D[4 * u + i] += is_signed ? (uint32_t)((int32_t)(bits << (24 - 8 * i)) >> 24)
                                          : bits >> 8 * i & 0xff;
    }
}

BR_CLONES static void add_customer(const int32_t *unit_U, int64_t n_units, int dims,
                                   br_screen_number *sum_D)
{
    uint32_t *sum = (uint32_t *)&sum_D->i;

    if (dims == 1)
        for (int64_t d = 0; d < n_units; d++) {
            float x;

            memcpy(&x, &unit_U[d], 4);
            sum_D[d].f += x;
        }
    else if (dims == 2)
        add_codes(unit_U, n_units, 1, 2, true, sum);
    else
        add_codes(unit_U, n_units, 1, 4, true, sum);
}

static void sum_floats(const int32_t *unit_UC, int64_t n_units, br_screen_number *sum_D)
{
    for (int64_t u = 0; u < n_units; u++) {
        double sum = 0.0;

        for (int c = 0; c < COLS; c++) {
            float z;

            memcpy(&z, &unit_UC[u * COLS + c], 4);
            sum += (double)z;
        }
        sum_D[u].f = (float)sum;
    }
}

void br_proof_panel(br_cpu_items *items, int64_t panel)
{
    int64_t           n       = items->n_units;
    const int32_t    *unit_UC = items->unit_PUC + panel * n * COLS;
    br_screen_number *sum_D   = items->proof_PD + panel * br_proof_numbers(items);

    memset(sum_D, 0, (size_t)br_proof_numbers(items) * sizeof *sum_D);
    if (items->kernel->dims == 1) {
        sum_floats(unit_UC, n, sum_D);
        return;
    }
    for (int c = 0; c < COLS; c++)
        add_codes(unit_UC + c, n, COLS, items->kernel->dims, items->kernel->dims == 2,
                  (uint32_t *)&sum_D->i);
}

/* ---- products of sums ---- */

BR_CLONES static uint32_t product_of_wholes(const br_screen_number *x_D,
                                            const br_screen_number *z_D, int64_t n)
{
    uint32_t sum = 0;

    for (int64_t d = 0; d < n; d++)
        sum += (uint32_t)x_D[d].i * (uint32_t)z_D[d].i;
    return sum;
}

BR_CLONES static uint32_t add_wholes(const br_screen_number *sum_C, int64_t n)
{
    uint32_t sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (uint32_t)sum_C[i].i;
    return sum;
}

/* Eight of everything, so that the loops become vector code. */
BR_CLONES static double product_of_floats(const br_screen_number *x_D, const br_screen_number *z_D,
                                          int64_t n)
{
    double  sum[8] = {0};
    int64_t d      = 0;

    for (; d + 8 <= n; d += 8)
        for (int l = 0; l < 8; l++)
            sum[l] += (double)x_D[d + l].f * (double)z_D[d + l].f;
    for (; d < n; d++)
        sum[0] += (double)x_D[d].f * (double)z_D[d].f;
    for (int l = 1; l < 8; l++)
        sum[0] += sum[l];
    return sum[0];
}

BR_CLONES static double add_floats(const br_screen_number *sum_C, int64_t n)
{
    double sum[8] = {0};

    for (int64_t i = 0; i < n; i += 8)
        for (int l = 0; l < 8; l++)
            sum[l] += (double)sum_C[i + l].f;
    for (int l = 1; l < 8; l++)
        sum[0] += sum[l];
    return sum[0];
}

/* ---- comparing ---- */

typedef struct side {
    const br_screen_number *x_D;
    const br_screen_number *z_D;
    const br_screen_number *sum_C; /* n of them */
    int64_t                 n;
    double                  size; /* at least the sum of |x| |z| of all these sums */
} side;

static bool agree(const br_cpu_items *items, const side *s, double *found, double *expected)
{
    int64_t D = br_proof_numbers(items);
    double  allowed;

    if (items->kernel->kind != BR_SCREEN_FP32) {
        uint32_t have = add_wholes(s->sum_C, s->n), want = product_of_wholes(s->x_D, s->z_D, D);

        *found    = (double)(int32_t)have;
        *expected = (double)(int32_t)want;
        return have == want;
    }
    *found    = add_floats(s->sum_C, s->n);
    *expected = product_of_floats(s->x_D, s->z_D, D);
    allowed   = 1.02 * (double)(D + ROUNDING) * BR_UNIT * s->size + (double)s->n * (double)BR_TINY;
    return fabs(*found - *expected) <= allowed; /* a NaN does not agree */
}

static void note(br_proof *proof, const br_tile *tile, int64_t b, int64_t panel, double found,
                 double expected)
{
    br_witness *w = &proof->witness;

    if (w->n_wrong++ > 0)
        return;
    w->row      = br_tile_at(tile, b);
    w->panel    = panel;
    w->found    = found;
    w->expected = expected;
}

/* Which of the tile's customers is it? All, where no one's part is wrong beyond its roundings. */
static void find_rows(br_proof *proof, br_tile *tile, const br_proof_place *at,
                      const br_screen_tile *sums, const side *whole)
{
    const br_cpu_items *items = tile->items;
    br_screen_number    x_D[BR_PROOF_MOST_NUMBERS];
    double              found, expected;
    int64_t             n_wrong = 0;

    for (int64_t r = 0; r < at->n; r++) {
        int32_t b   = at->row_R[r];
        side    row = {x_D, whole->z_D, sums->sum_RC[r], COLS, 0.0};

        memset(x_D, 0, (size_t)proof->n_numbers * sizeof *x_D);
        add_customer(tile->unit_RU + b * items->n_units, items->n_units, items->kernel->dims, x_D);
        row.size = tile->row[b].norm * (double)items->panel_P[at->panel].norm_most * COLS;
        if (agree(items, &row, &found, &expected))
            continue;
        note(proof, tile, b, at->panel, found, expected);
        tile->row[b].is_slow = true;
        n_wrong++;
    }
    if (n_wrong > 0)
        return;
    (void)agree(items, whole, &found, &expected);
    note(proof, tile, at->row_R[0], at->panel, found, expected);
    for (int64_t r = 0; r < at->n; r++)
        tile->row[at->row_R[r]].is_slow = true;
}

static void sum_customers(br_proof *proof, const br_tile *tile, const br_proof_place *at)
{
    int64_t             t     = at->place / ROWS;
    const br_cpu_items *items = tile->items;
    br_screen_number   *sum_D = proof->sum_TD + t * proof->n_numbers;

    memset(sum_D, 0, (size_t)proof->n_numbers * sizeof *sum_D);
    proof->norm_T[t] = 0.0;
    for (int64_t r = 0; r < at->n; r++) {
        int32_t b = at->row_R[r];

        add_customer(tile->unit_RU + b * items->n_units, items->n_units, items->kernel->dims,
                     sum_D);
        proof->norm_T[t] += tile->row[b].norm;
    }
    proof->is_summed_T[t] = true;
}

void br_proof_check(br_proof *proof, br_tile *tile, const br_proof_place *at,
                    const br_screen_tile *sums)
{
    const br_cpu_items *items = tile->items;
    int64_t             t     = at->place / ROWS;
    side                whole = {proof->sum_TD + t * proof->n_numbers,
                                 items->proof_PD + at->panel * proof->n_numbers, sums->sum_RC[0],
                                 (int64_t)ROWS * COLS, 0.0};
    double              found, expected;

    if (!proof->is_summed_T[t])
        sum_customers(proof, tile, at);
    whole.size = proof->norm_T[t] * (double)items->panel_P[at->panel].norm_most * COLS;
    proof->witness.n_checked++;
    if (!agree(items, &whole, &found, &expected))
        find_rows(proof, tile, at, sums, &whole);
}

/* ---- whose turn it is ---- */

void br_proof_begin(br_proof *proof, const br_tile *tile)
{
    const float *x_D = br_tile_query(tile, 0);

    proof->is_on     = tile->items->proof_PD != NULL;
    proof->n_numbers = br_proof_numbers(tile->items);
    if (proof->is_on)
        proof->seed = br_hash_bytes(x_D, (size_t)(tile->D < 4 ? tile->D : 4) * sizeof *x_D);
}

void br_proof_forget(br_proof *proof)
{
    memset(proof->is_summed_T, 0, sizeof proof->is_summed_T);
}

void br_proof_enter_panel(br_proof *proof, int64_t panel)
{
    uint64_t stretch = (uint64_t)(panel / BR_PROOF_STRETCH);

    if (proof->is_on && (panel % BR_PROOF_STRETCH == 0 || proof->shift < 0))
        proof->shift = (int64_t)(br_hash_mix(proof->seed + stretch) % BR_PROOF_EVERY);
}
