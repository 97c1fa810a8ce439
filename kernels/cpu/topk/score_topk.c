/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk in four steps: a screen of approximate float32 scores with a proven error bound
 * (screen.c), candidates that the bound cannot rule out (candidates.c), canonical rescoring of what
 * is left, exact selection. The proof is docs/EXACTNESS.md. The B x N scores never exist: one block
 * of 6 x 16 does, in registers. Called once per tile of customers and lane. */
#include <float.h>
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/candidates.h"
#include "kernels/cpu/topk/items.h"
#include "kernels/cpu/topk/screen.h"
#include "kernels/ref/score_topk.h"

#define TILE_ROWS   258 /* whole blocks of customers: 64 KiB of vectors at D = 64, in L2 */
#define FETCH_AHEAD 6
#define NEAR_BYTES  24576
#define UNIT        0x1p-24
#define MOST_DOT    1.0e38 /* below: no partial sum of a dot product leaves float32 */
#define MOST_BESIDE 1.0e30 /* below: added to any float32 bias, it stays in float32 */

/* One customer of the tile. */
typedef struct screen_row {
    double        norm;
    float         floor;  /* K eligible items are known to score at least this */
    float         error;  /* of this panel: docs/EXACTNESS.md, E */
    int32_t       n_best; /* entries of the output row, exact and in order */
    bool          is_slow;
    bool          is_resolved_early;
    bool          has_rules;
    br_topk_rules rules;
    br_candidates pending;
} screen_row;

typedef struct screen {
    br_score_topk_args *args;
    const br_cpu_items *prepared;
    br_screen_fn        run_block;
    int64_t             first_row; /* of the tile */
    int64_t             n_rows;
    int64_t             n_items;
    int64_t             D;
    int32_t             capacity; /* candidates per customer */
    screen_row         *row;
    const float       **x_R;         /* [TILE_ROWS] */
    float              *threshold_R; /* [TILE_ROWS] */
    uint64_t           *key;         /* [K + capacity] */
    int64_t             n_rescored;
} screen;

static int32_t capacity_of(int32_t k)
{
    return k + k / 4 + 64;
}

size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k)
{
    size_t capacity = (size_t)capacity_of(k);
    size_t row_bytes =
        sizeof(screen_row) + sizeof(float *) + sizeof(float) + capacity * 3 * sizeof(float);

    (void)n_items;
    (void)dim;
    return TILE_ROWS * row_bytes + (capacity + (size_t)k) * sizeof(uint64_t) + (size_t)7 * 64;
}

/* E: with |approx| * 2^-22 more, a bound on |approx - canonical score| in the panel. */
static float panel_error(const screen *s, const screen_row *row, int64_t panel)
{
    double size  = row->norm * s->prepared->norm_P[panel];
    double error = 1.01 * ((double)(s->D + 2) * UNIT * size + (double)(2 * s->D + 16) * 0x1p-149);

    return nextafterf((float)error, INFINITY);
}

/* What an approximate score must reach for its upper bound to reach the floor. */
static float threshold_of(const screen_row *row)
{
    double least = (double)row->floor - (double)row->error;

    return row->is_slow ? INFINITY : (float)(least - fabs(least) * 0x1p-20);
}

/* Asks for the vector of a candidate that is scored soon. */
static void fetch_ahead(const screen *s, const br_candidates *pending, int32_t i)
{
    br_mat      items = s->args->items->item_ND;
    const char *z_D;

    if (i >= pending->n)
        return;
    z_D = (const char *)(br_mat_f32(items) + pending->item_C[i] * items.ld);
    for (int64_t at = 0; at < s->D * (int64_t)sizeof(float); at += 64)
        __builtin_prefetch(z_D + at);
}

/* Scores the pending candidates canonically; the K best of all so far go into the output row. */
static br_status resolve(screen *s, int64_t b)
{
    screen_row *row     = &s->row[b];
    int64_t     at      = s->first_row + b;
    br_mat      items   = s->args->items->item_ND;
    int32_t    *item_K  = br_mat_i32(s->args->item_BK) + at * s->args->item_BK.ld;
    float      *score_K = br_mat_f32(s->args->score_BK) + at * s->args->score_BK.ld;
    int32_t     n       = row->n_best;

    for (int32_t i = 0; i < n; i++)
        s->key[i] = br_rank_key(score_K[i], item_K[i]);
    for (int32_t i = 0; i < row->pending.n; i++) {
        int32_t      item  = row->pending.item_C[i];
        const float *z_D   = br_mat_f32(items) + item * items.ld;
        double       dot   = row->norm > 0.0 ? br_canonical_dot_fast(s->x_R[b], z_D, s->D) : 0.0;
        float        score = br_canonical_round(dot, s->prepared->bias_N[item]);

        fetch_ahead(s, &row->pending, i + FETCH_AHEAD);
        if (!isfinite(score))
            return br_topk_bad_score(s->args, at, item, score);
        s->key[n++] = br_rank_key(score, item);
    }
    s->n_rescored += row->pending.n;
    row->pending.n = 0;
    br_rank_sort(s->key, n);
    row->n_best = n < s->args->k ? n : s->args->k;
    for (int32_t i = 0; i < row->n_best; i++) {
        item_K[i]  = (int32_t)(uint32_t)s->key[i];
        score_K[i] = br_rank_score(s->key[i]);
    }
    if (row->n_best == s->args->k && score_K[row->n_best - 1] > row->floor)
        row->floor = score_K[row->n_best - 1];
    return BR_OK;
}

/* Raises the floor to what K lower bounds reach and drops what cannot reach it. */
static void prune(const screen *s, screen_row *row)
{
    if (row->pending.n >= s->args->k)
        row->floor = fmaxf(row->floor, br_candidates_floor(&row->pending, s->args->k));
    br_candidates_drop(&row->pending, row->floor);
}

/* Makes room. Where bounds cannot tell candidates apart (ties), they are scored exactly. */
static br_status make_room(screen *s, int64_t b)
{
    screen_row *row = &s->row[b];

    prune(s, row);
    if (s->capacity - row->pending.n >= (s->capacity - s->args->k) / 4)
        return BR_OK;
    row->is_resolved_early = true;
    return resolve(s, b);
}

static void append(screen_row *row, int32_t item, float approx)
{
    br_candidates *c     = &row->pending;
    float          slack = row->error + fabsf(approx) * 0x1p-20f;

    c->lower_C[c->n] = br_order_key(approx - slack);
    c->upper_C[c->n] = approx + slack;
    c->item_C[c->n]  = item;
    c->n++;
}

/* What passed of one customer's part of a block, item by item. */
static br_status collect(screen *s, int64_t b, int64_t first_item, uint32_t hits,
                         const float *score)
{
    br_status   st  = BR_OK;
    screen_row *row = &s->row[b];

    for (; hits != 0; hits &= hits - 1) {
        int     c    = __builtin_ctz(hits);
        int64_t item = first_item + c;

        if (item >= s->n_items ||
            (row->has_rules && !br_topk_is_allowed(&row->rules, (int32_t)item)))
            continue;
        if (row->pending.n == s->capacity) {
            BR_TRY(st, make_room(s, b));
            s->threshold_R[b] = threshold_of(row);
        }
        append(row, (int32_t)item, score[c]);
    }
done:
    return st;
}

static br_status scan_block(screen *s, br_screen_block *block, int64_t row, int64_t item)
{
    br_status st = BR_OK;

    block->x_R         = s->x_R + row;
    block->threshold_R = s->threshold_R + row;
    if (!s->run_block(block))
        return BR_OK;
    for (int r = 0; r < BR_SCREEN_ROWS; r++)
        if (block->hit_R[r] != 0)
            BR_TRY(st, collect(s, row + r, item, block->hit_R[r], block->score_RC[r]));
done:
    return st;
}

/* Customers whose vectors stay in the nearest cache beside sixteen items: whole blocks. */
static int64_t rows_at_hand(int64_t D)
{
    int64_t n = NEAR_BYTES / (D * (int64_t)sizeof(float)) / BR_SCREEN_ROWS * BR_SCREEN_ROWS;

    return n > 0 ? n : BR_SCREEN_ROWS;
}

/* Rows [row, last_row) of the tile against one panel. */
static br_status scan_rows(screen *s, int64_t panel, int64_t row, int64_t last_row)
{
    br_status       st    = BR_OK;
    br_screen_block block = {.D = s->D};
    int64_t         first = panel * BR_PANEL_ITEMS;
    int64_t last = first + BR_PANEL_ITEMS < s->n_items ? first + BR_PANEL_ITEMS : s->n_items;

    for (int64_t item = first; item < last; item += BR_SCREEN_COLS) {
        block.packed = s->prepared->packed + item * s->D;
        block.bias_C = s->prepared->bias_N + item;
        for (int64_t b = row; b < last_row; b += BR_SCREEN_ROWS)
            BR_TRY(st, scan_block(s, &block, b, item));
    }
done:
    return st;
}

static br_status scan_panel(screen *s, int64_t panel)
{
    br_status st   = BR_OK;
    int64_t   step = rows_at_hand(s->D);

    for (int64_t b = 0; b < s->n_rows; b++) {
        s->row[b].error   = panel_error(s, &s->row[b], panel);
        s->threshold_R[b] = threshold_of(&s->row[b]);
    }
    for (int64_t b = 0; b < s->n_rows; b += step)
        BR_TRY(st, scan_rows(s, panel, b, b + step < s->n_rows ? b + step : s->n_rows));
done:
    return st;
}

static void start_row(screen *s, int64_t b)
{
    screen_row         *row   = &s->row[b];
    int64_t             at    = s->first_row + b;
    const float        *x_D   = br_mat_f32(s->args->query_BD) + at * s->args->query_BD.ld;
    const br_cpu_items *items = s->prepared;
    double              sum   = 0.0, dot;

    for (int64_t d = 0; d < s->D; d++)
        sum += (double)x_D[d] * (double)x_D[d];
    row->norm              = sqrt(sum);
    row->floor             = -INFINITY;
    row->n_best            = 0;
    row->is_resolved_early = false;
    row->rules             = br_topk_rules_of(s->args, at);
    row->has_rules         = row->rules.require_N != NULL || row->rules.n_never > 0;
    row->pending.n         = 0;
    s->x_R[b]              = x_D;
    /* written so that a NaN makes the row slow; there it becomes an error */
    dot          = row->norm * items->norm_max;
    row->is_slow = !((dot < MOST_DOT && dot + items->bias_max < MOST_DOT) ||
                     (dot < MOST_BESIDE && items->bias_max <= (double)FLT_MAX));
}

static br_status finish_row(screen *s, int64_t b)
{
    br_status   st      = BR_OK;
    screen_row *row     = &s->row[b];
    int64_t     at      = s->first_row + b;
    int32_t    *item_K  = br_mat_i32(s->args->item_BK) + at * s->args->item_BK.ld;
    float      *score_K = br_mat_f32(s->args->score_BK) + at * s->args->score_BK.ld;

    s->args->n_slow += row->is_slow || row->is_resolved_early;
    if (row->is_slow) {
        s->n_rescored += s->n_items;
        return br_ref_score_topk_row(s->args, at);
    }
    prune(s, row);
    BR_TRY(st, resolve(s, b));
    for (int32_t j = row->n_best; j < s->args->k; j++) {
        item_K[j]  = -1;
        score_K[j] = NAN;
    }
done:
    return st;
}

static br_status score_tile(screen *s)
{
    br_status st = BR_OK;

    for (int64_t b = 0; b < s->n_rows; b++)
        start_row(s, b);
    for (int64_t b = s->n_rows; b < TILE_ROWS; b++) { /* the rest of the last block */
        s->x_R[b]         = s->x_R[0];
        s->threshold_R[b] = INFINITY;
    }
    for (int64_t panel = 0; panel < s->prepared->n_panels; panel++)
        BR_TRY(st, scan_panel(s, panel));
    for (int64_t b = 0; b < s->n_rows; b++)
        BR_TRY(st, finish_row(s, b));
done:
    return st;
}

static br_status take_scratch(br_dev *dev, screen *s)
{
    br_status st = BR_OK;
    br_mat    rows, x, threshold, lower, upper, item, key;

    BR_TRY(st, br_dev_scratch(dev, BR_U8, TILE_ROWS, (int64_t)sizeof(screen_row), &rows));
    BR_TRY(st, br_dev_scratch(dev, BR_U8, TILE_ROWS, (int64_t)sizeof(float *), &x));
    BR_TRY(st, br_dev_scratch(dev, BR_F32, TILE_ROWS, 1, &threshold));
    BR_TRY(st, br_dev_scratch(dev, BR_I32, TILE_ROWS, s->capacity, &lower));
    BR_TRY(st, br_dev_scratch(dev, BR_F32, TILE_ROWS, s->capacity, &upper));
    BR_TRY(st, br_dev_scratch(dev, BR_I32, TILE_ROWS, s->capacity, &item));
    BR_TRY(st, br_dev_scratch(dev, BR_U64, 1, s->args->k + s->capacity, &key));
    s->row         = br_mat_at(rows);
    s->x_R         = br_mat_at(x);
    s->threshold_R = br_mat_f32(threshold);
    s->key         = br_mat_at(key);
    for (int64_t b = 0; b < TILE_ROWS; b++)
        s->row[b].pending = (br_candidates){.lower_C = br_mat_i32(lower) + b * s->capacity,
                                            .upper_C = br_mat_f32(upper) + b * s->capacity,
                                            .item_C  = br_mat_i32(item) + b * s->capacity};
done:
    return st;
}

br_status br_cpu_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status st   = BR_OK;
    size_t    mark = br_dev_mark(dev);
    screen    s    = {.args      = args,
                      .prepared  = args->items->prepared,
                      .run_block = br_screen_pick(),
                      .n_items   = args->items->item_ND.n_rows,
                      .D         = args->items->item_ND.n_cols,
                      .capacity  = capacity_of(args->k)};

    BR_TRY(st, take_scratch(dev, &s));
    for (int64_t first = 0; first < args->query_BD.n_rows; first += TILE_ROWS) {
        int64_t left = args->query_BD.n_rows - first;

        s.first_row = first;
        s.n_rows    = left < TILE_ROWS ? left : TILE_ROWS;
        BR_TRY(st, score_tile(&s));
    }
    args->n_rescored = s.n_rescored;
done:
    br_dev_rewind(dev, mark);
    return st;
}
