/* SPDX-License-Identifier: Apache-2.0
 *
 * gru: sequences sorted by length and taken in blocks; at each time step the states of those that
 * still have an event are multiplied with W_hh at once, then the gates are one vector loop per
 * sequence. Called once per layer and chunk. Agrees with ref within 2e-6 per step; errors do not
 * grow along a sequence, since gates contract. */
#include <stdlib.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/encoder/product.h"
#include "kernels/cpu/encoder/rows_bf16.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/vector_math.h"
#include "kernels/ref/ref.h"

#define BLOCK_SEQS   ((int64_t)48)
#define PLANNED_SEQS ((int64_t)16384) /* up to these the workspace never grows again */

typedef struct place {
    int32_t length;
    int32_t b;
} place;

typedef struct plan {
    const br_gru_args  *args;
    int64_t             n; /* H */
    place              *place_B;
    float              *bias_3H;
    float              *h_RH;
    float              *hh_R3H; /* W_hh h */
    br_cpu_product_args hh;
} plan;

static int by_length(const void *left, const void *right)
{
    const place *a = left;
    const place *b = right;

    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return a->b < b->b ? -1 : a->b > b->b;
}

BR_CLONES static void step(const float *restrict gate_3H, const float *restrict hh_3H,
                           const float *restrict bias_3H, float w, int64_t n, float *restrict h_H)
{
    const float *gate_z = gate_3H + n, *gate_n = gate_3H + 2 * n;
    const float *hh_z = hh_3H + n, *hh_n = hh_3H + 2 * n;
    const float *bias_z = bias_3H + n, *bias_n = bias_3H + 2 * n;

    for (int64_t i = 0; i < n; i++) {
        float r = br_vsigmoid(gate_3H[i] + (hh_3H[i] + bias_3H[i]));
        float z = br_vsigmoid(gate_z[i] + (hh_z[i] + bias_z[i]));
        float g = br_vtanh(gate_n[i] + r * (hh_n[i] + bias_n[i]));

        h_H[i] = h_H[i] + w * ((1.0f - z) * (g - h_H[i]));
    }
}

/* Event e's gates: its own row, or its item's. */
static const float *gate_row(const br_gru_args *args, int64_t e)
{
    if (args->gate_V3H.buf == NULL)
        return br_mat_f32(args->gate_E3H) + e * args->gate_E3H.ld;
    return br_mat_f32(args->gate_V3H) + br_mat_i32(args->seqs->item_E)[e] * args->gate_V3H.ld;
}

/* Rows of a table of items lie anywhere: the next step's are under way during this one. */
static void fetch(const float *row, int64_t n)
{
    br_fetch_bytes(row, n * 4);
}

static void run_step(const plan *p, const place *place_R, int64_t t, int64_t n_active)
{
    const br_gru_args  *args   = p->args;
    const int32_t      *offset = args->seqs->host_offset_B1;
    const float        *w_E    = br_mat_f32(args->seqs->weight_E);
    br_cpu_product_args hh     = p->hh;

    hh.n_rows = n_active;
    br_cpu_product(&hh);
    for (int64_t r = 0; r < n_active; r++) {
        int64_t e     = offset[place_R[r].b] + t;
        float   w     = w_E == NULL ? 1.0f : w_E[e];
        float  *hh_3H = p->hh_R3H + r * 3 * p->n;
        float  *h_H   = p->h_RH + r * p->n;

        if (t + 1 < place_R[r].length)
            fetch(gate_row(args, e + 1), 3 * p->n);
        if (hh.weight->layout == BR_LAYOUT_PAIRS)
            br_cpu_row_gates(gate_row(args, e), hh_3H, w, p->n, h_H);
        else
            step(gate_row(args, e), hh_3H, p->bias_3H, w, p->n, h_H);
        if (args->state_EH.buf != NULL)
            memcpy(br_mat_f32(args->state_EH) + e * args->state_EH.ld, h_H,
                   (size_t)p->n * sizeof(float));
    }
}

static void run_block(const plan *p, const place *place_R, int64_t n_seqs)
{
    const br_gru_args *args      = p->args;
    size_t             row_bytes = (size_t)p->n * sizeof(float);
    int64_t            n_active  = n_seqs;

    for (int64_t r = 0; r < n_seqs; r++) {
        if (args->start_BH.buf == NULL)
            memset(p->h_RH + r * p->n, 0, row_bytes);
        else
            memcpy(p->h_RH + r * p->n,
                   br_mat_f32(args->start_BH) + place_R[r].b * args->start_BH.ld, row_bytes);
    }
    for (int64_t t = 0;; t++) {
        while (n_active > 0 && place_R[n_active - 1].length <= t)
            n_active--;
        if (n_active == 0)
            break;
        run_step(p, place_R, t, n_active);
    }
    for (int64_t r = 0; r < n_seqs && args->last_BH.buf != NULL; r++)
        memcpy(br_mat_f32(args->last_BH) + place_R[r].b * args->last_BH.ld, p->h_RH + r * p->n,
               row_bytes);
}

static br_status check_items(const br_gru_args *args)
{
    br_status      st     = BR_OK;
    const int32_t *item_E = br_mat_i32(args->seqs->item_E);

    for (int64_t e = 0; e < args->seqs->n_events && args->gate_V3H.buf != NULL; e++)
        BR_TRY(st, br_ref_check_row("gru: item_E", e, item_E[e], args->gate_V3H.n_rows));
done:
    return st;
}

static void sort_places(plan *p)
{
    const int32_t *offset = p->args->seqs->host_offset_B1;
    int64_t        n_seqs = p->args->seqs->n_seqs;

    for (int64_t b = 0; b < n_seqs; b++)
        p->place_B[b] = (place){offset[b + 1] - offset[b], (int32_t)b};
    qsort(p->place_B, (size_t)n_seqs, sizeof *p->place_B, by_length);
}

br_status br_cpu_gru(br_dev *dev, const br_gru_args *args)
{
    br_status            st        = BR_OK;
    int64_t              n_seqs    = args->seqs->n_seqs;
    int64_t              n_planned = n_seqs > PLANNED_SEQS ? n_seqs : PLANNED_SEQS;
    int64_t              n         = args->weight_hh_3HH.n_cols;
    int64_t              n_floats  = 3 * n + BLOCK_SEQS * 4 * n + 2 * n_planned;
    const br_weight_args of        = {args->weight_hh_3HH, BR_PRECISION_FP32, 1, false};
    plan                 p         = {.args = args, .n = n};
    br_cpu_packed        own;
    int64_t              n_side;
    float               *memory;

    BR_TRY(st, check_items(args));
    p.hh.weight = br_cpu_weight_plan(dev, args->prepared, &of, &own, &n_floats);
    n_side      = br_cpu_side_floats(p.hh.weight, BLOCK_SEQS);
    BR_TRY(st, br_cpu_workspace(dev, n_floats + n_side, &memory));
    br_cpu_weight_pack(p.hh.weight, &of, &own, &memory);
    p.hh.side   = memory;
    p.h_RH      = memory + n_side;
    p.hh_R3H    = p.h_RH + BLOCK_SEQS * n;
    p.bias_3H   = p.hh_R3H + BLOCK_SEQS * 3 * n;
    p.place_B   = (place *)(void *)(p.bias_3H + 3 * n);
    p.hh.x      = p.h_RH;
    p.hh.ld_x   = n;
    p.hh.out    = p.hh_R3H;
    p.hh.ld_out = 3 * n;
    if (args->bias_hh_13H.buf == NULL)
        memset(p.bias_3H, 0, (size_t)(3 * n) * sizeof(float));
    else
        memcpy(p.bias_3H, br_mat_f32(args->bias_hh_13H), (size_t)(3 * n) * sizeof(float));
    if (p.hh.weight->layout == BR_LAYOUT_PAIRS)
        p.hh.bias = p.bias_3H; /* the sums begin with it */
    sort_places(&p);
    for (int64_t b = 0; b < n_seqs; b += BLOCK_SEQS)
        run_block(&p, p.place_B + b, n_seqs - b < BLOCK_SEQS ? n_seqs - b : BLOCK_SEQS);
done:
    return st;
}
