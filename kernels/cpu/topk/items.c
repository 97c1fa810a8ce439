/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalogue made ready for the cpu screen. Called once per run; takes as much memory again as
 * the vectors. */
#include "kernels/cpu/topk/items.h"

#include <math.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/topk/screen.h"

static double norm_of(const float *z_D, int64_t D)
{
    double sum = 0.0;

    for (int64_t d = 0; d < D; d++)
        sum += (double)z_D[d] * (double)z_D[d];
    return sqrt(sum);
}

static void measure_panel(const br_items *items, br_cpu_items *p, int64_t panel)
{
    int64_t first = panel * BR_PANEL_ITEMS;
    int64_t last  = first + BR_PANEL_ITEMS;

    if (last > items->item_ND.n_rows)
        last = items->item_ND.n_rows;
    for (int64_t i = first; i < last; i++) {
        double norm =
            norm_of(br_mat_f32(items->item_ND) + i * items->item_ND.ld, items->item_ND.n_cols);
        double bias = fabs((double)p->bias_N[i]);

        /* written so that a NaN stays and sends every customer to the slow path */
        p->norm_P[panel] = norm <= p->norm_P[panel] ? p->norm_P[panel] : norm;
        p->bias_max      = bias <= p->bias_max ? p->bias_max : bias;
    }
    p->norm_max = p->norm_P[panel] <= p->norm_max ? p->norm_max : p->norm_P[panel];
}

br_status br_cpu_items_prepare(br_dev *dev, br_items *items)
{
    br_status     st = BR_OK;
    br_cpu_items *p  = NULL;
    br_mat        z  = items->item_ND;

    (void)dev;
    BR_ALLOC(st, p, 1, "prepared items");
    items->prepared = p;
    p->n_panels     = (z.n_rows + BR_PANEL_ITEMS - 1) / BR_PANEL_ITEMS;
    BR_ALLOC(st, p->norm_P, p->n_panels, "panel norms");
    BR_ALLOC(st, p->bias_N, p->n_panels * BR_PANEL_ITEMS, "item biases");
    BR_ALLOC(st, p->packed, br_cpu_packed_floats(z.n_cols, z.n_rows), "packed item vectors");
    if (items->bias_N.buf != NULL)
        for (int64_t i = 0; i < z.n_rows; i++)
            p->bias_N[i] = br_mat_f32(items->bias_N)[i * items->bias_N.ld];
    for (int64_t panel = 0; panel < p->n_panels; panel++)
        measure_panel(items, p, panel);
    br_cpu_pack(&(br_cpu_weight){.weight   = br_mat_f32(z),
                                 .out_step = z.ld,
                                 .in_step  = 1,
                                 .n_in     = z.n_cols,
                                 .n_out    = z.n_rows},
                p->packed);
done:
    return st;
}

void br_cpu_items_release(br_items *items)
{
    br_cpu_items *p = items->prepared;

    if (p == NULL)
        return;
    br_free(&p->norm_P);
    br_free(&p->bias_N);
    br_free(&p->packed);
    br_free(&items->prepared);
}
