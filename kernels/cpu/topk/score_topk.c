/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk: a block of customers passes the catalogue panel by panel; the screen says which items
 * may still be among the best, tile.c keeps them, and a customer leaves when no item that is left
 * can reach its list. The B x N scores never exist: one tile of 12 x 32 does, in registers. Called
 * once per batch of customers and lane. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/foretell.h"
#include "kernels/cpu/topk/tile.h"

#define ROWS        BR_SCREEN_ROWS
#define COLS        BR_SCREEN_COLS
#define LEAVE_EVERY 32 /* panels from one look at who is done to the next */

/* The customers still under way, close together; places count among them. */
typedef struct scan {
    br_tile           tile;
    br_checkpoints    checkpoints;
    int64_t           n_live;
    int32_t          *row_L;       /* place -> row of the block */
    float            *threshold_L; /* rounded down */
    float            *norm_L;
    float            *residual_L;
    float            *inverse_L; /* 1 / scale of the customer's codes */
    int32_t          *offset_L;
    uint64_t         *have_L;
    br_screen_number *least_L; /* what a sum of this panel must reach to pass */
    int32_t          *unit_LU; /* [tiles][n_units][12] */
} scan;

/* ---- what a sum must reach ---- */

/* sum * scale + bias + error < threshold: nothing that could matter, with roundings to spare. For
 * all live customers at once. */
BR_CLONES static void least_sums(const scan *s, const br_panel *panel)
{
    const float   *threshold = s->threshold_L, *norm = s->norm_L;
    const float   *residual = s->residual_L, *inverse = s->inverse_L;
    const int32_t *offset  = s->offset_L;
    int32_t       *least_L = &s->least_L->i;

    for (int64_t l = 0; l < s->n_live; l++) {
        float error = norm[l] * panel->residual + residual[l] * panel->code_norm + BR_TINY;
        float gap   = threshold[l] - panel->bias_most - error;
        float least = gap * inverse[l] * panel->inverse;

        least -= fabsf(least) * BR_STEP + 2.0f;
        least      = least < 2.0e9f ? least : 2.0e9f;
        least      = least > -2.0e9f ? least : -2.0e9f;
        least_L[l] = (int32_t)least + offset[l];
    }
}

BR_CLONES static void least_floats(const scan *s, const br_panel *panel)
{
    const float *threshold = s->threshold_L, *norm = s->norm_L;
    float       *least_L = &s->least_L->f;

    for (int64_t l = 0; l < s->n_live; l++) {
        float error = norm[l] * panel->residual + BR_TINY;
        float gap   = threshold[l] - panel->bias_most - error;

        least_L[l] = gap - fabsf(gap) * BR_STEP;
    }
}

static br_screen_number nothing_passes(const scan *s)
{
    br_screen_number most = {.i = INT32_MAX};

    if (s->tile.items->kernel->kind == BR_SCREEN_FP32)
        most.f = INFINITY;
    return most;
}

static void set_place(scan *s, int64_t place)
{
    const br_tile_row *row = &s->tile.row[s->row_L[place]];

    s->threshold_L[place] = br_threshold_down(row->threshold);
    s->norm_L[place]      = br_bound_up(row->norm);
    s->residual_L[place]  = row->residual;
    s->inverse_L[place]   = 1.0f / row->scale;
    s->offset_L[place]    = row->offset;
    s->have_L[place]      = row->rules.have;
}

/* ---- tiles ---- */

/* What passed of one customer's part of a tile, item by item. */
static br_status collect(scan *s, int64_t at, int64_t place, const br_screen_tile *tile)
{
    br_status           st      = BR_OK;
    const br_cpu_items *items   = s->tile.items;
    const br_panel     *panel   = &items->panel_P[at];
    int64_t             b       = s->row_L[place];
    const br_tile_row  *row     = &s->tile.row[b];
    int                 r       = (int)(place % ROWS);
    float               scale   = row->scale * panel->scale;
    float               error   = br_bound_of_panel(panel, s->norm_L[place], s->residual_L[place]);
    bool                is_fp32 = items->kernel->kind == BR_SCREEN_FP32;

    for (uint32_t hits = tile->hit_R[r]; hits != 0; hits &= hits - 1) {
        int              c   = __builtin_ctz(hits);
        int64_t          i   = at * COLS + c;
        br_screen_number sum = tile->sum_RC[r][c];
        float            product;
        br_candidate     candidate;

        if (i >= items->N)
            break;
        product         = is_fp32 ? sum.f : (float)(sum.i - row->offset) * scale;
        candidate       = (br_candidate){.approx = product + items->bias_N[i],
                                         .bias   = items->bias_N[i],
                                         .item   = items->row_N[i]};
        candidate.slack = error + (fabsf(product) + fabsf(candidate.approx)) * BR_STEP;
        if (candidate.approx + candidate.slack < s->threshold_L[place])
            continue;
        if (row->has_rules && !br_topk_is_allowed(&row->rules, candidate.item))
            continue;
        BR_TRY(st, br_tile_add(&s->tile, b, candidate));
        s->threshold_L[place] = br_threshold_down(row->threshold);
    }
done:
    return st;
}

/* Bars customers who lack a segment that all items of the panel require. False: all do. */
static bool pass_segments(const scan *s, const br_panel *panel, int64_t place)
{
    bool any = false;

    for (int64_t l = place; l < place + ROWS && l < s->n_live; l++)
        if ((s->have_L[l] & panel->require_all) == panel->require_all)
            any = true;
        else
            s->least_L[l] = nothing_passes(s);
    return any;
}

static br_status scan_tile(scan *s, int64_t at, int64_t place)
{
    br_status           st    = BR_OK;
    const br_cpu_items *items = s->tile.items;
    const br_panel     *panel = &items->panel_P[at];
    br_screen_tile      tile; /* set field by field: an initialiser would clear its sums */

    if (panel->require_all != 0 && !pass_segments(s, panel, place))
        return BR_OK;
    tile.x       = s->unit_LU + place * items->n_units;
    tile.z       = items->unit_PUC + at * items->n_units * COLS;
    tile.n_units = items->n_units;
    tile.least_R = s->least_L + place;
    if (!items->kernel->run(&tile))
        return BR_OK;
    for (int r = 0; r < ROWS; r++)
        if (tile.hit_R[r] != 0)
            BR_TRY(st, collect(s, at, place + r, &tile));
done:
    return st;
}

/* The next panel comes into the nearest cache while this one is multiplied. */
static void fetch_panel(const scan *s, int64_t at, int64_t place)
{
    const br_cpu_items *items   = s->tile.items;
    const char         *unit    = (const char *)(items->unit_PUC + at * items->n_units * COLS);
    int64_t             bytes   = items->n_units * COLS * 4;
    int64_t             n_tiles = (s->n_live + ROWS - 1) / ROWS;
    int64_t             part    = (bytes / n_tiles + 63) / 64 * 64;
    int64_t             from    = place / ROWS * part;

    for (int64_t i = from; i < from + part && i < bytes; i += 64)
        __builtin_prefetch(unit + i, 0, 2);
    __builtin_prefetch(items->row_N + at * COLS + place % COLS);
    __builtin_prefetch(items->bias_N + at * COLS + place % COLS);
}

static br_status scan_panel(scan *s, int64_t at)
{
    br_status       st    = BR_OK;
    const br_panel *panel = &s->tile.items->panel_P[at];

    if (s->tile.items->kernel->kind == BR_SCREEN_FP32)
        least_floats(s, panel);
    else
        least_sums(s, panel);
    for (int64_t place = 0; place < s->n_live; place += ROWS) {
        if (at + 1 < s->tile.items->n_panels)
            fetch_panel(s, at + 1, place);
        BR_TRY(st, scan_tile(s, at, place));
    }
done:
    return st;
}

/* ---- customers ---- */

static void place_units(scan *s, int64_t place)
{
    int64_t        n      = s->tile.items->n_units;
    const int32_t *unit_U = s->tile.unit_RU + s->row_L[place] * n;
    int32_t       *to     = s->unit_LU + place / ROWS * ROWS * n + place % ROWS;

    for (int64_t u = 0; u < n; u++)
        to[u * ROWS] = unit_U[u];
}

/* Closes the gaps that finished customers leave; what fills the last tile passes nothing. */
static void close_ranks(scan *s)
{
    int64_t place;

    for (place = 0; place < s->n_live; place++) {
        place_units(s, place);
        set_place(s, place);
    }
    for (; place % ROWS != 0; place++)
        s->least_L[place] = nothing_passes(s);
}

/* Customers that no item can reach any more leave. */
static void let_leave(scan *s, int64_t panel)
{
    int64_t n = 0;

    for (int64_t place = 0; place < s->n_live; place++) {
        int32_t b = s->row_L[place];

        if (!br_tile_is_done(&s->tile.row[b], &s->tile.items->panel_P[panel]))
            s->row_L[n++] = b;
    }
    if (n == s->n_live)
        return;
    s->n_live = n;
    close_ranks(s);
}

static void foretell(scan *s, int32_t rank)
{
    for (int64_t place = 0; place < s->n_live; place++) {
        br_tile_row *row = &s->tile.row[s->row_L[place]];

        br_tile_foretell(&s->tile, row, rank);
        s->threshold_L[place] = br_threshold_down(row->threshold);
    }
}

/* Past the sample thresholds also follow what is found: the k best so far and a few. */
static void refresh(scan *s)
{
    int32_t k = s->tile.args->k;

    for (int64_t place = 0; place < s->n_live; place++) {
        br_tile_row *row = &s->tile.row[s->row_L[place]];

        if (row->pending.n < row->n_pruned + k / 4 + 8)
            continue;
        br_tile_foretell(&s->tile, row, k + 2 + k / 16);
        s->threshold_L[place] = br_threshold_down(row->threshold);
    }
}

/* All live customers through the whole catalogue. */
static br_status pass(scan *s)
{
    br_status st = BR_OK;
    int64_t   n = s->tile.items->n_panels, first = s->tile.items->n_sample / COLS;
    int       check = 0;

    close_ranks(s);
    for (int64_t panel = 0; panel < n && s->n_live > 0; panel++) {
        bool is_checkpoint = check < s->checkpoints.n && panel == s->checkpoints.at[check].panel;

        if (is_checkpoint)
            foretell(s, s->checkpoints.at[check++].rank);
        else if (panel > first && panel % LEAVE_EVERY == 0)
            refresh(s);
        if (is_checkpoint || panel % LEAVE_EVERY == 0)
            let_leave(s, panel);
        if (s->n_live > 0)
            BR_TRY(st, scan_panel(s, panel));
    }
done:
    return st;
}

/* Customers of like segments share tiles: panels that none of a tile may be shown are skipped. */
static void sort_by_segments(scan *s)
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

static br_status score_block(scan *s)
{
    br_status st      = BR_OK;
    br_tile  *t       = &s->tile;
    int64_t   n_again = 0;
    int32_t   again_R[BR_TILE_ROWS];

    s->n_live = 0;
    for (int64_t b = 0; b < t->n_rows; b++) {
        br_tile_start_row(t, b);
        if (!t->row[b].is_slow)
            s->row_L[s->n_live++] = (int32_t)b;
    }
    if (t->items->has_require)
        sort_by_segments(s);
    BR_TRY(st, pass(s));
    for (int64_t b = 0; b < t->n_rows; b++) {
        bool again;

        BR_TRY(st, br_tile_finish_row(t, b, &again));
        if (again)
            again_R[n_again++] = (int32_t)b;
    }
    s->n_live = n_again;
    memcpy(s->row_L, again_R, (size_t)n_again * sizeof *again_R);
    BR_TRY(st, pass(s));
    for (int64_t i = 0; i < n_again; i++) {
        bool again;

        BR_TRY(st, br_tile_finish_row(t, again_R[i], &again));
        if (again)
            BR_FAIL(st, BR_E_SELFCHECK, "score_topk: a certain threshold was too high");
    }
done:
    return st;
}

/* ---- memory ---- */

size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k)
{
    size_t capacity  = (size_t)br_tile_capacity(k);
    size_t units     = (size_t)dim + 2; /* fp32 has the most */
    size_t row_bytes = sizeof(br_tile_row) + capacity * 4 * 4 + units * 4;

    (void)n_items;
    return BR_TILE_ROWS * row_bytes + BR_TILE_ROWS * (7 * 4 + 8 + units * 4) +
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

static br_status take_scratch(br_dev *dev, scan *s)
{
    br_status     st = BR_OK;
    br_tile      *t  = &s->tile;
    br_candidates all;
    int64_t       n = BR_TILE_ROWS, n_units = t->items->n_units, capacity = t->capacity;

    BR_TRY(st, take(dev, BR_U8, n, (int64_t)sizeof(br_tile_row), &t->row));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, 1, &s->row_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->threshold_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->norm_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->residual_L));
    BR_TRY(st, take(dev, BR_F32, BR_TILE_ROWS, 1, &s->inverse_L));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, 1, &s->offset_L));
    BR_TRY(st, take(dev, BR_U64, BR_TILE_ROWS, 1, &s->have_L));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, 1, &s->least_L));
    BR_TRY(st, take(dev, BR_I32, BR_TILE_ROWS, n_units, &s->unit_LU));
    BR_TRY(st, take(dev, BR_I32, n, n_units, &t->unit_RU));
    BR_TRY(st, take(dev, BR_F32, n, capacity, &all.approx_C));
    BR_TRY(st, take(dev, BR_F32, n, capacity, &all.slack_C));
    BR_TRY(st, take(dev, BR_F32, n, capacity, &all.bias_C));
    BR_TRY(st, take(dev, BR_I32, n, capacity, &all.item_C));
    BR_TRY(st, take(dev, BR_I32, 1, capacity, &t->order_C));
    BR_TRY(st, take(dev, BR_F32, 1, capacity, &t->value_C));
    BR_TRY(st, take(dev, BR_U64, 1, t->args->k + capacity, &t->key));
    BR_TRY(st, take(dev, BR_F32, 1, t->D, &t->x_D));
    BR_TRY(st, take(dev, BR_I64, 1, t->D + 8, &t->x_D8));
    for (int64_t b = 0; b < n; b++)
        t->row[b].pending = (br_candidates){.approx_C = all.approx_C + b * capacity,
                                            .slack_C  = all.slack_C + b * capacity,
                                            .bias_C   = all.bias_C + b * capacity,
                                            .item_C   = all.item_C + b * capacity};
done:
    return st;
}

br_status br_cpu_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status st   = BR_OK;
    size_t    mark = br_dev_mark(dev);
    scan      s    = {.tile = {.args     = args,
                               .items    = args->items->prepared,
                               .D        = args->items->item_ND.n_cols,
                               .capacity = br_tile_capacity(args->k)}};

    s.checkpoints = br_foretell_plan(s.tile.items, args->k);
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
