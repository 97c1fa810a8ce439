/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalogue made ready for the cpu screen: sorted, measured, packed. Called once per run; takes
 * half as much memory again as the vectors (INT16), or as much (FP32). */
#include "kernels/cpu/topk/items.h"

#include <math.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/candidates.h"

/* One catalogue on its way into the screen's form. */
typedef struct making {
    const br_items *items;
    br_cpu_items   *to;
    int64_t         N;
    int64_t         D;
    double         *norm_N; /* by item row */
} making;

static const float *vector_of(const making *m, int64_t row)
{
    return br_mat_f32(m->items->item_ND) + row * m->items->item_ND.ld;
}

static double norm_of(const float *z_D, int64_t D)
{
    double sum = 0.0;

    for (int64_t d = 0; d < D; d++)
        sum += (double)z_D[d] * (double)z_D[d];
    return sqrt(sum);
}

/* Falling norm, then row. The order is a matter of speed alone: a NaN may land anywhere. */
static br_status sort_items(making *m)
{
    br_status st  = BR_OK;
    uint64_t *key = NULL;

    BR_ALLOC(st, key, m->N, "item order");
    for (int64_t i = 0; i < m->N; i++) {
        m->norm_N[i] = norm_of(vector_of(m, i), m->D);
        key[i]       = br_rank_key((float)m->norm_N[i], (int32_t)i);
    }
    br_rank_sort(key, m->N);
    for (int64_t i = 0; i < m->N; i++)
        m->to->row_N[i] = (int32_t)(uint32_t)key[i];
done:
    br_free(&key);
    return st;
}

/* The larger one; a NaN in `value` stays, and sends every customer to the slow path. */
static double most(double so_far, double value)
{
    return value <= so_far ? so_far : value;
}

static void measure_panel(const making *m, int64_t panel)
{
    br_cpu_items *to    = m->to;
    int64_t       first = panel * BR_PANEL_ITEMS;
    double        norm = 0.0, bias = -INFINITY;

    for (int64_t at = first; at < first + BR_PANEL_ITEMS; at++) {
        int64_t row = at < m->N ? to->row_N[at] : -1;
        double  b   = 0.0;

        if (row < 0) {
            to->bias_N[at] = -INFINITY;
            continue;
        }
        if (to->has_bias)
            b = (double)br_mat_f32(m->items->bias_N)[row * m->items->bias_N.ld];
        to->bias_N[at] = (float)b;
        to->bias_size  = most(to->bias_size, fabs(b));
        bias           = most(bias, b);
        norm           = most(norm, m->norm_N[row]);
    }
    for (int64_t at = first; at < first + BR_PANEL_ITEMS; at += BR_SCREEN_COLS) {
        float *best = &to->bias_most_B[at / BR_SCREEN_COLS];

        *best = -INFINITY;
        for (int c = 0; c < BR_SCREEN_COLS; c++)
            *best = to->bias_N[at + c] > *best ? to->bias_N[at + c] : *best;
    }
    to->norm_P[panel]      = norm;
    to->bias_rest_P[panel] = bias;
}

/* From the last panel to the first: a bound holds for all that is left. */
static void measure(const making *m)
{
    br_cpu_items *to = m->to;

    for (int64_t panel = to->n_panels - 1; panel >= 0; panel--) {
        measure_panel(m, panel);
        if (panel + 1 == to->n_panels)
            continue;
        to->norm_P[panel]      = most(to->norm_P[panel], to->norm_P[panel + 1]);
        to->bias_rest_P[panel] = most(to->bias_rest_P[panel], to->bias_rest_P[panel + 1]);
    }
}

static br_status pack_f32(making *m)
{
    br_status st = BR_OK;

    BR_ALLOC(st, m->to->vectors, m->to->n_panels * BR_PANEL_ITEMS * m->D, "packed item vectors");
    for (int64_t at = 0; at < m->N; at++) {
        const float *z_D  = vector_of(m, m->to->row_N[at]);
        float       *to_D = m->to->vectors + at / BR_SCREEN_COLS * BR_SCREEN_COLS * m->D;

        for (int64_t d = 0; d < m->D; d++)
            to_D[d * BR_SCREEN_COLS + at % BR_SCREEN_COLS] = z_D[d];
    }
done:
    return st;
}

static void code_item(const making *m, int64_t at, double scale, double *residual)
{
    int64_t      n_pairs = (m->D + 1) / 2;
    const float *z_D     = vector_of(m, m->to->row_N[at]);
    int16_t     *code    = m->to->codes + at / BR_SCREEN_COLS * BR_SCREEN_COLS * 2 * n_pairs;
    double       sum     = 0.0;

    code += at % BR_SCREEN_COLS * 2;
    for (int64_t d = 0; d < m->D; d++) {
        double number = nearbyint((double)z_D[d] / scale);
        double left   = (double)z_D[d] - scale * number;

        code[d / 2 * 2 * BR_SCREEN_COLS + d % 2] = (int16_t)number;
        sum += left * left;
    }
    *residual = most(*residual, sqrt(sum));
}

static br_status pack_i16(making *m)
{
    br_status     st = BR_OK;
    br_cpu_items *to = m->to;

    BR_ALLOC(st, to->scale_P, to->n_panels, "panel scales");
    BR_ALLOC(st, to->residual_P, to->n_panels, "panel residuals");
    BR_ALLOC(st, to->codes, to->n_panels * BR_PANEL_ITEMS * 2 * ((m->D + 1) / 2), "item codes");
    for (int64_t at = 0; at < m->N; at++) {
        int64_t panel = at / BR_PANEL_ITEMS;

        if (at % BR_PANEL_ITEMS == 0)
            to->scale_P[panel] = to->norm_P[panel] > 0.0 ? to->norm_P[panel] / BR_CODE_NORM : 1.0;
        code_item(m, at, to->scale_P[panel], &to->residual_P[panel]);
    }
done:
    return st;
}

/* INT16 where it is faster and every norm can be measured. */
static br_screen_kind plan(const br_items *items, const br_cpu_items *p)
{
    bool is_measured = p->norm_P[0] < INFINITY;

    if (items->screen == BR_SCREEN_FP32 || !is_measured)
        return BR_SCREEN_FP32;
    return items->screen == BR_SCREEN_INT16 || br_screen_i16_pays() ? BR_SCREEN_INT16
                                                                    : BR_SCREEN_FP32;
}

br_status br_cpu_items_prepare(br_dev *dev, br_items *items)
{
    br_status     st = BR_OK;
    br_cpu_items *p  = NULL;
    making        m  = {.items = items, .N = items->item_ND.n_rows, .D = items->item_ND.n_cols};

    (void)dev;
    BR_ALLOC(st, p, 1, "prepared items");
    items->prepared = p;
    m.to            = p;
    p->has_bias     = items->bias_N.buf != NULL;
    p->n_panels     = (m.N + BR_PANEL_ITEMS - 1) / BR_PANEL_ITEMS;
    BR_ALLOC(st, m.norm_N, m.N, "item norms");
    BR_ALLOC(st, p->row_N, m.N, "item order");
    BR_ALLOC(st, p->bias_N, p->n_panels * BR_PANEL_ITEMS, "item biases");
    BR_ALLOC(st, p->bias_most_B, p->n_panels * BR_PANEL_ITEMS / BR_SCREEN_COLS, "block biases");
    BR_ALLOC(st, p->norm_P, p->n_panels, "panel norms");
    BR_ALLOC(st, p->bias_rest_P, p->n_panels, "panel biases");
    BR_TRY(st, sort_items(&m));
    measure(&m);
    p->kind = plan(items, p);
    BR_TRY(st, p->kind == BR_SCREEN_INT16 ? pack_i16(&m) : pack_f32(&m));
done:
    br_free(&m.norm_N);
    return st;
}

void br_cpu_items_release(br_items *items)
{
    br_cpu_items *p = items->prepared;

    if (p == NULL)
        return;
    br_free(&p->row_N);
    br_free(&p->bias_N);
    br_free(&p->bias_most_B);
    br_free(&p->norm_P);
    br_free(&p->bias_rest_P);
    br_free(&p->scale_P);
    br_free(&p->residual_P);
    br_free(&p->vectors);
    br_free(&p->codes);
    br_free(&items->prepared);
}
