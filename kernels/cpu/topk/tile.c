/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates that the bounds cannot rule out, canonical rescoring of what is left, exact selection.
 * The proof is docs/EXACTNESS.md. Called for what passes the screen: a few hundred times per
 * customer. */
#include "kernels/cpu/topk/tile.h"

#include <float.h>
#include <math.h>

#include "kernels/canonical.h"

#define FETCH_AHEAD 6
#define UNIT        0x1p-24
#define MOST_DOT    1.0e38 /* below: no partial sum of a dot product leaves float32 */
#define MOST_BESIDE 1.0e30 /* below: added to any float32 bias, it stays in float32 */

int32_t br_tile_capacity(int32_t k)
{
    return k + k / 4 + 64;
}

static const float *query_of(const br_tile *t, int64_t b)
{
    return br_mat_f32(t->args->query_BD) + (t->first_row + b) * t->args->query_BD.ld;
}

static void encode_row(const br_tile *t, int64_t b)
{
    br_tile_row *row    = &t->row[b];
    const float *x_D    = query_of(t, b);
    int16_t     *code_D = t->code_RD + b * 2 * t->n_pairs;
    double       scale  = row->norm > 0.0 ? row->norm / BR_CODE_NORM : 1.0;
    double       inside = 0.0, outside = 0.0;

    for (int64_t d = 0; d < t->D; d++) {
        double number = nearbyint((double)x_D[d] / scale);
        double left   = (double)x_D[d] - scale * number;

        code_D[d] = (int16_t)number;
        inside += number * number;
        outside += left * left;
    }
    for (int64_t d = t->D; d < 2 * t->n_pairs; d++)
        code_D[d] = 0;
    row->code_scale    = scale;
    row->code_norm     = scale * sqrt(inside);
    row->code_residual = sqrt(outside);
}

void br_tile_start_row(br_tile *t, int64_t b)
{
    br_tile_row        *row   = &t->row[b];
    const br_cpu_items *items = t->items;
    const float        *x_D   = query_of(t, b);
    double              sum   = 0.0, dot;

    for (int64_t d = 0; d < t->D; d++)
        sum += (double)x_D[d] * (double)x_D[d];
    row->norm              = sqrt(sum);
    row->floor             = -INFINITY;
    row->n_best            = 0;
    row->is_resolved_early = false;
    row->rules             = br_topk_rules_of(t->args, t->first_row + b);
    row->has_rules         = row->rules.require_N != NULL || row->rules.n_never > 0;
    row->pending.n         = 0;
    /* written so that a NaN makes the row slow; there it becomes an error */
    dot          = row->norm * items->norm_P[0];
    row->is_slow = !((dot < MOST_DOT && dot + items->bias_size < MOST_DOT) ||
                     (dot < MOST_BESIDE && items->bias_size <= (double)FLT_MAX));
    if (items->kind == BR_SCREEN_INT16 && !row->is_slow)
        encode_row(t, b);
}

float br_tile_error(const br_tile *t, const br_tile_row *row, int64_t panel)
{
    const br_cpu_items *items = t->items;
    double              size  = row->norm * items->norm_P[panel], error;

    if (items->kind == BR_SCREEN_INT16)
        error = row->code_norm * items->residual_P[panel] +
                row->code_residual * items->norm_P[panel] + 0.01 * UNIT * size + 64 * 0x1p-149;
    else
        error = (double)(t->D + 2) * UNIT * size + (double)(2 * t->D + 16) * 0x1p-149;
    return nextafterf((float)(1.01 * error), INFINITY);
}

float br_tile_threshold(const br_tile_row *row)
{
    double least = (double)row->floor - (double)row->error;

    return (float)(least - fabs(least) * 0x1p-20);
}

bool br_tile_is_done(const br_tile *t, const br_tile_row *row, int64_t panel)
{
    double most = row->norm * t->items->norm_P[panel] + t->items->bias_rest_P[panel];

    return (double)row->floor > most + fabs(most) * 0x1p-20 + 0x1p-140;
}

/* Asks for the vector of a candidate that is scored soon. */
static void fetch_ahead(const br_tile *t, const br_candidates *pending, int32_t i)
{
    br_mat      items = t->args->items->item_ND;
    const char *z_D;

    if (i >= pending->n)
        return;
    z_D = (const char *)(br_mat_f32(items) + t->items->row_N[pending->item_C[i]] * items.ld);
    for (int64_t at = 0; at < t->D * (int64_t)sizeof(float); at += 64)
        __builtin_prefetch(z_D + at);
}

/* Scores the pending candidates canonically; the K best of all so far go into the output row. */
static br_status resolve(br_tile *t, int64_t b)
{
    br_tile_row *row     = &t->row[b];
    int64_t      at      = t->first_row + b;
    const float *x_D     = query_of(t, b);
    br_mat       items   = t->args->items->item_ND;
    int32_t     *item_K  = br_mat_i32(t->args->item_BK) + at * t->args->item_BK.ld;
    float       *score_K = br_mat_f32(t->args->score_BK) + at * t->args->score_BK.ld;
    int32_t      n       = row->n_best;

    for (int32_t i = 0; i < n; i++)
        t->key[i] = br_rank_key(score_K[i], item_K[i]);
    for (int32_t i = 0; i < row->pending.n; i++) {
        int32_t      position = row->pending.item_C[i];
        int32_t      item     = t->items->row_N[position];
        const float *z_D      = br_mat_f32(items) + item * items.ld;
        double       dot      = row->norm > 0.0 ? br_canonical_dot_fast(x_D, z_D, t->D) : 0.0;
        float        score    = br_canonical_round(dot, t->items->bias_N[position]);

        fetch_ahead(t, &row->pending, i + FETCH_AHEAD);
        if (!isfinite(score))
            return br_topk_bad_score(t->args, at, item, score);
        t->key[n++] = br_rank_key(score, item);
    }
    t->n_rescored += row->pending.n;
    row->pending.n = 0;
    br_rank_sort(t->key, n);
    row->n_best = n < t->args->k ? n : t->args->k;
    for (int32_t i = 0; i < row->n_best; i++) {
        item_K[i]  = (int32_t)(uint32_t)t->key[i];
        score_K[i] = br_rank_score(t->key[i]);
    }
    if (row->n_best == t->args->k && score_K[row->n_best - 1] > row->floor)
        row->floor = score_K[row->n_best - 1];
    return BR_OK;
}

void br_tile_prune(const br_tile *t, br_tile_row *row)
{
    if (row->pending.n >= t->args->k)
        row->floor = fmaxf(row->floor, br_candidates_floor(&row->pending, t->args->k));
    br_candidates_drop(&row->pending, row->floor);
}

/* Makes room. Where bounds cannot tell candidates apart (ties), they are scored exactly. */
static br_status make_room(br_tile *t, int64_t b)
{
    br_tile_row *row = &t->row[b];

    br_tile_prune(t, row);
    if (t->capacity - row->pending.n >= (t->capacity - t->args->k) / 4)
        return BR_OK;
    row->is_resolved_early = true;
    return resolve(t, b);
}

br_status br_tile_add(br_tile *t, int64_t b, int64_t position, float approx)
{
    br_status      st    = BR_OK;
    br_tile_row   *row   = &t->row[b];
    br_candidates *c     = &row->pending;
    float          slack = row->error + fabsf(approx) * 0x1p-20f;

    if (row->has_rules && !br_topk_is_allowed(&row->rules, t->items->row_N[position]))
        goto done;
    if (c->n == t->capacity)
        BR_TRY(st, make_room(t, b));
    c->lower_C[c->n] = br_order_key(approx - slack);
    c->upper_C[c->n] = approx + slack;
    c->item_C[c->n]  = (int32_t)position;
    c->n++;
done:
    return st;
}

br_status br_tile_finish_row(br_tile *t, int64_t b)
{
    br_status    st      = BR_OK;
    br_tile_row *row     = &t->row[b];
    int64_t      at      = t->first_row + b;
    int32_t     *item_K  = br_mat_i32(t->args->item_BK) + at * t->args->item_BK.ld;
    float       *score_K = br_mat_f32(t->args->score_BK) + at * t->args->score_BK.ld;

    t->args->n_slow += row->is_slow || row->is_resolved_early;
    if (row->is_slow) {
        t->n_rescored += t->n_items;
        return br_ref_score_topk_row(t->args, at);
    }
    br_tile_prune(t, row);
    BR_TRY(st, resolve(t, b));
    for (int32_t j = row->n_best; j < t->args->k; j++) {
        item_K[j]  = -1;
        score_K[j] = NAN;
    }
done:
    return st;
}
