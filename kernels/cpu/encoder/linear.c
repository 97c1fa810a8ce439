/* SPDX-License-Identifier: Apache-2.0
 *
 * linear: tile after tile of rows is multiplied and, while it is still in cache, given bias,
 * activation and residual. Called for every projection of every layer. Agrees with ref within 2e-6
 * x max(1, |x|) for sums of that size. */
#include <string.h>

#include "host/base/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/encoder/linear.h"
#include "kernels/cpu/encoder/rows_bf16.h"
#include "kernels/cpu/vector_math.h"

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

static void finish_tile(const br_cpu_linear_plan *p, int64_t row)
{
    const br_linear_args *args   = p->args;
    float                *res_RO = br_mat_f32(args->residual_RO);
    int64_t               n_out  = args->out_RO.n_cols;

    for (int64_t r = 0; r < p->tile.n_rows; r++) {
        float    *y_O    = p->tile.out + r * p->tile.ld_out;
        uint16_t *half_O = NULL;

        if (args->out_RO.dtype == BR_BF16)
            half_O = br_mat_bf16(args->out_RO) + (row + r) * args->out_RO.ld;
        if (args->activation == BR_ACT_GELU && p->tile.weight->layout == BR_LAYOUT_PAIRS) {
            br_cpu_row_gelu(y_O, n_out, half_O);
        } else {
            activate(args->activation, y_O, p->bias_O, n_out);
            if (half_O != NULL)
                br_cpu_to_half(y_O, n_out, half_O);
        }
        if (res_RO != NULL)
            add_residual(y_O, res_RO + (row + r) * args->residual_RO.ld,
                         br_mat_f32(args->out_RO) + (row + r) * args->out_RO.ld, n_out);
    }
}

/* What the sums of pairs can begin with. */
static void plan_pairs(br_cpu_linear_plan *p, const float *zero_O)
{
    const br_linear_args *args = p->args;

    p->tile.bias = p->bias_O;
    p->bias_O    = zero_O;
    if (args->activation != BR_ACT_NONE || args->out_RO.dtype == BR_BF16)
        return;
    p->is_done          = true;
    p->is_aside         = false;
    p->tile.ld_out      = args->out_RO.ld;
    p->tile.ld_residual = args->residual_RO.ld;
}

void br_cpu_linear_tile(br_cpu_linear_plan *p, int64_t row)
{
    const br_linear_args *args = p->args;
    int64_t               left = args->out_RO.n_rows - row;

    if (args->x_RI.dtype == BR_BF16)
        p->tile.half = br_mat_bf16(args->x_RI) + row * args->x_RI.ld;
    else
        p->tile.x = br_mat_f32(args->x_RI) + row * args->x_RI.ld;
    p->tile.n_rows = left < BR_LINEAR_ROWS ? left : BR_LINEAR_ROWS;
    if (!p->is_aside)
        p->tile.out = br_mat_f32(args->out_RO) + row * args->out_RO.ld;
    if (p->is_done && args->residual_RO.buf != NULL)
        p->tile.residual = br_mat_f32(args->residual_RO) + row * args->residual_RO.ld;
    br_cpu_product(&p->tile);
    if (!p->is_done)
        finish_tile(p, row);
}

void br_cpu_linear_plan_for(br_dev *dev, const br_linear_args *args, br_cpu_linear_plan *p)
{
    int64_t n_out   = args->out_RO.n_cols;
    bool    is_half = args->out_RO.dtype == BR_BF16;

    *p             = (br_cpu_linear_plan){.args = args};
    p->of          = (br_weight_args){args->weight_OI, BR_PRECISION_FP32, 1, false};
    p->n_floats    = n_out + BR_LINEAR_ROWS * n_out;
    p->is_aside    = is_half || args->residual_RO.buf != NULL;
    p->tile.weight = br_cpu_weight_plan(dev, args->prepared, &p->of, &p->own, &p->n_floats);
    p->n_floats += br_cpu_side_floats(p->tile.weight, BR_LINEAR_ROWS);
    p->n_floats = (p->n_floats + 15) / 16 * 16;
}

void br_cpu_linear_begin(br_cpu_linear_plan *p, float **memory)
{
    const br_linear_args *args  = p->args;
    int64_t               n_out = args->out_RO.n_cols;
    float                *at    = *memory;

    *memory += p->n_floats;
    br_cpu_weight_pack(p->tile.weight, &p->of, &p->own, &at);
    p->tile.side   = at;
    p->tile.out    = at + br_cpu_side_floats(p->tile.weight, BR_LINEAR_ROWS);
    p->tile.ld_x   = args->x_RI.ld;
    p->tile.ld_out = p->is_aside ? n_out : args->out_RO.ld;
    at             = p->tile.out + BR_LINEAR_ROWS * n_out;
    memset(at, 0, (size_t)n_out * sizeof *at);
    p->bias_O = args->bias_1O.buf == NULL ? at : br_mat_f32(args->bias_1O);
    if (p->tile.weight->layout == BR_LAYOUT_PAIRS)
        plan_pairs(p, at);
}

br_status br_cpu_linear(br_dev *dev, const br_linear_args *args)
{
    br_status          st = BR_OK;
    br_cpu_linear_plan p;
    float             *memory;

    br_cpu_linear_plan_for(dev, args, &p);
    BR_TRY(st, br_cpu_workspace(dev, p.n_floats, &memory));
    br_cpu_linear_begin(&p, &memory);
    for (int64_t row = 0; row < args->out_RO.n_rows; row += BR_LINEAR_ROWS)
        br_cpu_linear_tile(&p, row);
done:
    return st;
}
