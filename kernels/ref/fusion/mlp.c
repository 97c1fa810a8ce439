/* SPDX-License-Identifier: Apache-2.0
 *
 * mlp, one op after the other: those of the device's own table, so that a backend that has no room
 * for a row's whole way comes here too. Called once per chunk. */
#include "kernels/ref/ref.h"

/* h: layers go to and fro between x and spare, the last one to out. */
static br_status layers(br_dev *dev, const br_mlp_args *args)
{
    br_status st   = BR_OK;
    br_mat    x_BD = args->x_BD;

    for (int32_t l = 0; l < args->n_layers; l++) {
        bool                 is_last = l + 1 == args->n_layers;
        br_mat               next    = l % 2 == 0 ? args->spare_BD : args->x_BD;
        const br_linear_args linear  = {.x_RI       = x_BD,
                                        .weight_OI  = args->weight_DD[l],
                                        .bias_1O    = args->bias_1D[l],
                                        .activation = is_last ? BR_ACT_NONE : args->activation,
                                        .out_RO     = is_last ? args->out_BD : next};

        BR_TRY(st, dev->table->linear(dev, &linear));
        x_BD = next;
    }
done:
    return st;
}

br_status br_ref_mlp(br_dev *dev, const br_mlp_args *args)
{
    br_status                st   = BR_OK;
    const br_layer_norm_args norm = {.x_RD     = args->x_BD,
                                     .gamma_1D = args->gamma_1D,
                                     .beta_1D  = args->beta_1D,
                                     .eps      = args->eps,
                                     .out_RD   = args->n_layers > 0 ? args->x_BD : args->out_BD};

    BR_TRY(st, dev->table->layer_norm(dev, &norm));
    BR_TRY(st, layers(dev, args));
    if (args->has_band)
        BR_TRY(st, dev->table->norm_band(dev, args->out_BD, args->lo, args->hi));
done:
    return st;
}
