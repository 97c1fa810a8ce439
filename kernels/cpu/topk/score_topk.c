/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk: a tile of customers passes the catalogue in order of falling item norm, panel by
 * panel; the screen (screen_*.c) says which items may still be among the best, tile.c keeps them,
 * and a customer leaves when no item that is left can reach its list. The B x N scores never
 * exist: one block of 6 x 16 does, in registers. Called once per tile of customers and lane. */
#include <math.h>

#include "kernels/cpu/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/tile.h"

#define NEAR_BYTES 24576 /* of customers' vectors that stay in the nearest cache */
#define N_GROUPS   (BR_TILE_ROWS / BR_SCREEN_ROWS)

/* The customers still under way, close together; places count among them. */
typedef struct scan {
    br_tile          tile;
    int64_t          n_live;
    int32_t         *row_L;       /* place -> row of the tile */
    float           *threshold_L; /* +inf in the places that fill the last block */
    double          *base_L;      /* INT16: threshold / scale of a sum, and 1 / scale */
    double          *inverse_L;
    const float    **x_L;    /* FP32: vectors */
    int16_t         *code_L; /* INT16: [groups][n_pairs][BR_SCREEN_ROWS][2] */
    br_screen_f32_fn run_f32;
    br_screen_i16_fn run_i16;
} scan;

/* ---- thresholds ---- */

static void set_threshold(scan *s, int64_t place, int64_t panel)
{
    const br_tile_row *row = &s->tile.row[s->row_L[place]];

    s->threshold_L[place] = br_tile_threshold(row);
    if (s->tile.items->kind == BR_SCREEN_INT16) {
        s->inverse_L[place] = 1.0 / (row->code_scale * s->tile.items->scale_P[panel]);
        s->base_L[place]    = (double)s->threshold_L[place] * s->inverse_L[place];
    }
}

/* Sums above these pass: every approximate score sum * scale + b, b at most bias_most, that
 * reaches its threshold, and few others. Two units and 2^-20 are for roundings. */
BR_CLONES static void whole_thresholds(const double *base_R, const double *inverse_R,
                                       double bias_most, int32_t *above_R)
{
    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        double bias  = bias_most * inverse_R[r];
        double above = base_R[r] - bias - (fabs(base_R[r]) + fabs(bias)) * 0x1p-20 - 2.0;

        above      = above < 2147483647.0 ? above : 2147483647.0; /* a NaN: nothing passes */
        above      = above > -2147483648.0 ? above : -2147483648.0;
        above_R[r] = (int32_t)above;
    }
}

/* ---- blocks ---- */

/* What passed of one customer's part of a block, item by item. */
static br_status collect(scan *s, int64_t place, int64_t first, uint32_t hits, const float *score)
{
    br_status st = BR_OK;
    int64_t   b  = s->row_L[place];

    for (; hits != 0; hits &= hits - 1) {
        int c = __builtin_ctz(hits);

        if (first + c < s->tile.n_items && score[c] >= s->threshold_L[place])
            BR_TRY(st, br_tile_add(&s->tile, b, first + c, score[c]));
    }
done:
    return st;
}

/* Floors rise while candidates are added. */
static br_status collect_row(scan *s, int64_t panel, int64_t place, int64_t first, uint32_t hits,
                             const float *score)
{
    br_status          st    = BR_OK;
    const br_tile_row *row   = &s->tile.row[s->row_L[place]];
    float              floor = row->floor;

    BR_TRY(st, collect(s, place, first, hits, score));
    if (row->floor > floor)
        set_threshold(s, place, panel);
done:
    return st;
}

static br_status scan_f32(scan *s, int64_t panel, int64_t place, int64_t first)
{
    br_status     st = BR_OK;
    br_screen_f32 block; /* set field by field: an initialiser would clear its scores */

    block.x_R         = s->x_L + place;
    block.threshold_R = s->threshold_L + place;
    block.packed      = s->tile.items->vectors + first * s->tile.D;
    block.bias_C      = s->tile.items->bias_N + first;
    block.D           = s->tile.D;
    if (!s->run_f32(&block))
        return BR_OK;
    for (int r = 0; r < BR_SCREEN_ROWS; r++)
        if (block.hit_R[r] != 0)
            BR_TRY(st, collect_row(s, panel, place + r, first, block.hit_R[r], block.score_RC[r]));
done:
    return st;
}

static br_status scan_i16(scan *s, int64_t panel, int64_t place, int64_t first)
{
    br_status           st     = BR_OK;
    const br_cpu_items *items  = s->tile.items;
    const float        *bias_C = items->bias_N + first;
    br_screen_i16       block; /* set field by field: an initialiser would clear its sums */

    block.x       = s->code_L + place * 2 * s->tile.n_pairs;
    block.z       = items->codes + first * 2 * s->tile.n_pairs;
    block.n_pairs = s->tile.n_pairs;
    whole_thresholds(s->base_L + place, s->inverse_L + place,
                     (double)items->bias_most_B[first / BR_SCREEN_COLS], block.above_R);
    if (!s->run_i16(&block))
        return BR_OK;
    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        float  score_C[BR_SCREEN_COLS];
        double scale;

        if (block.hit_R[r] == 0)
            continue;
        scale = s->tile.row[s->row_L[place + r]].code_scale * items->scale_P[panel];
        for (int c = 0; c < BR_SCREEN_COLS; c++)
            score_C[c] = (float)((double)block.sum_RC[r][c] * scale + (double)bias_C[c]);
        BR_TRY(st, collect_row(s, panel, place + r, first, block.hit_R[r], score_C));
    }
done:
    return st;
}

/* ---- panels ---- */

/* Customers whose vectors stay in the nearest cache beside sixteen items: whole blocks. */
static int64_t rows_at_hand(const scan *s)
{
    int64_t bytes = s->tile.items->kind == BR_SCREEN_INT16 ? 4 * s->tile.n_pairs : 4 * s->tile.D;
    int64_t n     = NEAR_BYTES / bytes / BR_SCREEN_ROWS * BR_SCREEN_ROWS;

    return n > 0 ? n : BR_SCREEN_ROWS;
}

static br_status scan_panel(scan *s, int64_t panel)
{
    br_status st    = BR_OK;
    bool      is_16 = s->tile.items->kind == BR_SCREEN_INT16;
    int64_t   first = panel * BR_PANEL_ITEMS, last = first + BR_PANEL_ITEMS;
    int64_t   step = rows_at_hand(s);

    last = last < s->tile.n_items ? last : s->tile.n_items;
    for (int64_t place = 0; place < s->n_live; place += step)
        for (int64_t item = first; item < last; item += BR_SCREEN_COLS)
            for (int64_t p = place; p < s->n_live && p < place + step; p += BR_SCREEN_ROWS)
                BR_TRY(st, is_16 ? scan_i16(s, panel, p, item) : scan_f32(s, panel, p, item));
done:
    return st;
}

static void place_vector(scan *s, int64_t place)
{
    const br_tile *t     = &s->tile;
    int64_t        b     = s->row_L[place];
    int64_t        group = place / BR_SCREEN_ROWS, r = place % BR_SCREEN_ROWS;
    int16_t       *to     = s->code_L + group * BR_SCREEN_ROWS * 2 * t->n_pairs + 2 * r;
    const int16_t *code_D = t->code_RD + b * 2 * t->n_pairs;

    if (t->items->kind == BR_SCREEN_FP32) {
        s->x_L[place] = br_mat_f32(t->args->query_BD) + (t->first_row + b) * t->args->query_BD.ld;
        return;
    }
    for (int64_t p = 0; p < t->n_pairs; p++) {
        to[p * 2 * BR_SCREEN_ROWS]     = code_D[2 * p];
        to[p * 2 * BR_SCREEN_ROWS + 1] = code_D[2 * p + 1];
    }
}

/* Closes the gaps that finished customers leave; what fills the last block passes nothing. */
static void close_ranks(scan *s)
{
    for (int64_t place = 0; place < s->n_live; place++)
        place_vector(s, place);
    for (int64_t place = s->n_live; place % BR_SCREEN_ROWS != 0; place++) {
        s->threshold_L[place] = INFINITY;
        s->base_L[place]      = INFINITY;
        s->inverse_L[place]   = 1.0;
        if (s->n_live > 0)
            s->x_L[place] = s->x_L[0];
    }
}

/* Bounds of this panel; customers that no item can reach any more leave. */
static void enter_panel(scan *s, int64_t panel, bool is_checkpoint)
{
    int64_t n = 0;

    for (int64_t place = 0; place < s->n_live; place++) {
        br_tile_row *row = &s->tile.row[s->row_L[place]];

        if (is_checkpoint)
            br_tile_prune(&s->tile, row);
        if (!br_tile_is_done(&s->tile, row, panel))
            s->row_L[n++] = s->row_L[place];
    }
    if (n < s->n_live || panel == 0) {
        s->n_live = n;
        close_ranks(s);
    }
    for (int64_t place = 0; place < s->n_live; place++) {
        br_tile_row *row = &s->tile.row[s->row_L[place]];

        row->error = br_tile_error(&s->tile, row, panel);
        set_threshold(s, place, panel);
    }
}

static br_status score_tile(scan *s)
{
    br_status st         = BR_OK;
    br_tile  *t          = &s->tile;
    int64_t   checkpoint = 1;

    s->n_live = 0;
    for (int64_t b = 0; b < t->n_rows; b++) {
        br_tile_start_row(t, b);
        if (!t->row[b].is_slow)
            s->row_L[s->n_live++] = (int32_t)b;
    }
    for (int64_t panel = 0; panel < t->items->n_panels && s->n_live > 0; panel++) {
        enter_panel(s, panel, panel == checkpoint);
        if (panel == checkpoint)
            checkpoint += 1 + checkpoint / 3;
        BR_TRY(st, scan_panel(s, panel));
    }
    for (int64_t b = 0; b < t->n_rows; b++)
        BR_TRY(st, br_tile_finish_row(t, b));
done:
    return st;
}

/* ---- memory ---- */

size_t br_score_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k)
{
    size_t capacity   = (size_t)br_tile_capacity(k);
    size_t code_bytes = (size_t)((dim + 1) / 2 * 4);
    size_t row_bytes  = sizeof(br_tile_row) + sizeof(float *) + 2 * sizeof(float) +
                       2 * sizeof(double) + capacity * 3 * sizeof(float) + 2 * code_bytes;

    (void)n_items;
    return BR_TILE_ROWS * row_bytes + (capacity + (size_t)k) * sizeof(uint64_t) + (size_t)12 * 64;
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
    int64_t       n = BR_TILE_ROWS;

    BR_TRY(st, take(dev, BR_U8, n, (int64_t)sizeof(br_tile_row), &t->row));
    BR_TRY(st, take(dev, BR_U8, n, (int64_t)sizeof(float *), &s->x_L));
    BR_TRY(st, take(dev, BR_F32, n, 1, &s->threshold_L));
    BR_TRY(st, take(dev, BR_I32, n, 1, &s->row_L));
    BR_TRY(st, take(dev, BR_I64, n, 1, &s->base_L));
    BR_TRY(st, take(dev, BR_I64, n, 1, &s->inverse_L));
    BR_TRY(st, take(dev, BR_I32, n, t->n_pairs, &t->code_RD));
    BR_TRY(st, take(dev, BR_I32, n, t->n_pairs, &s->code_L));
    BR_TRY(st, take(dev, BR_I32, n, t->capacity, &all.lower_C));
    BR_TRY(st, take(dev, BR_F32, n, t->capacity, &all.upper_C));
    BR_TRY(st, take(dev, BR_I32, n, t->capacity, &all.item_C));
    BR_TRY(st, take(dev, BR_U64, 1, t->args->k + t->capacity, &t->key));
    for (int64_t b = 0; b < n; b++)
        t->row[b].pending = (br_candidates){.lower_C = all.lower_C + b * t->capacity,
                                            .upper_C = all.upper_C + b * t->capacity,
                                            .item_C  = all.item_C + b * t->capacity};
done:
    return st;
}

br_status br_cpu_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status st   = BR_OK;
    size_t    mark = br_dev_mark(dev);
    scan      s    = {.run_f32 = br_screen_f32_pick(), .run_i16 = br_screen_i16_pick()};

    s.tile = (br_tile){.args     = args,
                       .items    = args->items->prepared,
                       .n_items  = args->items->item_ND.n_rows,
                       .D        = args->items->item_ND.n_cols,
                       .n_pairs  = (args->items->item_ND.n_cols + 1) / 2,
                       .capacity = br_tile_capacity(args->k)};
    BR_TRY(st, take_scratch(dev, &s));
    for (int64_t first = 0; first < args->query_BD.n_rows; first += BR_TILE_ROWS) {
        int64_t left = args->query_BD.n_rows - first;

        s.tile.first_row = first;
        s.tile.n_rows    = left < BR_TILE_ROWS ? left : BR_TILE_ROWS;
        BR_TRY(st, score_tile(&s));
    }
    args->n_rescored = s.tile.n_rescored;
done:
    br_dev_rewind(dev, mark);
    return st;
}
