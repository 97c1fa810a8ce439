/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk, block by block: a pass through the catalogue, the lists, and a second pass for those
 * whose foretold threshold was too high. Customers who have the same of the segments that items
 * require make up blocks of their own, which pass over what they may not be shown; those who are
 * too few for it share blocks. Called once per batch of customers and lane. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/scan.h"

#define WINDOW_ROWS (12 * BR_TILE_ROWS)
#define LOOKED_AT   256 /* panels, about, that tell what part of the catalogue a segment is */

/* A stretch of a call: its customers by what they have of the segments that items require. */
typedef struct window {
    int64_t  first; /* of args */
    int64_t  n;
    int64_t  n_wanted;
    int64_t  row_W[WINDOW_ROWS]; /* of args */
    uint64_t have_W[WINDOW_ROWS];
    bool     is_slow_W[WINDOW_ROWS]; /* by place in args */
} window;

static void write_logsumexp(br_scan *s, int64_t b)
{
    br_score_topk_args *args = s->tile.args;
    int64_t             at   = br_tile_at(&s->tile, b);

    br_lse_gather(&s->lse.row[b]);
    br_mat_f32(args->logsumexp_B)[at * args->logsumexp_B.ld] =
        (float)br_lse_finish(&s->lse, &s->lse.row[b], args, at);
}

static void start_block(br_scan *s, window *w)
{
    br_tile *t = &s->tile;

    s->n_live = 0;
    br_proof_begin(&s->proof, t);
    t->lse = t->args->logsumexp_B.buf != NULL ? &s->lse : NULL;
    for (int64_t b = 0; b < t->n_rows; b++) {
        br_tile_start_row(t, b);
        br_lse_start_row(&s->lse, &s->lse.row[b], t->row[b].scale, &t->row[b].rules);
        if (t->row[b].is_slow)
            w->is_slow_W[br_tile_at(t, b) - w->first] = true;
        else
            s->row_L[s->n_live++] = (int32_t)b;
    }
}

/* Rows that became slow on the way: their sums were wrong. */
static void note_wrong(const br_tile *t, window *w)
{
    for (int64_t b = 0; b < t->n_rows; b++)
        if (t->row[b].is_slow)
            w->is_slow_W[br_tile_at(t, b) - w->first] = true;
}

static br_status score_block(br_scan *s, window *w)
{
    br_status st      = BR_OK;
    br_tile  *t       = &s->tile;
    int64_t   n_again = 0;
    int32_t   again_R[BR_TILE_ROWS];

    start_block(s, w);
    BR_TRY(st, br_scan_pass(s));
    note_wrong(t, w);
    for (int64_t b = 0; b < t->n_rows; b++) {
        bool again;

        if (t->row[b].is_slow)
            continue;
        BR_TRY(st, br_tile_finish_row(t, b, &again));
        if (t->lse != NULL)
            write_logsumexp(s, b);
        if (again)
            again_R[n_again++] = (int32_t)b;
    }
    s->n_live = n_again;
    t->lse    = NULL;
    memcpy(s->row_L, again_R, (size_t)n_again * sizeof *again_R);
    BR_TRY(st, br_scan_pass(s));
    note_wrong(t, w);
    for (int64_t i = 0; i < n_again; i++) {
        bool again;

        if (!t->row[again_R[i]].is_slow)
            BR_TRY(st, br_tile_finish_row(t, again_R[i], &again));
    }
done:
    return st;
}

/* Customers [from, to) of the window, block by block. */
static br_status score_blocks(br_scan *s, window *w, int64_t from, int64_t to)
{
    br_status st = BR_OK;

    for (int64_t at = from; at < to; at += BR_TILE_ROWS) {
        int64_t n = to - at < BR_TILE_ROWS ? to - at : BR_TILE_ROWS;

        s->tile.at_R     = w->row_W + at;
        s->tile.n_rows   = n;
        s->tile.have     = w->have_W[at];
        s->tile.is_alike = w->have_W[at] == w->have_W[at + n - 1];
        BR_TRY(st, score_block(s, w));
    }
done:
    return st;
}

/* ---- segments ---- */

static void sort_window(window *w)
{
    for (int64_t i = 1; i < w->n_wanted; i++) {
        uint64_t have = w->have_W[i];
        int64_t  row = w->row_W[i], at = i;

        for (; at > 0 && w->have_W[at - 1] > have; at--) {
            w->have_W[at] = w->have_W[at - 1];
            w->row_W[at]  = w->row_W[at - 1];
        }
        w->have_W[at] = have;
        w->row_W[at]  = row;
    }
}

/* n customers who all have `have`: do their own tiles, on the panels that they may be shown, cost
 * no more than their part of shared ones, which pass nothing over? */
static bool pays_alone(const br_cpu_items *items, uint64_t have, int64_t n)
{
    int64_t step = items->n_panels / LOOKED_AT + 1, n_looked = 0, n_entered = 0;
    int64_t tiles = (n + BR_SCREEN_ROWS - 1) / BR_SCREEN_ROWS;

    for (int64_t at = 0; at < items->n_panels; at += step) {
        uint64_t all = items->panel_P[at].require_all;

        n_looked++;
        n_entered += (have & all) == all;
    }
    return tiles * BR_SCREEN_ROWS * n_entered <= n * n_looked;
}

static int64_t end_of_group(const window *w, int64_t from)
{
    int64_t to = from + 1;

    while (to < w->n_wanted && w->have_W[to] == w->have_W[from])
        to++;
    return to;
}

static void list_nothing(br_score_topk_args *args, int64_t row)
{
    for (int32_t j = 0; j < args->k; j++) {
        br_mat_i32(args->item_BK)[row * args->item_BK.ld + j]   = -1;
        br_mat_f32(args->score_BK)[row * args->score_BK.ld + j] = NAN;
    }
    if (args->logsumexp_B.buf != NULL)
        br_mat_f32(args->logsumexp_B)[row * args->logsumexp_B.ld] = -INFINITY;
}

/* Rows that want no list have theirs at once. */
static void enter_window(const br_scan *s, window *w)
{
    br_score_topk_args *args = s->tile.args;

    w->n_wanted = 0;
    for (int64_t i = 0; i < w->n; i++) {
        br_topk_rules rules = br_topk_rules_of(args, w->first + i);

        w->is_slow_W[i] = false;
        if (!rules.is_wanted) {
            list_nothing(args, w->first + i);
            continue;
        }
        w->row_W[w->n_wanted]    = w->first + i;
        w->have_W[w->n_wanted++] = rules.have & s->tile.items->relevant;
    }
}

/* Each group that pays by itself, then what is left together, then the slow ones in their order. */
static br_status score_window(br_scan *s, window *w)
{
    br_status           st   = BR_OK;
    br_score_topk_args *args = s->tile.args;
    int64_t             left = 0;

    enter_window(s, w);
    sort_window(w);
    for (int64_t from = 0, to; from < w->n_wanted; from = to) {
        to = end_of_group(w, from);
        if (pays_alone(s->tile.items, w->have_W[from], to - from)) {
            BR_TRY(st, score_blocks(s, w, from, to));
            continue;
        }
        for (int64_t i = from; i < to; i++, left++) {
            w->row_W[left]  = w->row_W[i];
            w->have_W[left] = w->have_W[i];
        }
    }
    BR_TRY(st, score_blocks(s, w, 0, left));
    for (int64_t i = 0; i < w->n; i++)
        if (w->is_slow_W[i]) {
            s->tile.n_rescored += s->tile.items->N;
            args->n_slow++;
            BR_TRY(st, br_ref_score_topk_row(args, w->first + i));
        }
done:
    return st;
}

/* ---- memory ---- */

size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k)
{
    size_t capacity  = (size_t)br_tile_capacity(k);
    size_t units     = (size_t)dim + 2;  /* fp32 has the most */
    size_t numbers   = (size_t)dim + 32; /* of a vector's units, with what fills the last */
    size_t row_bytes = sizeof(br_tile_row) + sizeof(br_lse_row) + capacity * 4 * 4 + units * 4;

    (void)n_items;
    return BR_TILE_ROWS * row_bytes + BR_TILE_ROWS * (7 * 4 + 2 * 8 + units * 4) +
           (capacity + (size_t)k) * 8 + capacity * 8 + units * 4 + (units + 8) * 8 +
           BR_PROOF_TILES * numbers * 4 + (size_t)22 * 64;
}

static br_status take(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, void *out)
{
    br_status st = BR_OK;
    br_mat    mat;

    BR_TRY(st, br_dev_scratch(dev, dtype, n_rows, n_cols, &mat));
    *(void **)out = br_mat_at(mat);
done:
    return st;
}

static br_status take_scratch(br_dev *dev, br_scan *s)
{
    br_status     st = BR_OK;
    br_tile      *t  = &s->tile;
    br_candidate *all;
    int64_t       n = BR_TILE_ROWS, n_units = t->items->n_units, capacity = t->capacity;

    BR_TRY(st, take(dev, BR_U8, n, (int64_t)sizeof(br_tile_row), &t->row));
    BR_TRY(st, take(dev, BR_U8, n, (int64_t)sizeof(br_lse_row), &s->lse.row));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, 1, &s->row_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->threshold_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->norm_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->residual_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->inverse_L));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, 1, &s->offset_L));
    BR_TRY(st, take(dev, BR_U64, BR_TILE_ROWS, 1, &s->have_L));
    BR_TRY(st, take(dev, BR_U64, BR_TILE_ROWS, 1, &s->lse_L));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, 1, &s->least_L));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, n_units, &s->unit_LU));
    BR_TRY(st, take(dev, BR_I32, n, n_units, &t->unit_RU));
    BR_TRY(st, take(dev, BR_I32, n, 4 * capacity, &all));
    BR_TRY(st, take(dev, BR_I32, 1, capacity + BR_RANK_STEP, &t->order_C));
    BR_TRY(st, take(dev, BR_F32, 1, capacity, &t->value_C));
    BR_TRY(st, take(dev, BR_U64, 1, t->args->k + capacity, &t->key));
    BR_TRY(st, take(dev, BR_F32, 1, t->D, &t->x_D));
    BR_TRY(st, take(dev, BR_I64, 1, t->D + 8, &t->x_D8));
    BR_TRY(st, take(dev, BR_I32, BR_PROOF_TILES, br_proof_numbers(t->items), &s->proof.sum_TD));
    for (int64_t b = 0; b < n; b++)
        t->row[b].pending.at_C = all + b * capacity;
done:
    return st;
}

br_status br_cpu_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status st   = BR_OK;
    size_t    mark = br_dev_mark(dev);
    br_scan   s    = {.tile = {.args     = args,
                               .items    = args->items->prepared,
                               .D        = args->items->item_ND.n_cols,
                               .capacity = br_tile_capacity(args->k)}};
    window    w;

    BR_TRY(st, br_cpu_items_settle(args->items, args->query_BD));
    s.checkpoints = br_foretell_plan(s.tile.items, args->k);
    s.lse         = br_lse_begin(s.tile.items, args->items->logsumexp, args->temperature);
    BR_TRY(st, take_scratch(dev, &s));
    for (w.first = 0; w.first < args->query_BD.n_rows; w.first += w.n) {
        int64_t left = args->query_BD.n_rows - w.first;

        w.n = left < WINDOW_ROWS ? left : WINDOW_ROWS;
        BR_TRY(st, score_window(&s, &w));
    }
    args->n_rescored = s.tile.n_rescored;
    args->witness    = s.proof.witness;
done:
    br_dev_rewind(dev, mark);
    return st;
}
