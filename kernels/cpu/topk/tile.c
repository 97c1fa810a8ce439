/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates that the bounds cannot rule out, canonical rescoring of what is left, exact selection.
 * The proof is docs/EXACTNESS.md. Called for what passes the screen: a few hundred times per
 * customer. */
#include "kernels/cpu/topk/tile.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/canonical.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/topk/bounds.h"

#define FETCH_AHEAD 16
#define MOST_DOT    1.0e38 /* below: no partial sum of a dot product leaves float32 */
#define MOST_BESIDE 1.0e30 /* below: added to any float32 bias, it stays in float32 */
#define LEAST_CODED 1.0e-15
#define MOST_CODED  1.0e15

int32_t br_tile_capacity(int32_t k)
{
    return 4 * k + 512;
}

const float *br_tile_query(const br_tile *t, int64_t b)
{
    return br_mat_f32(t->args->query_BD) + br_tile_at(t, b) * t->args->query_BD.ld;
}

static void code_row(br_tile *t, int64_t b, br_vector_size size)
{
    const br_screen_kernel *kernel = t->items->kernel;
    br_tile_row            *row    = &t->row[b];
    const float            *x_D    = br_tile_query(t, b);
    int32_t                *unit_U = t->unit_RU + b * t->items->n_units;
    br_coded                coded;

    if (t->items->is_rotated) {
        memcpy(t->x_D, x_D, (size_t)t->D * sizeof(float));
        br_codes_rotate(t->x_D, t->D);
        x_D          = t->x_D;
        size.element = br_codes_measure(x_D, t->D).element;
    }
    row->scale = br_codes_scale(kernel, kernel->customer_most, size);
    coded      = br_codes_write(&(br_coding){.kernel = kernel, .scale = row->scale, .step = 1}, x_D,
                                t->D, unit_U);
    row->offset   = (int32_t)(kernel->item_offset * coded.code_sum);
    row->residual = 0.0f;
    if (kernel->kind != BR_SCREEN_FP32)
        row->residual = br_bound_up(
            coded.residual + (t->items->is_rotated ? 2.0 * BR_ROTATION_ERROR * size.norm : 0.0));
}

/* Norms that the screen can hold; written so that a NaN makes the row slow: there it becomes an
 * error. */
static bool is_screenable(const br_cpu_items *items, double norm)
{
    double dot  = norm * items->norm_most;
    bool   fits = (dot < MOST_DOT && dot + items->bias_size < MOST_DOT) ||
                (dot < MOST_BESIDE && items->bias_size <= (double)FLT_MAX);

    if (items->kernel->kind == BR_SCREEN_FP32)
        return fits;
    return fits && (norm == 0.0 || (norm > LEAST_CODED && norm < MOST_CODED));
}

static uint32_t never_bit(int32_t item)
{
    return (uint32_t)item * 2654435761u >> (32 - 10);
}

static void mark_never(br_tile_row *row)
{
    _Static_assert(BR_NEVER_BITS == 1 << 10, "never_bit");
    memset(row->never_bit, 0, sizeof row->never_bit);
    for (int64_t i = 0; i < row->rules.n_never; i++) {
        uint32_t bit = never_bit(row->rules.never[i]);

        row->never_bit[bit / 64] |= 1ull << bit % 64;
    }
}

bool br_tile_is_never(const br_tile_row *row, int32_t item)
{
    uint32_t bit = never_bit(item);

    return (row->never_bit[bit / 64] >> bit % 64 & 1) != 0 &&
           !br_topk_is_allowed(&row->rules, item);
}

/* What k items are known to reach. */
static float floor_of(const br_tile *t, int64_t b)
{
    br_mat floor_B = t->args->floor_B;

    return floor_B.buf == NULL ? -INFINITY : br_mat_f32(floor_B)[br_tile_at(t, b) * floor_B.ld];
}

static double reach_of(const br_cpu_items *items, double norm)
{
    double reach = items->query_norm > 0.0 ? 2.0 * norm / items->query_norm - 1.0 : -1.0;

    return reach >= 0.0 && reach <= BR_REACHES - 1 ? reach : -1.0;
}

void br_tile_start_row(br_tile *t, int64_t b)
{
    br_tile_row   *row  = &t->row[b];
    br_candidates  kept = row->pending;
    br_vector_size size = br_codes_measure(br_tile_query(t, b), t->D);

    *row           = (br_tile_row){.norm = size.norm, .pending = kept};
    row->floor     = floor_of(t, b);
    row->threshold = row->floor;
    row->pending.n = 0;
    row->rules     = br_topk_rules_of(t->args, br_tile_at(t, b));
    row->reach     = reach_of(t->items, size.norm);
    row->is_slow   = !is_screenable(t->items, size.norm);
    mark_never(row);
    if (!row->is_slow)
        code_row(t, b, size);
}

bool br_tile_is_done(const br_tile_row *row, const br_panel *panel)
{
    float most = (float)row->norm * panel->norm_rest + panel->bias_rest; /* norms: 2 % more */

    if (row->reach >= 0.0)
        most = br_bound_of_reach(panel, row->reach);
    return br_threshold_down(row->threshold) > most + BR_TINY;
}

/* ---- thresholds ---- */

static void drop(br_tile_row *row)
{
    br_candidates_drop(&row->pending, br_threshold_down(row->threshold));
    row->n_pruned = row->pending.n;
}

static float approx_of_rank(br_tile *t, const br_candidates *c, int32_t rank)
{
    for (int32_t i = 0; i < c->n; i++)
        t->value_C[i] = c->at_C[i].approx;
    return br_candidates_rank(t->value_C, c->n, rank, t->order_C);
}

void br_tile_foretell(br_tile *t, br_tile_row *row, int32_t rank)
{
    float likely;

    if (row->is_second || row->n_best > 0 || row->pending.n < rank)
        return;
    likely         = approx_of_rank(t, &row->pending, rank);
    row->threshold = fmaxf(row->threshold, likely);
    drop(row);
}

/* k lower bounds reach the floor. */
static void make_certain(br_tile *t, br_tile_row *row)
{
    const br_candidates *c = &row->pending;

    if (c->n >= t->args->k) {
        for (int32_t i = 0; i < c->n; i++)
            t->value_C[i] = c->at_C[i].approx - c->at_C[i].slack;
        row->floor =
            fmaxf(row->floor, br_candidates_rank(t->value_C, c->n, t->args->k, t->order_C));
        row->threshold = fmaxf(row->threshold, row->floor);
    }
    drop(row);
}

/* ---- exact scores ---- */

static const float *vector_of(const br_tile *t, int32_t item)
{
    br_mat items = t->args->items->item_ND;

    return br_mat_f32(items) + item * items.ld;
}

/* Asks for the vector of a candidate that is scored soon. */
static void fetch(const br_tile *t, int32_t item)
{
    br_fetch_bytes(vector_of(t, item), t->D * 4);
}

/* Keys of candidates [from, to) that reach `level`, appended at *n. */
static br_status score(br_tile *t, int64_t b, int32_t from, int32_t to, float level, int32_t *n)
{
    const br_tile_row   *row = &t->row[b];
    const br_candidates *c   = &row->pending;

    for (int32_t i = from; i < to && i < from + FETCH_AHEAD; i++)
        fetch(t, c->at_C[i].item);
    for (int32_t i = from; i < to; i += 4) {
        const float *z_4D[4];
        double       dot_4[4];
        int32_t      last = to - i < 4 ? to - i : 4;

        for (int32_t j = 0; j < 4; j++) {
            int32_t ahead = i + j + FETCH_AHEAD;

            z_4D[j] = vector_of(t, c->at_C[i + (j < last ? j : 0)].item);
            if (ahead < to)
                fetch(t, c->at_C[ahead].item);
        }
        br_canonical_dots(t->x_D8, z_4D, t->D, dot_4);
        for (int32_t j = 0; j < last; j++) {
            int32_t item  = c->at_C[i + j].item;
            float   exact = br_canonical_round(dot_4[j], c->at_C[i + j].bias);

            if (!isfinite(exact))
                return br_topk_bad_score(t->args, br_tile_at(t, b), item, exact);
            if (t->lse != NULL)
                br_lse_correct(t->lse, &t->lse->row[b], c->at_C[i + j].approx, exact);
            if (exact >= level)
                t->key[(*n)++] = br_rank_key(exact, item);
        }
    }
    t->n_rescored += to - from;
    return BR_OK;
}

static float least_score(const uint64_t *key, int32_t n)
{
    uint64_t last = 0;

    for (int32_t i = 0; i < n; i++)
        last = key[i] > last ? key[i] : last;
    return br_rank_score(last);
}

/* The best of `key`, in order, into the output row. */
static void keep_best(br_tile *t, int64_t b, int32_t n)
{
    br_tile_row *row     = &t->row[b];
    int64_t      at      = br_tile_at(t, b);
    int32_t     *item_K  = br_mat_i32(t->args->item_BK) + at * t->args->item_BK.ld;
    float       *score_K = br_mat_f32(t->args->score_BK) + at * t->args->score_BK.ld;

    br_rank_sort(t->key, n);
    row->n_best = n < t->args->k ? n : t->args->k;
    for (int32_t i = 0; i < row->n_best; i++) {
        item_K[i]  = (int32_t)(uint32_t)t->key[i];
        score_K[i] = br_rank_score(t->key[i]);
    }
    if (row->n_best == t->args->k)
        row->floor = fmaxf(row->floor, score_K[row->n_best - 1]);
}

/* Scores the pending candidates canonically; the k best of all so far go into the output row. First
 * the likely ones: what they score rules most others out. */
static br_status resolve(br_tile *t, int64_t b)
{
    br_status    st      = BR_OK;
    br_tile_row *row     = &t->row[b];
    int64_t      at      = br_tile_at(t, b);
    int32_t     *item_K  = br_mat_i32(t->args->item_BK) + at * t->args->item_BK.ld;
    float       *score_K = br_mat_f32(t->args->score_BK) + at * t->args->score_BK.ld;
    int32_t      k = t->args->k, n = row->n_best, n_likely = row->pending.n;
    float        level = row->floor;

    br_canonical_widen(br_tile_query(t, b), t->D, t->x_D8);
    if (n_likely > k)
        n_likely = br_candidates_part(&row->pending, approx_of_rank(t, &row->pending, k));
    for (int32_t i = 0; i < n; i++)
        t->key[i] = br_rank_key(score_K[i], item_K[i]);
    BR_TRY(st, score(t, b, 0, n_likely, level, &n));
    if (n_likely < row->pending.n) {
        br_candidates rest = row->pending;

        if (n_likely == n - row->n_best) /* k of them, none below the level */
            level = fmaxf(level, least_score(t->key + row->n_best, n_likely));
        rest.at_C += n_likely;
        rest.n -= n_likely;
        br_candidates_drop(&rest, br_threshold_down(level));
        BR_TRY(st, score(t, b, n_likely, n_likely + rest.n, level, &n));
    }
    row->pending.n = 0;
    keep_best(t, b, n);
done:
    return st;
}

/* Where bounds cannot tell candidates apart (ties), they are scored exactly. */
br_status br_tile_make_room(br_tile *t, int64_t b)
{
    br_status    st     = BR_OK;
    br_tile_row *row    = &t->row[b];
    int32_t      wanted = (t->capacity - t->args->k) / 4;

    make_certain(t, row);
    if (t->capacity - row->pending.n < wanted) {
        row->is_resolved_early = true;
        BR_TRY(st, resolve(t, b));
        row->threshold = fmaxf(row->threshold, row->floor);
        row->n_pruned  = 0;
    }
done:
    return st;
}

br_status br_tile_finish_row(br_tile *t, int64_t b, bool *again)
{
    br_status    st      = BR_OK;
    br_tile_row *row     = &t->row[b];
    int64_t      at      = br_tile_at(t, b);
    int32_t     *item_K  = br_mat_i32(t->args->item_BK) + at * t->args->item_BK.ld;
    float       *score_K = br_mat_f32(t->args->score_BK) + at * t->args->score_BK.ld;
    int32_t      k       = t->args->k;

    *again = false;
    drop(row);
    BR_TRY(st, resolve(t, b));
    if (row->threshold > row->floor || (row->n_best < k && row->threshold > -INFINITY)) {
        if (row->is_second)
            BR_FAIL(st, BR_E_SELFCHECK,
                    "score_topk: row %lld: %d items reach the threshold %g of its second pass, "
                    "expected %d; an error of the screen (%s), not of the input",
                    (long long)at, row->n_best, (double)row->threshold, k, t->items->kernel->name);
        *again         = true;
        row->is_second = true;
        row->threshold = row->floor;
        row->n_best    = 0;
        row->n_pruned  = 0;
        t->args->n_second++;
        goto done;
    }
    t->args->n_slow += row->is_resolved_early;
    for (int32_t j = row->n_best; j < k; j++) {
        item_K[j]  = -1;
        score_K[j] = NAN;
    }
done:
    return st;
}
