/* SPDX-License-Identifier: Apache-2.0
 *
 * The sum of e^(score / T) over what a list left, and over what each slot shut out, from every
 * item's canonical score: blocks of items stay near while all customers pass by, four at a time. */
#include <math.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/canonical.h"
#include "kernels/cpu/draw/block.h"

#define ROWS  4
#define ITEMS 4

typedef double eight_doubles __attribute__((vector_size(64)));
typedef float  eight_floats __attribute__((vector_size(32)));

/* Some customers and a block of items. */
typedef struct tile {
    const double *x_4D8[ROWS];
    double        temperature[ROWS];
    const float  *z_ND; /* the block's first */
    int64_t       ld;
    const float  *bias_N;
    int64_t       bias_ld;
    int64_t       D;
    int64_t       n;
    double       *y_4C;
} tile;

BR_INLINE void widen(const float *z, int64_t n, eight_doubles *wide)
{
    eight_floats z8 = {0};

    memcpy(&z8, z, n < 8 ? (size_t)n * sizeof(float) : sizeof z8);
    *wide = __builtin_convertvector(z8, eight_doubles);
}

/* The tree of kernels/canonical.h. */
BR_INLINE double sum_of_lanes(const eight_doubles *lane)
{
    double s[4];

    for (int l = 0; l < 4; l++)
        s[l] = (*lane)[l] + (*lane)[l + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

BR_INLINE void add_products(const tile *t, const float *const z_4D[ITEMS], int64_t d, int64_t n,
                            eight_doubles lane[ROWS][ITEMS])
{
    eight_doubles x[ROWS];

    for (int r = 0; r < ROWS; r++)
        memcpy(&x[r], t->x_4D8[r] + d, sizeof x[r]);
    for (int i = 0; i < ITEMS; i++) {
        eight_doubles z;

        widen(z_4D[i] + d, n, &z);
        for (int r = 0; r < ROWS; r++)
            lane[r][i] += x[r] * z;
    }
}

/* y of four items from `at` on; beyond the last the last again. */
BR_CLONES static void score_four(const tile *t, int64_t at)
{
    eight_doubles lane[ROWS][ITEMS] = {{{0}}};
    const float  *z_4D[ITEMS];
    int64_t       d = 0;

    for (int64_t i = 0; i < ITEMS; i++)
        z_4D[i] = t->z_ND + (at + i < t->n ? at + i : t->n - 1) * t->ld;
    for (; d + 8 <= t->D; d += 8)
        add_products(t, z_4D, d, 8, lane);
    if (d < t->D)
        add_products(t, z_4D, d, t->D - d, lane);
    for (int64_t i = 0; i < ITEMS && at + i < t->n; i++)
        for (int r = 0; r < ROWS; r++) {
            float bias = t->bias_N != NULL ? t->bias_N[(at + i) * t->bias_ld] : 0.0f;

            t->y_4C[r * BR_SUM_BLOCK + at + i] =
                (double)br_canonical_round(sum_of_lanes(&lane[r][i]), bias) / t->temperature[r];
        }
}

BR_CLONES static br_logsum sum_leaving(const double *y_C, int64_t n)
{
    return br_logsum_block(y_C, n);
}

BR_CLONES static void sum_left(br_left *left, double floor, const double *y_C, int64_t n)
{
    br_left_add_block(left, floor, y_C, n);
}

/* The first of ascending rows that is not below `item`. */
static int64_t first_from(const int32_t *row_n, int64_t n, int64_t item)
{
    int64_t lo = 0, hi = n;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (row_n[mid] < item)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* -inf for the items of the row's full groups; each goes to the sum of the first slot that filled
 * one of its groups. */
static void take_full(const br_draw_block *k, int64_t b, int64_t first, int64_t n, double *y_C)
{
    const br_draw_row  *row    = &k->row[b];
    const int32_t      *item_P = row->quotas.item_P;
    const br_draw_full *full_F = k->full_RF + b * row->k * k->n_quotas;
    double             *out_C  = k->y_4C + ROWS * BR_SUM_BLOCK;

    for (int32_t f = 0; f < k->n_full_R[b]; f++) {
        const int64_t *offset = row->quotas.offset_G1 + full_F[f].group;
        br_logsum     *leave  = &k->leave_RK[b * row->k + full_F[f].slot];
        int64_t i = offset[0] + first_from(item_P + offset[0], offset[1] - offset[0], first), m = 0;

        for (; i < offset[1] && item_P[i] < first + n; i++) {
            out_C[m] = y_C[item_P[i] - first];
            m += out_C[m] > -INFINITY;
            y_C[item_P[i] - first] = -INFINITY;
        }
        *leave = br_logsum_add(*leave, sum_leaving(out_C, m));
    }
}

/* -inf for what the row may not be shown, and for what is on its list. */
static void mask(const br_draw_row *row, int64_t first, int64_t n, double *y_C)
{
    const br_topk_rules *rules = &row->rules;

    for (int64_t i = 0; rules->require_N != NULL && i < n; i++)
        if ((rules->have & rules->require_N[first + i]) != rules->require_N[first + i])
            y_C[i] = -INFINITY;
    for (int64_t s = first_from(rules->never, rules->n_never, first);
         s < rules->n_never && rules->never[s] < first + n; s++)
        y_C[rules->never[s] - first] = -INFINITY;
    for (int64_t e = 0; e < row->n_extras; e++)
        if (row->extra_X[e] >= first && row->extra_X[e] < first + n)
            y_C[row->extra_X[e] - first] = (double)row->extra_score_X[e] / row->temperature;
    for (int32_t j = 0; j < row->n; j++)
        if (row->item_K[j] >= first && row->item_K[j] < first + n)
            y_C[row->item_K[j] - first] = -INFINITY;
}

static void widen_row(const br_draw_block *k, int64_t b)
{
    br_mat       query = k->args->query_BD;
    const float *x_D   = br_mat_f32(query) + k->row[b].at * query.ld;
    double      *x_D8  = k->x_RD8 + b * ((k->D + 7) / 8 * 8);

    for (int64_t d = 0; d < (k->D + 7) / 8 * 8; d++)
        x_D8[d] = d < k->D ? (double)x_D[d] : 0.0;
}

/* A block of items for the rows summed_R[from ..], four at most. */
static void sum_tile(br_draw_block *k, int64_t from, int64_t first, int64_t n)
{
    const br_items *items  = k->args->items;
    int64_t         n_rows = k->n_summed - from < ROWS ? k->n_summed - from : ROWS;
    tile            t      = {.z_ND    = br_mat_f32(items->item_ND) + first * items->item_ND.ld,
                              .ld      = items->item_ND.ld,
                              .bias_ld = items->bias_N.ld,
                              .D       = k->D,
                              .n       = n,
                              .y_4C    = k->y_4C};

    if (items->bias_N.buf != NULL)
        t.bias_N = br_mat_f32(items->bias_N) + first * items->bias_N.ld;
    for (int64_t r = 0; r < ROWS; r++) {
        int64_t b = k->summed_R[from + (r < n_rows ? r : n_rows - 1)];

        t.x_4D8[r]       = k->x_RD8 + b * ((k->D + 7) / 8 * 8);
        t.temperature[r] = k->row[b].temperature;
    }
    for (int64_t i = 0; i < n; i += ITEMS)
        score_four(&t, i);
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t b = k->summed_R[from + r];

        mask(&k->row[b], first, n, k->y_4C + r * BR_SUM_BLOCK);
        if (k->n_quotas > 0)
            take_full(k, b, first, n, k->y_4C + r * BR_SUM_BLOCK);
        if (k->left_R[b].most > -INFINITY)
            sum_left(&k->left_R[b], k->floor, k->y_4C + r * BR_SUM_BLOCK, n);
    }
}

void br_draw_sum(br_draw_block *k)
{
    for (int64_t i = 0; i < k->n_summed; i++)
        widen_row(k, k->summed_R[i]);
    for (int64_t first = 0; first < k->N; first += BR_SUM_BLOCK)
        for (int64_t i = 0; i < k->n_summed; i += ROWS)
            sum_tile(k, i, first, k->N - first < BR_SUM_BLOCK ? k->N - first : BR_SUM_BLOCK);
}
