/* SPDX-License-Identifier: Apache-2.0
 *
 * linear: the weights are packed once per call, then tile after tile of rows is multiplied and,
 * while it is still in cache, given bias, activation and residual. Called for every projection of
 * every layer. Agrees with ref within 2e-6 x max(1, |x|) for sums of that size. */
#include "kernels/cpu/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm.h"
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
static void finish_tile(const br_linear_args *args, const br_cpu_gemm_args *gemm, int64_t row,
                        const float *bias_O)
{
    float *out_RO = br_mat_f32(args->out_RO);
    float *res_RO = br_mat_f32(args->residual_RO);

    for (int64_t r = 0; r < gemm->n_rows; r++) {
        float *y_O = gemm->out + r * gemm->ld_out;

        activate(args->activation, y_O, bias_O, gemm->n_out);
        if (res_RO != NULL)
            add_residual(y_O, res_RO + (row + r) * args->residual_RO.ld,
                         out_RO + (row + r) * args->out_RO.ld, gemm->n_out);
    }
}

br_status br_cpu_linear(br_dev *dev, const br_linear_args *args)
{
    br_status     st       = BR_OK;
    int64_t       n_in     = args->x_RI.n_cols;
    int64_t       n_out    = args->out_RO.n_cols;
    int64_t       n_packed = br_cpu_packed_floats(n_in, n_out);
    br_cpu_weight weight   = {br_mat_f32(args->weight_OI), args->weight_OI.ld, 1, n_in, n_out};
    const float  *bias_O   = br_mat_f32(args->bias_1O);
    float        *packed;
    float        *zero_O;
    float        *side_RO;

    BR_TRY(st, br_cpu_workspace(dev, n_packed + n_out + TILE_ROWS * n_out, &packed));
    zero_O  = packed + n_packed;
    side_RO = zero_O + n_out;
    br_cpu_pack(&weight, packed);
    for (int64_t o = 0; o < n_out; o++)
        zero_O[o] = 0.0f;
    for (int64_t row = 0; row < args->out_RO.n_rows; row += TILE_ROWS) {
        int64_t          left   = args->out_RO.n_rows - row;
        bool             aside  = args->residual_RO.buf != NULL;
        float           *direct = br_mat_f32(args->out_RO) + row * args->out_RO.ld;
        br_cpu_gemm_args gemm   = {.x        = br_mat_f32(args->x_RI) + row * args->x_RI.ld,
                                   .ld_x     = args->x_RI.ld,
                                   .n_rows   = left < TILE_ROWS ? left : TILE_ROWS,
                                   .packed   = packed,
                                   .panel_in = n_in,
                                   .n_in     = n_in,
                                   .n_out    = n_out,
                                   .out      = aside ? side_RO : direct,
                                   .ld_out   = aside ? n_out : args->out_RO.ld};
        br_cpu_gemm(&gemm);
        finish_tile(args, &gemm, row, bias_O == NULL ? zero_O : bias_O);
    }
done:
    return st;
}
