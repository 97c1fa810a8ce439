/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of customers passes the catalogue panel by panel; the screen says which items may still
 * be among the best, tile.c keeps them, and a customer leaves when no item that is left can reach
 * its list. The B x N scores never exist: one tile of 12 x 32 does, in registers. */
#include "kernels/cpu/topk/scan.h"

#include <math.h>

#include "host/base/clones.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/topk/bounds.h"

#define ROWS        BR_SCREEN_ROWS
#define COLS        BR_SCREEN_COLS
#define LEAST_SUM   (-2.13e9f) /* no sum is less */
#define LEAVE_EVERY 32         /* panels from one look at who is done to the next */

/* ---- what a sum must reach ---- */

/* sum * scale + bias + error < threshold: nothing that could matter, with roundings to spare. For
 * all live customers at once. */
BR_CLONES static void least_sums(const br_scan *s, const br_panel *panel)
{
    const float   *threshold = s->threshold_L, *norm = s->norm_L;
    const float   *residual = s->residual_L, *inverse = s->inverse_L;
    const int32_t *offset  = s->offset_L;
    int32_t       *least_L = &s->least_L->i;

    for (int64_t l = 0; l < s->n_live; l++) {
        float error = norm[l] * panel->residual + residual[l] * panel->code_norm + BR_TINY;
        float gap   = threshold[l] - panel->bias_most - error;
        float least = gap * inverse[l] * panel->inverse;
        bool  any   = norm[l] * panel->norm_most + BR_TINY >= threshold[l] - panel->bias_most;

        least -= fabsf(least) * BR_STEP + 2.0f;
        least      = least < 2.0e9f ? least : 2.0e9f;
        least      = least > LEAST_SUM ? least : LEAST_SUM;
        least_L[l] = any ? (int32_t)least + offset[l] : INT32_MAX;
    }
}

BR_CLONES static void least_floats(const br_scan *s, const br_panel *panel)
{
    const float *threshold = s->threshold_L, *norm = s->norm_L;
    float       *least_L = &s->least_L->f;

    for (int64_t l = 0; l < s->n_live; l++) {
        float error = norm[l] * panel->residual + BR_TINY;
        float gap   = threshold[l] - panel->bias_most - error;
        bool  any   = norm[l] * panel->norm_most + BR_TINY >= threshold[l] - panel->bias_most;

        least_L[l] = any ? gap - fabsf(gap) * BR_STEP : INFINITY;
    }
}

static br_screen_number nothing_passes(const br_scan *s)
{
    br_screen_number most = {.i = INT32_MAX};

    if (s->tile.items->kernel->kind == BR_SCREEN_FP32)
        most.f = INFINITY;
    return most;
}

static void set_place(br_scan *s, int64_t place)
{
    const br_tile_row *row = &s->tile.row[s->row_L[place]];

    s->threshold_L[place] = br_threshold_down(row->threshold);
    s->norm_L[place]      = br_bound_up(row->norm);
    s->residual_L[place]  = row->residual;
    s->inverse_L[place]   = 1.0f / row->scale;
    s->offset_L[place]    = row->offset;
    s->have_L[place]      = row->rules.have;
    s->lse_L[place]       = &s->lse.row[s->row_L[place]];
}

/* ---- tiles ---- */

/* Which of a panel's items the customer has the segments for. */
static uint32_t eligible_to(const br_scan *s, int64_t at, int64_t place)
{
    return s->tile.is_alike ? s->eligible
                            : br_cpu_items_eligible(s->tile.items, at, s->have_L[place]);
}

/* What passed of one customer's part of a tile, item by item. */
static br_status collect(br_scan *s, int64_t at, int64_t place, const br_screen_tile *tile)
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

    for (uint32_t hits = tile->hit_R[r] & eligible_to(s, at, place); hits != 0; hits &= hits - 1) {
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
        if (s->tile.lse != NULL) /* the sums hold what is never shown until they are finished */
            br_lse_raise(&s->lse, &s->lse.row[b], candidate.approx);
        if (row->rules.n_never > 0 && br_tile_is_never(row, candidate.item))
            continue;
        BR_TRY(st, br_tile_add(&s->tile, b, candidate));
        s->threshold_L[place] = br_threshold_down(row->threshold);
    }
done:
    return st;
}

/* Bars customers who lack a segment that all items of the panel require. False: all do. */
static bool pass_segments(const br_scan *s, const br_panel *panel, int64_t place)
{
    bool any = false;

    for (int64_t l = place; l < place + ROWS && l < s->n_live; l++)
        if ((s->have_L[l] & panel->require_all) == panel->require_all)
            any = true;
        else
            s->least_L[l] = nothing_passes(s);
    return any;
}

static void add_to_sums(br_scan *s, int64_t at, int64_t place, const br_screen_tile *tile)
{
    int64_t n = s->n_live - place < ROWS ? s->n_live - place : ROWS;

    br_lse_add(&s->lse, at, s->lse_L + place, (int)n, tile);
}

/* False: none of the tile's customers can be reached by the panel's largest norm and bias. */
static bool any_can_pass(const br_scan *s, int64_t place)
{
    int32_t nothing = nothing_passes(s).i, any = 0;

    for (int r = 0; r < ROWS; r++)
        any |= s->least_L[place + r].i ^ nothing;
    return any != 0;
}

/* Lets go what passed by a bias that is not its own. */
static void refine(const br_scan *s, int64_t at, int64_t place, br_screen_tile *tile)
{
    const br_cpu_items *items = s->tile.items;
    const br_panel     *panel = &items->panel_P[at];
    float               step_R[ROWS];

    for (int r = 0; r < ROWS; r++) {
        int64_t least = (int64_t)s->least_L[place + r].i - s->offset_L[place + r];

        step_R[r] = s->inverse_L[place + r] * panel->inverse * (1.0f - BR_STEP);
        if (least <= (int64_t)LEAST_SUM) /* less would do: what stands above it says nothing */
            step_R[r] = 0.0f;
    }
    tile->bias_C    = items->bias_N + at * COLS;
    tile->bias_most = panel->bias_most;
    tile->step_R    = step_R;
    items->kernel->refine(tile);
}

static void prove(br_scan *s, int64_t at, int64_t place, const br_screen_tile *tile)
{
    br_proof_place who = {at, place, s->row_L + place, s->n_live - place};

    who.n = who.n < ROWS ? who.n : ROWS;
    br_proof_check(&s->proof, &s->tile, &who, tile);
}

static br_status scan_tile(br_scan *s, int64_t at, int64_t place)
{
    br_status           st        = BR_OK;
    const br_cpu_items *items     = s->tile.items;
    const br_panel     *panel     = &items->panel_P[at];
    bool                is_proven = br_proof_wants(&s->proof, place);
    br_screen_tile      tile; /* set field by field: an initialiser would clear its sums */

    if (panel->require_all != 0 && !pass_segments(s, panel, place))
        return BR_OK;
    if (s->tile.lse == NULL && !any_can_pass(s, place))
        return BR_OK;
    tile.x         = s->unit_LU + place * items->n_units;
    tile.z         = items->unit_PUC + at * items->n_units * COLS;
    tile.n_units   = items->n_units;
    tile.least_R   = s->least_L + place;
    tile.keep_sums = s->tile.lse != NULL || is_proven;
    s->proof.witness.n_tiles++;
    if (!items->kernel->run(&tile))
        return BR_OK;
    if (items->has_bias && items->kernel->refine != NULL && s->tile.lse == NULL)
        refine(s, at, place, &tile);
    if (is_proven)
        prove(s, at, place, &tile);
    for (int r = 0; r < ROWS; r++)
        if (tile.hit_R[r] != 0)
            BR_TRY(st, collect(s, at, place + r, &tile));
    if (s->tile.lse != NULL)
        add_to_sums(s, at, place, &tile);
done:
    return st;
}

/* The next panel comes into the nearest cache while this one is multiplied. */
static void fetch_panel(const br_scan *s, int64_t at, int64_t place)
{
    const br_cpu_items *items   = s->tile.items;
    const char         *unit    = (const char *)(items->unit_PUC + at * items->n_units * COLS);
    int64_t             bytes   = items->n_units * COLS * 4;
    int64_t             n_tiles = (s->n_live + ROWS - 1) / ROWS;
    int64_t             part    = (bytes / n_tiles + 63) / 64 * 64;
    int64_t             from    = place / ROWS * part;

    br_fetch_bytes(unit + from, bytes - from < part ? bytes - from : part);
    if (place == 0 && items->proof_PD != NULL)
        br_proof_fetch(items, at);
    br_fetch_line(items->row_N + at * COLS + place % COLS);
    br_fetch_line(items->bias_N + at * COLS + place % COLS);
}

static br_status scan_panel(br_scan *s, int64_t at)
{
    br_status       st    = BR_OK;
    const br_panel *panel = &s->tile.items->panel_P[at];

    if (s->tile.items->kernel->kind == BR_SCREEN_FP32)
        least_floats(s, panel);
    else
        least_sums(s, panel);
    if (s->tile.lse != NULL)
        br_lse_enter_panel(&s->lse, at);
    br_proof_enter_panel(&s->proof, at);
    for (int64_t place = 0; place < s->n_live; place += ROWS) {
        if (at + 1 < s->tile.items->n_panels)
            fetch_panel(s, at + 1, place);
        BR_TRY(st, scan_tile(s, at, place));
    }
done:
    return st;
}

/* ---- customers ---- */

static void place_units(br_scan *s, int64_t place)
{
    int64_t        n      = s->tile.items->n_units;
    const int32_t *unit_U = s->tile.unit_RU + s->row_L[place] * n;
    int32_t       *to     = s->unit_LU + place / ROWS * ROWS * n + place % ROWS;

    for (int64_t u = 0; u < n; u++)
        to[u * ROWS] = unit_U[u];
}

/* The place of nobody: its sums are 0, whatever the scratch held before. */
static void empty_units(br_scan *s, int64_t place)
{
    int64_t  n  = s->tile.items->n_units;
    int32_t *to = s->unit_LU + place / ROWS * ROWS * n + place % ROWS;

    for (int64_t u = 0; u < n; u++)
        to[u * ROWS] = 0;
}

/* Closes the gaps that finished customers leave; what fills the last tile passes nothing. */
static void close_ranks(br_scan *s)
{
    int64_t place;

    br_proof_forget(&s->proof);
    for (place = 0; place < s->n_live; place++) {
        place_units(s, place);
        set_place(s, place);
    }
    for (; place % ROWS != 0; place++) {
        empty_units(s, place);
        s->least_L[place] = nothing_passes(s);
        s->lse_L[place]   = &s->lse.nobody;
    }
}

static bool is_done(const br_scan *s, int32_t b, int64_t panel)
{
    const br_tile_row *row = &s->tile.row[b];

    return br_tile_is_done(row, &s->tile.items->panel_P[panel]) &&
           (s->tile.lse == NULL || br_lse_is_done(&s->lse, &s->lse.row[b], row->norm, panel));
}

/* Customers that no item can reach any more leave. */
static void let_leave(br_scan *s, int64_t panel)
{
    int64_t n = 0;

    for (int64_t place = 0; place < s->n_live; place++) {
        int32_t b = s->row_L[place];

        if (s->tile.lse != NULL)
            br_lse_gather(&s->lse.row[b]);
        if (!is_done(s, b, panel))
            s->row_L[n++] = b;
    }
    if (n == s->n_live)
        return;
    s->n_live = n;
    close_ranks(s);
}

static void foretell(br_scan *s, int32_t rank)
{
    for (int64_t place = 0; place < s->n_live; place++) {
        br_tile_row *row = &s->tile.row[s->row_L[place]];

        br_tile_foretell(&s->tile, row, rank);
        s->threshold_L[place] = br_threshold_down(row->threshold);
    }
}

/* Past the sample thresholds also follow what is found: the k best so far and a few. */
static void refresh(br_scan *s)
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

/* Customers who are alike: what they may be shown of the panel. False: nothing. */
static bool enter_segments(br_scan *s, int64_t at)
{
    const br_panel *panel = &s->tile.items->panel_P[at];
    uint64_t        have  = s->tile.have;

    if (!s->tile.is_alike)
        return true;
    s->eligible = (have & panel->require_all) == panel->require_all
                      ? br_cpu_items_eligible(s->tile.items, at, have)
                      : 0;
    return s->eligible != 0;
}

br_status br_scan_pass(br_scan *s)
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
        if (s->n_live > 0 && enter_segments(s, panel))
            BR_TRY(st, scan_panel(s, panel));
    }
done:
    return st;
}
