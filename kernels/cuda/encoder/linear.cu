/* SPDX-License-Identifier: Apache-2.0
 *
 * linear in tiles of BR_GEMM_ROWS rows: the operand is rounded and padded, multiplied (gemm.cuh),
 * and the sums are finished by the epilogue. All three stay in the second-level cache: 8,192 rows
 * of 384 sums are 12.6 MB. Called for every projection of every layer. Where there are many rows,
 * groups of whole tiles are recorded sequences (graph.cuh): a task of 262,144 events is 96 launches
 * without, 4 replays with them. */
#include <cuda_bf16.h>
#include <string.h>

#include "kernels/cuda/encoder/activate.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/graph.cuh"

#define EPILOGUE_BLOCK 1024 /* elements */
#ifndef BR_LINEAR_GROUP
#define BR_LINEAR_GROUP 8 /* tiles of a sequence */
#endif

/* What one call has and another has not: where its rows lie, and what they are. */
typedef struct linear_rows {
    br_cuda_rows         x;
    br_view<const float> residual_RO;
    void                *out;
    int64_t              ld_out;
    bool                 is_half;
} linear_rows;

/* What a tile is made of. A group's is a sequence's context. */
typedef struct tiles {
    br_cuda_weight weight;
    void          *operand;
    float         *sum_RO;
    const float   *bias_O;
    int64_t        n_out;
    linear_rows    rows;
    linear_rows   *far; /* on the device, instead of rows where not NULL */
    br_activation  activation;
} tiles;

typedef struct epilogue_params {
    tiles   t;
    int64_t first; /* row of the tile */
    int64_t n_rows;
} epilogue_params;

static __device__ void finish(const epilogue_params &p, const linear_rows &rows, int64_t r,
                              int64_t o)
{
    int64_t at = p.first + r;
    float   y  = p.t.sum_RO[r * p.t.weight.n_out + o] + (p.t.bias_O == NULL ? 0.0f : p.t.bias_O[o]);

    y = br_activate(p.t.activation, y);
    if (rows.residual_RO.at != NULL)
        y += rows.residual_RO.row(at)[o];
    if (rows.is_half)
        static_cast<__nv_bfloat16 *>(rows.out)[at * rows.ld_out + o] = __float2bfloat16_rn(y);
    else
        static_cast<float *>(rows.out)[at * rows.ld_out + o] = y;
}

/* Grid: 1,024 elements of the tile per block; a thread owns four, 256 apart. */
template <bool IS_FAR>
static __global__ void __launch_bounds__(256) epilogue_kernel(epilogue_params p)
{
    int64_t            first = (int64_t)blockIdx.x * EPILOGUE_BLOCK + threadIdx.x;
    const linear_rows &rows  = IS_FAR ? *p.t.far : p.t.rows;

#pragma unroll
    for (int j = 0; j < EPILOGUE_BLOCK / 256; j++) {
        int64_t at = first + j * 256;

        if (at < p.n_rows * p.t.n_out)
            finish(p, rows, at / p.t.n_out, at % p.t.n_out);
    }
}

static br_status run_tile(br_dev *dev, const tiles *t, int64_t first, int64_t n_rows)
{
    br_status            st       = BR_OK;
    br_cuda_operand_args from     = {t->rows.x, t->far == NULL ? NULL : &t->far->x, first};
    br_cuda_product      product  = {t->operand,         t->weight.values, t->sum_RO,
                                     t->weight.n_in,     t->weight.n_out,  n_rows,
                                     t->weight.precision};
    epilogue_params      end      = {*t, first, n_rows};
    unsigned             n_blocks = br_cuda_blocks(n_rows * t->n_out, EPILOGUE_BLOCK);

    BR_TRY(st, br_cuda_operand(dev, &from, &t->weight, t->operand));
    BR_TRY(st, br_cuda_multiply(dev, &product));
    if (t->far != NULL)
        BR_TRY(st, BR_LAUNCH(dev, epilogue_kernel<true>, n_blocks, 256, 0, end));
    else
        BR_TRY(st, BR_LAUNCH(dev, epilogue_kernel<false>, n_blocks, 256, 0, end));
done:
    return st;
}

/* ---- groups ---------------------------------------------------------------------------------- */

#define GROUP_ROWS ((int64_t)BR_LINEAR_GROUP * BR_GEMM_ROWS)

static_assert(sizeof(tiles) <= BR_GRAPH_BYTES, "a group is not recorded");

static br_status run_group(br_dev *dev, const void *context)
{
    br_status st = BR_OK;

    for (int64_t i = 0; i < BR_LINEAR_GROUP; i++)
        BR_TRY(st,
               run_tile(dev, static_cast<const tiles *>(context), i * BR_GEMM_ROWS, BR_GEMM_ROWS));
done:
    return st;
}

/* Rows [first, first + GROUP_ROWS): where they lie is told apart from what is done to them. */
static br_status replay_group(br_dev *dev, const tiles *t, int64_t first)
{
    br_status        st = BR_OK;
    tiles            group;
    linear_rows      rows  = t->rows;
    size_t           unit  = br_dtype_bytes(rows.is_half ? BR_BF16 : BR_F32);
    br_cuda_sequence s     = {run_group, &group, sizeof group};
    void            *place = NULL;

    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_PLACE, sizeof rows, &place));
    rows.x.at = static_cast<const char *>(rows.x.at) +
                (size_t)(first * rows.x.ld) * br_dtype_bytes(rows.x.dtype);
    if (rows.residual_RO.at != NULL)
        rows.residual_RO.at = rows.residual_RO.row(first);
    rows.out      = static_cast<char *>(rows.out) + (size_t)(first * rows.ld_out) * unit;
    rows.x.n_rows = GROUP_ROWS;
    memcpy(&group, t, sizeof group); /* every byte: it is a sequence's context */
    memset(&group.rows, 0, sizeof group.rows);
    group.far = static_cast<linear_rows *>(place);
    BR_TRY(st, br_cuda_place(dev, group.far, rows));
    BR_TRY(st, br_cuda_replay(dev, &s));
done:
    return st;
}

/* ---- the call -------------------------------------------------------------------------------- */

static void describe(const br_linear_args *args, tiles *t)
{
    memset(t, 0, sizeof *t);
    t->bias_O           = br_mat_f32(args->bias_1O);
    t->activation       = args->activation;
    t->n_out            = args->out_RO.n_cols;
    t->rows.x           = br_cuda_rows_of(args->x_RI);
    t->rows.residual_RO = br_view_of<const float>(args->residual_RO);
    t->rows.out         = br_mat_at(args->out_RO);
    t->rows.ld_out      = args->out_RO.ld;
    t->rows.is_half     = args->out_RO.dtype == BR_BF16;
}

br_status br_cuda_linear(br_dev *dev, const br_linear_args *args)
{
    br_status            st     = BR_OK;
    int64_t              n_rows = args->x_RI.n_rows, first = 0;
    const br_weight_args own  = {args->weight_OI, BR_PRECISION_FP32, 1, false};
    void                *sums = NULL;
    tiles                t;

    describe(args, &t);
    BR_TRY(st, br_cuda_weight_of(dev, BR_WORK_WEIGHT, args->prepared, &own, &t.weight));
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_OPERAND,
                                 (size_t)(BR_GEMM_ROWS * t.weight.n_in) *
                                     br_cuda_operand_bytes(t.weight.precision),
                                 &t.operand));
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_SUM,
                                 (size_t)(BR_GEMM_ROWS * t.weight.n_out) * sizeof(float), &sums));
    t.sum_RO = static_cast<float *>(sums);
    for (; br_cuda_has_graphs(dev) && n_rows - first >= GROUP_ROWS; first += GROUP_ROWS)
        BR_TRY(st, replay_group(dev, &t, first));
    for (; first < n_rows; first += BR_GEMM_ROWS)
        BR_TRY(st, run_tile(dev, &t, first,
                            n_rows - first < BR_GEMM_ROWS ? n_rows - first : BR_GEMM_ROWS));
done:
    return st;
}
