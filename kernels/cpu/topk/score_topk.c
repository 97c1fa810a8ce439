/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk, block by block: a pass through the catalogue, the lists, and a second pass for those
 * whose foretold threshold was too high. Called once per batch of customers and lane. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/scan.h"

/* Customers of like segments share tiles: panels that none of a tile may be shown are skipped. */
static void sort_by_segments(br_scan *s)
{
    for (int64_t i = 1; i < s->n_live; i++) {
        int32_t  row  = s->row_L[i];
        uint64_t have = s->tile.row[row].rules.have;
        int64_t  at   = i;

        for (; at > 0 && s->tile.row[s->row_L[at - 1]].rules.have > have; at--)
            s->row_L[at] = s->row_L[at - 1];
        s->row_L[at] = row;
    }
}

static void write_logsumexp(br_scan *s, int64_t b)
{
    br_score_topk_args *args = s->tile.args;
    int64_t             at   = s->tile.first_row + b;

    br_lse_gather(&s->lse.row[b]);
    br_mat_f32(args->logsumexp_B)[at * args->logsumexp_B.ld] =
        (float)br_lse_finish(&s->lse, &s->lse.row[b], args, at);
}

static br_status score_block(br_scan *s)
{
    br_status st      = BR_OK;
    br_tile  *t       = &s->tile;
    int64_t   n_again = 0;
    int32_t   again_R[BR_TILE_ROWS];

    s->n_live = 0;
    t->lse    = t->args->logsumexp_B.buf != NULL ? &s->lse : NULL;
    for (int64_t b = 0; b < t->n_rows; b++) {
        br_tile_start_row(t, b);
        br_lse_start_row(&s->lse, &s->lse.row[b], t->row[b].scale, &t->row[b].rules);
        if (!t->row[b].is_slow)
            s->row_L[s->n_live++] = (int32_t)b;
    }
    if (t->items->has_require)
        sort_by_segments(s);
    BR_TRY(st, br_scan_pass(s));
    for (int64_t b = 0; b < t->n_rows; b++) {
        bool again;

        BR_TRY(st, br_tile_finish_row(t, b, &again));
        if (t->lse != NULL && !t->row[b].is_slow)
            write_logsumexp(s, b);
        if (again)
            again_R[n_again++] = (int32_t)b;
    }
    s->n_live = n_again;
    t->lse    = NULL;
    memcpy(s->row_L, again_R, (size_t)n_again * sizeof *again_R);
    BR_TRY(st, br_scan_pass(s));
    for (int64_t i = 0; i < n_again; i++) {
        bool again;

        BR_TRY(st, br_tile_finish_row(t, again_R[i], &again));
    }
done:
    return st;
}

/* ---- memory ---- */

size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k)
{
    size_t capacity  = (size_t)br_tile_capacity(k);
    size_t units     = (size_t)dim + 2; /* fp32 has the most */
    size_t row_bytes = sizeof(br_tile_row) + sizeof(br_lse_row) + capacity * 4 * 4 + units * 4;

    (void)n_items;
    return BR_TILE_ROWS * row_bytes + BR_TILE_ROWS * (7 * 4 + 2 * 8 + units * 4) +
           (capacity + (size_t)k) * 8 + capacity * 8 + units * 4 + (units + 8) * 8 +
           (size_t)20 * 64;
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
    BR_TRY(st, take(dev, BR_I32, 1, capacity, &t->order_C));
    BR_TRY(st, take(dev, BR_F32, 1, capacity, &t->value_C));
    BR_TRY(st, take(dev, BR_U64, 1, t->args->k + capacity, &t->key));
    BR_TRY(st, take(dev, BR_F32, 1, t->D, &t->x_D));
    BR_TRY(st, take(dev, BR_I64, 1, t->D + 8, &t->x_D8));
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

    s.checkpoints = br_foretell_plan(s.tile.items, args->k);
    s.lse         = br_lse_begin(s.tile.items, args->items->logsumexp, args->temperature);
    BR_TRY(st, take_scratch(dev, &s));
    for (int64_t first = 0; first < args->query_BD.n_rows; first += BR_TILE_ROWS) {
        int64_t left = args->query_BD.n_rows - first;

        s.tile.first_row = first;
        s.tile.n_rows    = left < BR_TILE_ROWS ? left : BR_TILE_ROWS;
        BR_TRY(st, score_block(&s));
    }
    args->n_rescored = s.tile.n_rescored;
done:
    br_dev_rewind(dev, mark);
    return st;
}
