/* SPDX-License-Identifier: Apache-2.0
 *
 * linear: tile after tile of rows is multiplied and, while it is still in cache, given bias,
 * activation and residual. Called for every projection of every layer. Agrees with ref within 2e-6
 * x max(1, |x|) for sums of that size. */
#include "kernels/cpu/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/encoder/product.h"
#include "kernels/cpu/encoder/rows_bf16.h"
#include "kernels/cpu/vector_math.h"

#define TILE_ROWS ((int64_t)96)

/* One loop per activation: y = act(y + bias) over a row. */
#define ACTIVATION_LOOP(name, expression)                                                          \
    BR_CLONES static void name(float *restrict y_O, const float *restrict bias_O, int64_t n)       \
    {                                                                                              \
        for (int64_t o = 0; o < n; o++) {                                                          \
            float y = y_O[o] + bias_O[o];                                                          \
            y_O[o]  = expression;                                                                  \
        }                                                                                          \
    }
ACTIVATION_LOOP(act_none, y)
ACTIVATION_LOOP(act_relu, (y < 0.0f ? 0.0f : y))
ACTIVATION_LOOP(act_gelu, br_vgelu(y))
ACTIVATION_LOOP(act_tanh, br_vtanh(y))
ACTIVATION_LOOP(act_sigmoid, br_vsigmoid(y))
ACTIVATION_LOOP(act_silu, br_vsilu(y))

/* out may be residual: element by element in place. */
BR_CLONES static void add_residual(const float *y_O, const float *residual_O, float *out_O,
                                   int64_t n)
{
    for (int64_t o = 0; o < n; o++)
        out_O[o] = y_O[o] + residual_O[o];
}

/* By name, not through a table: gcc binds a clone's address to the plainest one. */
static void activate(br_activation activation, float *y_O, const float *bias_O, int64_t n)
{
    switch (activation) {
    case BR_ACT_NONE:
        act_none(y_O, bias_O, n);
        break;
    case BR_ACT_RELU:
        act_relu(y_O, bias_O, n);
        break;
    case BR_ACT_GELU:
        act_gelu(y_O, bias_O, n);
        break;
    case BR_ACT_TANH:
        act_tanh(y_O, bias_O, n);
        break;
    case BR_ACT_SIGMOID:
        act_sigmoid(y_O, bias_O, n);
        break;
    case BR_ACT_SILU:
        act_silu(y_O, bias_O, n);
        break;
    }
}

/* With a residual the product goes to the side first, since out may be the residual. */
static void finish_tile(const br_linear_args *args, const br_cpu_product_args *tile, int64_t row,
                        const float *bias_O)
{
    float  *out_RO = br_mat_f32(args->out_RO);
    float  *res_RO = br_mat_f32(args->residual_RO);
    int64_t n_out  = args->out_RO.n_cols;

    for (int64_t r = 0; r < tile->n_rows; r++) {
        float *y_O = tile->out + r * tile->ld_out;

        if (args->activation == BR_ACT_GELU && tile->weight->layout == BR_LAYOUT_PAIRS)
            br_cpu_row_gelu(y_O, bias_O, n_out);
        else
            activate(args->activation, y_O, bias_O, n_out);
        if (res_RO != NULL)
            add_residual(y_O, res_RO + (row + r) * args->residual_RO.ld,
                         out_RO + (row + r) * args->out_RO.ld, n_out);
    }
}

br_status br_cpu_linear(br_dev *dev, const br_linear_args *args)
{
    br_status            st       = BR_OK;
    int64_t              n_out    = args->out_RO.n_cols;
    const float         *bias_O   = br_mat_f32(args->bias_1O);
    const br_weight_args of       = {args->weight_OI, BR_PRECISION_FP32, 1, false};
    bool                 is_aside = args->residual_RO.buf != NULL;
    int64_t              n_floats = n_out + TILE_ROWS * n_out;
    br_cpu_packed        own;
    br_cpu_product_args  tile;
    float               *zero_O;
    float               *memory;

    tile = (br_cpu_product_args){.ld_x = args->x_RI.ld,
                                 .weight =
                                     br_cpu_weight_plan(dev, args->prepared, &of, &own, &n_floats),
                                 .ld_out = is_aside ? n_out : args->out_RO.ld};
    BR_TRY(st,
           br_cpu_workspace(dev, n_floats + br_cpu_side_floats(tile.weight, TILE_ROWS), &memory));
    br_cpu_weight_pack(tile.weight, &of, &own, &memory);
    tile.side = memory;
    tile.out  = tile.side + br_cpu_side_floats(tile.weight, TILE_ROWS);
    zero_O    = tile.out + TILE_ROWS * n_out;
    for (int64_t o = 0; o < n_out; o++)
        zero_O[o] = 0.0f;
    for (int64_t row = 0; row < args->out_RO.n_rows; row += TILE_ROWS) {
        int64_t left = args->out_RO.n_rows - row;

        tile.x      = br_mat_f32(args->x_RI) + row * args->x_RI.ld;
        tile.n_rows = left < TILE_ROWS ? left : TILE_ROWS;
        if (!is_aside)
            tile.out = br_mat_f32(args->out_RO) + row * args->out_RO.ld;
        br_cpu_product(&tile);
        finish_tile(args, &tile, row, bias_O == NULL ? zero_O : bias_O);
    }
done:
    return st;
}
