/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk by screening (docs/EXACTNESS.md): float32 scores of a tile of customers against a
 * panel of items by OpenBLAS, a threshold test with a proven error bound, canonical rescoring of
 * what survives. The B x N scores never exist: one tile x panel block of 1 MiB does. Called once
 * per tile of customers and lane.
 *
 * Measured choices: panels of 1,024 items keep the block and the panel in L2; the buffer of
 * 4 K + 512 candidates is pruned about three times per customer at N = 20,000. */
#include <cblas.h>
#include <float.h>
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/items.h"
#include "kernels/ref/score_topk.h"

#define TILE_ROWS 256
#define BLOCK     64
#define UNIT      0x1p-24 /* unit roundoff of fp32 */
#define MOST_FP32 1.0e38  /* below this no partial sum of a dot product overflows */

/* One customer of the tile. */
typedef struct screen_row {
    double        norm;
    float         floor; /* K items are known to score at least this */
    int32_t       n_pending;
    int32_t       n_best; /* entries of the output row, exact and in order */
    bool          is_slow;
    bool          is_resolved_early;
    br_topk_rules rules;
    br_candidate *pending;
} screen_row;

typedef struct screen {
    br_score_topk_args *args;
    const br_cpu_items *prepared;
    int64_t             first_row; /* of the tile */
    int64_t             n_rows;
    int64_t             n_items;
    int64_t             D;
    int32_t             capacity; /* candidates per customer */
    screen_row         *row;
    float              *score_BP; /* [TILE_ROWS][BR_PANEL_ITEMS] */
    float              *lower;    /* [capacity] */
    int64_t             n_rescored;
} screen;

static int32_t capacity_of(int32_t k)
{
    return 4 * k + 512;
}

size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k)
{
    size_t rows = TILE_ROWS, capacity = (size_t)capacity_of(k);

    (void)n_items;
    (void)dim;
    return rows * (sizeof(screen_row) + BR_PANEL_ITEMS * sizeof(float) +
                   capacity * sizeof(br_candidate)) +
           capacity * sizeof(float) + 4 * 64;
}

/* Bound on |fl32(x.z + b) - canonical score| for any item of the panel; see docs/EXACTNESS.md. */
static double error_bound(const screen *s, const screen_row *row, int64_t panel)
{
    double size = row->norm * s->prepared->norm_P[panel] + s->prepared->bias_P[panel];

    return 1.01 * ((double)(s->D + 4) * UNIT * size + (double)(2 * s->D + 4) * 0x1p-149);
}

static float round_down(double x)
{
    return nextafterf((float)x, -INFINITY);
}

static float round_up(double x)
{
    return nextafterf((float)x, INFINITY);
}

/* Scores the pending candidates canonically and keeps the K best in the output row. */
static br_status resolve(screen *s, int64_t b)
{
    screen_row  *row     = &s->row[b];
    int64_t      at      = s->first_row + b;
    br_mat       items   = s->args->items->item_ND;
    const float *x_D     = br_mat_f32(s->args->query_BD) + at * s->args->query_BD.ld;
    int32_t     *item_K  = br_mat_i32(s->args->item_BK) + at * s->args->item_BK.ld;
    float       *score_K = br_mat_f32(s->args->score_BK) + at * s->args->score_BK.ld;
    int32_t      k       = s->args->k;

    br_candidates_sort(row->pending, row->n_pending);
    for (int32_t i = 0; i < row->n_pending; i++) {
        int32_t item  = row->pending[i].item;
        double  error = error_bound(s, row, item / BR_PANEL_ITEMS);
        float   score;

        if (row->n_best == k && round_up((double)row->pending[i].approx + error) < score_K[k - 1])
            continue;
        score = br_canonical_round(
            br_canonical_dot_fast(x_D, br_mat_f32(items) + item * items.ld, s->D),
            s->prepared->bias_N[item]);
        if (!isfinite(score))
            return br_topk_bad_score(s->args, at, item, score);
        row->n_best = br_topk_insert(item_K, score_K, row->n_best, k, item, score);
        s->n_rescored++;
    }
    row->n_pending = 0;
    if (row->n_best == k && score_K[k - 1] > row->floor)
        row->floor = score_K[k - 1];
    return BR_OK;
}

/* Raises the floor to the K-th largest lower bound and drops what cannot reach it. */
static void prune(screen *s, screen_row *row)
{
    int32_t n = 0;

    if (row->n_pending < s->args->k)
        return;
    for (int32_t i = 0; i < row->n_pending; i++)
        s->lower[i] = round_down((double)row->pending[i].approx -
                                 error_bound(s, row, row->pending[i].item / BR_PANEL_ITEMS));
    row->floor = fmaxf(row->floor, br_kth_largest(s->lower, row->n_pending, s->args->k));
    for (int32_t i = 0; i < row->n_pending; i++) {
        double error = error_bound(s, row, row->pending[i].item / BR_PANEL_ITEMS);

        if (round_up((double)row->pending[i].approx + error) >= row->floor)
            row->pending[n++] = row->pending[i];
    }
    row->n_pending = n;
}

/* Makes room. Where bounds cannot tell candidates apart (ties), they are scored exactly. */
static br_status make_room(screen *s, int64_t b)
{
    screen_row *row = &s->row[b];

    prune(s, row);
    if (row->n_pending <= s->capacity / 2)
        return BR_OK;
    row->is_resolved_early = true;
    return resolve(s, b);
}

static float threshold_of(const screen *s, const screen_row *row, int64_t panel)
{
    return round_down((double)row->floor - error_bound(s, row, panel));
}

/* Tests a block that has a hit, item by item. */
static br_status collect(screen *s, int64_t b, int64_t first_item, const float *score, int64_t n)
{
    br_status   st        = BR_OK;
    screen_row *row       = &s->row[b];
    int64_t     panel     = first_item / BR_PANEL_ITEMS;
    float       threshold = threshold_of(s, row, panel);

    for (int64_t j = 0; j < n; j++) {
        int32_t item   = (int32_t)(first_item + j);
        float   approx = score[j] + s->prepared->bias_N[item];

        if (!(approx >= threshold) || !br_topk_is_allowed(&row->rules, item))
            continue;
        if (row->n_pending == s->capacity) {
            BR_TRY(st, make_room(s, b));
            threshold = threshold_of(s, row, panel);
            if (!(approx >= threshold))
                continue;
        }
        row->pending[row->n_pending++] = (br_candidate){approx, item};
    }
done:
    return st;
}

static br_status scan_row(screen *s, int64_t b, int64_t panel, int64_t n_panel)
{
    br_status    st        = BR_OK;
    const float *score     = s->score_BP + b * BR_PANEL_ITEMS;
    int64_t      first     = panel * BR_PANEL_ITEMS;
    float        threshold = threshold_of(s, &s->row[b], panel);

    for (int64_t j = 0; j < n_panel; j += BLOCK) {
        int64_t n = n_panel - j < BLOCK ? n_panel - j : BLOCK;

        if (!br_any_reaches(score + j, s->prepared->bias_N + first + j, n, threshold))
            continue;
        BR_TRY(st, collect(s, b, first + j, score + j, n));
        threshold = threshold_of(s, &s->row[b], panel);
    }
done:
    return st;
}

static void start_row(screen *s, int64_t b)
{
    screen_row   *row    = &s->row[b];
    int64_t       at     = s->first_row + b;
    const float  *x_D    = br_mat_f32(s->args->query_BD) + at * s->args->query_BD.ld;
    br_candidate *memory = row->pending;
    double        sum    = 0.0, most;

    for (int64_t d = 0; d < s->D; d++)
        sum += (double)x_D[d] * (double)x_D[d];
    *row         = (screen_row){.norm    = sqrt(sum),
                                .floor   = -INFINITY,
                                .rules   = br_topk_rules_of(s->args, at),
                                .pending = memory};
    most         = row->norm * s->prepared->norm_max + s->prepared->bias_max;
    row->is_slow = !(most < MOST_FP32); /* NaN: slow, where it becomes an error */
}

static void finish_row(const screen *s, int64_t b)
{
    int64_t  at      = s->first_row + b;
    int32_t *item_K  = br_mat_i32(s->args->item_BK) + at * s->args->item_BK.ld;
    float   *score_K = br_mat_f32(s->args->score_BK) + at * s->args->score_BK.ld;

    for (int32_t j = s->row[b].n_best; j < s->args->k; j++) {
        item_K[j]  = -1;
        score_K[j] = NAN;
    }
}

static br_status scan_panel(screen *s, int64_t panel)
{
    br_status st    = BR_OK;
    br_mat    items = s->args->items->item_ND, query = s->args->query_BD;
    int64_t   first = panel * BR_PANEL_ITEMS;
    int64_t   n     = s->n_items - first < BR_PANEL_ITEMS ? s->n_items - first : BR_PANEL_ITEMS;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)s->n_rows, (int)n, (int)s->D, 1.0f,
                br_mat_f32(query) + s->first_row * query.ld, (int)query.ld,
                br_mat_f32(items) + first * items.ld, (int)items.ld, 0.0f, s->score_BP,
                BR_PANEL_ITEMS);
    for (int64_t b = 0; b < s->n_rows; b++)
        if (!s->row[b].is_slow)
            BR_TRY(st, scan_row(s, b, panel, n));
done:
    return st;
}

static br_status score_tile(screen *s)
{
    br_status st = BR_OK;

    for (int64_t b = 0; b < s->n_rows; b++)
        start_row(s, b);
    for (int64_t panel = 0; panel < s->prepared->n_panels; panel++)
        BR_TRY(st, scan_panel(s, panel));
    for (int64_t b = 0; b < s->n_rows; b++) {
        screen_row *row = &s->row[b];

        s->args->n_slow += row->is_slow || row->is_resolved_early;
        if (row->is_slow) {
            BR_TRY(st, br_ref_score_topk_row(s->args, s->first_row + b));
            s->n_rescored += s->n_items;
            continue;
        }
        prune(s, row);
        BR_TRY(st, resolve(s, b));
        finish_row(s, b);
    }
done:
    return st;
}

static br_status take_scratch(br_dev *dev, screen *s)
{
    br_status st = BR_OK;
    br_mat    rows, candidates, scores, lower;

    BR_TRY(st, br_dev_scratch(dev, BR_U8, TILE_ROWS, (int64_t)sizeof(screen_row), &rows));
    BR_TRY(st, br_dev_scratch(dev, BR_U64, TILE_ROWS, s->capacity, &candidates));
    BR_TRY(st, br_dev_scratch(dev, BR_F32, TILE_ROWS, BR_PANEL_ITEMS, &scores));
    BR_TRY(st, br_dev_scratch(dev, BR_F32, 1, s->capacity, &lower));
    s->row      = br_mat_at(rows);
    s->score_BP = br_mat_f32(scores);
    s->lower    = br_mat_f32(lower);
    for (int64_t b = 0; b < TILE_ROWS; b++)
        s->row[b].pending = (br_candidate *)br_mat_at(candidates) + b * s->capacity;
done:
    return st;
}

br_status br_cpu_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status st   = BR_OK;
    size_t    mark = br_dev_mark(dev);
    screen    s    = {.args     = args,
                      .prepared = args->items->prepared,
                      .n_items  = args->items->item_ND.n_rows,
                      .D        = args->items->item_ND.n_cols,
                      .capacity = capacity_of(args->k)};

    BR_TRY(st, take_scratch(dev, &s));
    for (int64_t first = 0; first < args->query_BD.n_rows; first += TILE_ROWS) {
        s.first_row = first;
        s.n_rows =
            args->query_BD.n_rows - first < TILE_ROWS ? args->query_BD.n_rows - first : TILE_ROWS;
        BR_TRY(st, score_tile(&s));
    }
    args->n_rescored = s.n_rescored;
done:
    br_dev_rewind(dev, mark);
    return st;
}
