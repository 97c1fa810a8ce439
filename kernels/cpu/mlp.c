/* SPDX-License-Identifier: Apache-2.0
 *
 * mlp: a tile of rows goes all the way while it is in cache: norm, layers, band. The bits are those
 * of the ops one after the other. Called once per chunk. */
#include "kernels/cpu/encoder/linear.h"
#include "kernels/ref/ref.h"

typedef struct layer {
    br_linear_args     args;
    br_cpu_linear_plan plan;
} layer;

/* Layers go to and fro between x and spare, the last one to out. */
static int64_t plan_layers(br_dev *dev, const br_mlp_args *args, layer *layers)
{
    br_mat  x_BD     = args->x_BD;
    int64_t n_floats = 0;

    for (int32_t l = 0; l < args->n_layers; l++) {
        bool   is_last = l + 1 == args->n_layers;
        br_mat next    = l % 2 == 0 ? args->spare_BD : args->x_BD;

        layers[l].args = (br_linear_args){.x_RI       = x_BD,
                                          .weight_OI  = args->weight_DD[l],
                                          .bias_1O    = args->bias_1D[l],
                                          .activation = is_last ? BR_ACT_NONE : args->activation,
                                          .out_RO     = is_last ? args->out_BD : next};
        br_cpu_linear_plan_for(dev, &layers[l].args, &layers[l].plan);
        n_floats += layers[l].plan.n_floats;
        x_BD = next;
    }
    return n_floats;
}

static br_status run_tile(br_dev *dev, const br_mlp_args *args, layer *layers, int64_t row)
{
    br_status                st   = BR_OK;
    int64_t                  left = args->x_BD.n_rows - row;
    int64_t                  n    = left < BR_LINEAR_ROWS ? left : BR_LINEAR_ROWS;
    br_mat                   x    = br_mat_rows(args->x_BD, row, n);
    br_mat                   out  = br_mat_rows(args->out_BD, row, n);
    const br_layer_norm_args norm = {.x_RD     = x,
                                     .gamma_1D = args->gamma_1D,
                                     .beta_1D  = args->beta_1D,
                                     .eps      = args->eps,
                                     .out_RD   = args->n_layers > 0 ? x : out};

    BR_TRY(st, br_cpu_layer_norm(dev, &norm));
    for (int32_t l = 0; l < args->n_layers; l++)
        br_cpu_linear_tile(&layers[l].plan, row);
    if (args->has_band)
        BR_TRY(st, br_ref_norm_band(dev, out, args->lo, args->hi));
done:
    return st;
}

br_status br_cpu_mlp(br_dev *dev, const br_mlp_args *args)
{
    br_status st = BR_OK;
    layer     layers[BR_MAX_MLP_LAYERS];
    float    *memory;

    BR_TRY(st, br_cpu_workspace(dev, plan_layers(dev, args, layers), &memory));
    for (int32_t l = 0; l < args->n_layers; l++)
        br_cpu_linear_begin(&layers[l].plan, &memory);
    for (int64_t row = 0; row < args->x_BD.n_rows; row += BR_LINEAR_ROWS)
        BR_TRY(st, run_tile(dev, args, layers, row));
done:
    return st;
}
