/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalogue made ready for the cpu screen: ordered, written as units, measured. Called once per
 * run; takes as much memory again as the vectors (fp32), half (int16) or a quarter (int8), and
 * 14 bytes an item.
 *
 * Where norms differ and there are biases, the order depends on how much a norm weighs beside a
 * bias, and that on the customers: packing waits for the first of them. */
#include "kernels/cpu/topk/items.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/clones.h"
#include "host/base/log.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/bounds.h"
#include "kernels/cpu/topk/proof.h"

#define LOOKED_AT 256 /* customers that tell what norms are like */

/* One panel on its way: copies of its vectors, rotated where that was planned. */
typedef struct making {
    const br_items *items;
    br_cpu_items   *to;
    double         *norm_N; /* by item row */
    int64_t         D;
    float          *z_CD; /* [32][D] */
} making;

static float largest_of(const making *m, int64_t n)
{
    float element = 0.0f;

    for (int64_t c = 0; c < n; c++)
        element = fmaxf(element, br_codes_measure(m->z_CD + c * m->D, m->D).element);
    return element;
}

static void copy_vectors(const making *m, int64_t first, int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        memcpy(m->z_CD + c * m->D, br_cpu_item_at(m->items, m->to, first + c),
               (size_t)m->D * sizeof(float));
        if (m->to->is_rotated)
            br_codes_rotate(m->z_CD + c * m->D, m->D);
    }
}

static void code_panel(const making *m, int64_t at, int64_t n, double norm)
{
    const br_screen_kernel *kernel   = m->to->kernel;
    br_panel               *panel    = &m->to->panel_P[at];
    int32_t                *unit     = m->to->unit_PUC + at * m->to->n_units * BR_SCREEN_COLS;
    double                  residual = 0.0, code_norm = 0.0;
    br_vector_size          size = {norm, 0.0f};
    br_coding how = {.kernel = kernel, .offset = kernel->item_offset, .step = BR_SCREEN_COLS};

    copy_vectors(m, at * BR_SCREEN_COLS, n);
    size.element   = largest_of(m, n);
    panel->scale   = br_codes_scale(kernel, kernel->item_most, size);
    panel->inverse = 1.0f / panel->scale;
    how.scale      = panel->scale;
    for (int64_t c = 0; c < n; c++) {
        br_coded coded = br_codes_write(&how, m->z_CD + c * m->D, m->D, unit + c);

        residual  = fmax(residual, coded.residual);
        code_norm = fmax(code_norm, coded.norm);
    }
    if (kernel->kind == BR_SCREEN_FP32)
        residual = br_bound_of_floats(m->D) * norm;
    else
        residual += m->to->is_rotated ? 2.0 * BR_ROTATION_ERROR * norm : 0.0;
    panel->residual  = br_bound_up(residual + BR_CANONICAL_ERROR * norm);
    panel->code_norm = br_bound_up(code_norm);
    if (m->to->proof_PD != NULL)
        br_proof_panel(m->to, at);
}

BR_CLONES static void compare_segments(const uint64_t *require_C, uint64_t have, uint8_t *is_C)
{
    for (int c = 0; c < BR_SCREEN_COLS; c++)
        is_C[c] = (require_C[c] & ~have) == 0;
}

uint32_t br_cpu_items_eligible(const br_cpu_items *items, int64_t panel, uint64_t have)
{
    uint32_t bits = 0;
    uint8_t  is_C[BR_SCREEN_COLS];

    if (items->require_N == NULL ||
        (have & items->panel_P[panel].require_any) == items->panel_P[panel].require_any)
        return UINT32_MAX;
    compare_segments(items->require_N + panel * BR_SCREEN_COLS, have, is_C);
    for (int at = 0; at < BR_SCREEN_COLS; at += 8) { /* eight bytes of 0 or 1 to eight bits */
        uint64_t eight;

        memcpy(&eight, is_C + at, 8);
        bits |= (uint32_t)(eight * 0x0102040810204080u >> 56) << at;
    }
    return bits;
}

static void measure_panel(const making *m, int64_t at, int64_t n)
{
    br_cpu_items   *to        = m->to;
    br_panel       *panel     = &to->panel_P[at];
    const uint64_t *require_N = br_mat_at(m->items->require_N);
    const float    *bias_N    = br_mat_f32(m->items->bias_N);
    double          norm      = 0.0;

    panel->bias_most   = -INFINITY;
    panel->require_all = UINT64_MAX;
    for (int64_t i = at * BR_SCREEN_COLS; i < at * BR_SCREEN_COLS + n; i++) {
        int64_t  row = to->row_N[i];
        uint64_t require;
        float    b = bias_N != NULL ? bias_N[row * m->items->bias_N.ld] : 0.0f;

        to->bias_N[i]    = b;
        to->bias_size    = br_most(to->bias_size, fabs((double)b));
        panel->bias_most = fmaxf(panel->bias_most, br_bias_up(b));
        require          = require_N != NULL ? require_N[row * m->items->require_N.ld] : 0;
        if (to->require_N != NULL)
            to->require_N[i] = require;
        panel->require_all &= require;
        panel->require_any |= require;
        norm = br_most(norm, m->norm_N[row]);
    }
    to->norm_most    = br_most(to->norm_most, norm);
    panel->norm_most = br_bound_up(norm);
    panel->norm_rest = panel->norm_most;
    panel->bias_rest = panel->bias_most;
    code_panel(m, at, n, norm);
}

/* For the norms of BR_REACHES: the most of the panel. */
static void reach_of_panel(const making *m, int64_t at, int64_t n)
{
    br_panel *panel = &m->to->panel_P[at];

    for (int j = 0; j < BR_REACHES; j++) {
        panel->reach_rest[j] = -INFINITY;
        for (int64_t i = at * BR_SCREEN_COLS; i < at * BR_SCREEN_COLS + n; i++) {
            double most = 1.02 * br_reach_norm(m->to, j) * m->norm_N[m->to->row_N[i]];

            panel->reach_rest[j] =
                fmaxf(panel->reach_rest[j], (float)most + br_bias_up(m->to->bias_N[i]));
        }
    }
}

/* From the last panel to the first: a bound holds for all that is left. */
static void bound_rest(br_cpu_items *to)
{
    for (int64_t at = to->n_panels - 2; at >= 0; at--) {
        br_panel *panel = &to->panel_P[at], *next = panel + 1;

        panel->norm_rest = fmaxf(panel->norm_rest, next->norm_rest);
        panel->bias_rest = fmaxf(panel->bias_rest, next->bias_rest);
        for (int j = 0; j < BR_REACHES; j++)
            panel->reach_rest[j] = fmaxf(panel->reach_rest[j], next->reach_rest[j]);
    }
}

static br_status allocate(br_cpu_items *to, bool is_witnessed)
{
    br_status st = BR_OK;

    to->n_panels = (to->N + BR_SCREEN_COLS - 1) / BR_SCREEN_COLS;
    BR_ALLOC(st, to->bias_N, to->n_panels * BR_SCREEN_COLS, "item biases");
    if (to->relevant != 0)
        BR_ALLOC(st, to->require_N, to->n_panels * BR_SCREEN_COLS, "item segments");
    BR_ALLOC(st, to->panel_P, to->n_panels, "item panels");
    BR_ALLOC(st, to->unit_PUC, to->n_panels * to->n_units * BR_SCREEN_COLS, "item codes");
    if (pthread_mutex_init(&to->lock, NULL) != 0)
        BR_FAIL(st, BR_E_MEMORY, "score_topk: no lock for the items");
    to->has_lock = true;
    if (is_witnessed)
        BR_ALLOC(st, to->proof_PD, to->n_panels * br_proof_numbers(to), "sums of items");
done:
    return st;
}

static void say(const making *m, double started_s)
{
    const br_cpu_items *to    = m->to;
    double              bytes = (double)to->n_panels *
                       ((double)to->n_units * 4 * BR_SCREEN_COLS + (double)sizeof(br_panel)) +
                   (double)to->N * (to->require_N != NULL ? 16 : 8);

    br_log(BR_LOG_INFO, "score_topk", "items packed in %.2f s; %.1f MB beside %.1f MB of vectors",
           br_clock_wall_s() - started_s, bytes / 1e6, (double)(to->N * m->D * 4) / 1e6);
}

/* In the order of row_N. */
static void pack(making *m)
{
    br_cpu_items *to      = m->to;
    double        started = br_clock_wall_s();

    for (int64_t at = 0; at < to->n_panels; at++) {
        int64_t left = to->N - at * BR_SCREEN_COLS;
        int64_t n    = left < BR_SCREEN_COLS ? left : BR_SCREEN_COLS;

        measure_panel(m, at, n);
        reach_of_panel(m, at, n);
    }
    bound_rest(to);
    say(m, started);
}

static br_status measure_items(making *m)
{
    br_status st = BR_OK;

    BR_ALLOC(st, m->norm_N, m->to->N, "item norms");
    BR_ALLOC(st, m->z_CD, BR_SCREEN_COLS * m->D, "one panel");
    for (int64_t i = 0; i < m->to->N; i++)
        m->norm_N[i] =
            br_codes_measure(br_mat_f32(m->items->item_ND) + i * m->items->item_ND.ld, m->D).norm;
done:
    return st;
}

static void free_making(making *m)
{
    br_free(&m->norm_N);
    br_free(&m->z_CD);
}

/* Lists are the same bits in any order of the items; a log-sum-exp is not. */
static bool can_wait(const br_items *items, const br_cpu_items *p)
{
    return p->has_bias && p->n_sample < p->N && items->logsumexp == BR_LSE_NONE;
}

br_status br_cpu_items_prepare(br_dev *dev, br_items *items)
{
    br_status     st = BR_OK;
    br_cpu_items *p  = NULL;
    making        m  = {.items = items, .D = items->item_ND.n_cols};

    (void)dev;
    BR_ALLOC(st, p, 1, "prepared items");
    items->prepared = p;
    m.to            = p;
    p->N            = items->item_ND.n_rows;
    p->has_bias     = items->bias_N.buf != NULL;
    BR_ALLOC(st, p->row_N, p->N, "item order");
    BR_TRY(st, measure_items(&m));
    BR_TRY(st, br_cpu_items_order(items, m.norm_N, p));
    br_cpu_items_plan(items, m.norm_N, p);
    BR_TRY(st, allocate(p, items->is_witnessed));
    p->is_packed = !can_wait(items, p);
    if (p->is_packed)
        pack(&m);
done:
    free_making(&m);
    return st;
}

static int compare_norms(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

/* The median of some customers that have one; 0 where none has. */
static double norm_of_queries(const br_items *items, br_mat query_BD)
{
    double  norm[LOOKED_AT];
    int64_t n = 0, step = query_BD.n_rows / LOOKED_AT + 1;

    for (int64_t b = 0; b < query_BD.n_rows; b += step) {
        const float *x_D = br_mat_f32(query_BD) + b * query_BD.ld;

        norm[n] = br_codes_measure(x_D, items->item_ND.n_cols).norm;
        n += norm[n] > 0.0 && isfinite(norm[n]);
    }
    qsort(norm, (size_t)n, sizeof *norm, compare_norms);
    return n > 0 ? norm[n / 2] : 0.0;
}

static br_status pack_for(const br_items *items, br_mat query_BD)
{
    br_status     st = BR_OK;
    br_cpu_items *p  = items->prepared;
    making        m  = {.items = items, .to = p, .D = items->item_ND.n_cols};

    p->query_norm = norm_of_queries(items, query_BD);
    BR_TRY(st, measure_items(&m));
    BR_TRY(st, br_cpu_items_order(items, m.norm_N, p));
    pack(&m);
    p->is_packed = true;
done:
    free_making(&m);
    return st;
}

br_status br_cpu_items_settle(const br_items *items, br_mat query_BD)
{
    br_status     st = BR_OK;
    br_cpu_items *p  = items->prepared;

    if (p->is_packed)
        return BR_OK;
    (void)pthread_mutex_lock(&p->lock);
    if (!p->is_packed)
        st = pack_for(items, query_BD);
    (void)pthread_mutex_unlock(&p->lock);
    return st;
}

int32_t br_cpu_items_pieces(const br_items *items, br_piece piece[BR_MAX_PIECES])
{
    const br_cpu_items *p = items->prepared;
    size_t              n = (size_t)p->N, n_panels = (size_t)p->n_panels;
    size_t              numbers = (size_t)br_proof_numbers(p);

    if (!p->is_packed) /* the first customers change all of it */
        return 0;
    piece[0] = (br_piece){"the items' codes", p->unit_PUC,
                          n_panels * (size_t)p->n_units * BR_SCREEN_COLS * 4};
    piece[1] = (br_piece){"the items' order", p->row_N, n * sizeof *p->row_N};
    piece[2] = (br_piece){"the items' biases", p->bias_N, n * sizeof *p->bias_N};
    piece[3] = (br_piece){"the panels' bounds", p->panel_P, n_panels * sizeof *p->panel_P};
    piece[4] = (br_piece){"the items' segments", p->require_N, n_panels * BR_SCREEN_COLS * 8};
    piece[5] = (br_piece){"the panels' sums", p->proof_PD, n_panels * numbers * 4};
    return 6;
}

void br_cpu_items_release(br_items *items)
{
    br_cpu_items *p = items->prepared;

    if (p == NULL)
        return;
    if (p->has_lock)
        (void)pthread_mutex_destroy(&p->lock);
    br_free(&p->row_N);
    br_free(&p->bias_N);
    br_free(&p->require_N);
    br_free(&p->panel_P);
    br_free(&p->unit_PUC);
    br_free(&p->proof_PD);
    br_free(&items->prepared);
}
