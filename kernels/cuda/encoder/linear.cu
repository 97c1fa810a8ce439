/* SPDX-License-Identifier: Apache-2.0
 *
 * linear in tiles of BR_GEMM_ROWS rows: the operand is rounded and padded, multiplied (gemm.cuh),
 * and the sums are finished by the epilogue. All three stay in the second-level cache: 8,192 rows
 * of 384 sums are 12.6 MB. Called for every projection of every layer. */
#include <cuda_bf16.h>

#include "kernels/cuda/encoder/activate.cuh"
#include "kernels/cuda/gemm.cuh"

#define EPILOGUE_BLOCK 1024 /* elements */

typedef struct epilogue_params {
    const float         *sum_RO;
    int64_t              ld_sum;
    const float         *bias_O;
    br_activation        activation;
    br_view<const float> residual_RO;
    int64_t              n_rows;
    int64_t              n_out;
    void                *out;
    int64_t              ld_out;
    bool                 is_half;
} epilogue_params;

static __device__ void finish(const epilogue_params &p, int64_t r, int64_t o)
{
    float y = p.sum_RO[r * p.ld_sum + o] + (p.bias_O == NULL ? 0.0f : p.bias_O[o]);

    y = br_activate(p.activation, y);
    if (p.residual_RO.at != NULL)
        y += p.residual_RO.row(r)[o];
    if (p.is_half)
        static_cast<__nv_bfloat16 *>(p.out)[r * p.ld_out + o] = __float2bfloat16_rn(y);
    else
        static_cast<float *>(p.out)[r * p.ld_out + o] = y;
}

/* Grid: 1,024 elements of the tile per block; a thread owns four, 256 apart. */
static __global__ void __launch_bounds__(256) epilogue_kernel(epilogue_params p)
{
    int64_t first = (int64_t)blockIdx.x * EPILOGUE_BLOCK + threadIdx.x;

#pragma unroll
    for (int j = 0; j < EPILOGUE_BLOCK / 256; j++) {
        int64_t at = first + j * 256;

        if (at < p.n_rows * p.n_out)
            finish(p, at / p.n_out, at % p.n_out);
    }
}

typedef struct tile {
    const br_linear_args *args;
    br_cuda_weight        weight;
    void                 *operand;
    float                *sum_RO;
} tile;

static br_status run_tile(br_dev *dev, const tile *t, int64_t first, int64_t n_rows)
{
    br_status             st      = BR_OK;
    const br_linear_args *args    = t->args;
    br_mat                x       = br_mat_rows(args->x_RI, first, n_rows);
    br_mat                out     = br_mat_rows(args->out_RO, first, n_rows);
    br_mat                res     = args->residual_RO;
    br_cuda_product       product = {t->operand,         t->weight.values, t->sum_RO,
                                     t->weight.n_in,     t->weight.n_out,  n_rows,
                                     t->weight.precision};
    epilogue_params       end     = {};

    if (res.buf != NULL)
        res = br_mat_rows(res, first, n_rows);
    end.sum_RO      = t->sum_RO;
    end.ld_sum      = t->weight.n_out;
    end.bias_O      = br_mat_f32(args->bias_1O);
    end.activation  = args->activation;
    end.residual_RO = br_view_of<const float>(res);
    end.n_rows      = n_rows;
    end.n_out       = out.n_cols;
    end.out         = br_mat_at(out);
    end.ld_out      = out.ld;
    end.is_half     = out.dtype == BR_BF16;
    BR_TRY(st, br_cuda_operand(dev, x, &t->weight, t->operand));
    BR_TRY(st, br_cuda_multiply(dev, &product));
    BR_TRY(st, BR_LAUNCH(dev, epilogue_kernel, br_cuda_blocks(n_rows * end.n_out, EPILOGUE_BLOCK),
                         256, 0, end));
done:
    return st;
}

br_status br_cuda_linear(br_dev *dev, const br_linear_args *args)
{
    br_status            st     = BR_OK;
    int64_t              n_rows = args->x_RI.n_rows;
    const br_weight_args own    = {args->weight_OI, BR_PRECISION_FP32, 1, false};
    tile                 t      = {};
    void                *sums   = NULL;

    t.args = args;
    BR_TRY(st, br_cuda_weight_of(dev, BR_WORK_WEIGHT, args->prepared, &own, &t.weight));
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_OPERAND,
                                 (size_t)(BR_GEMM_ROWS * t.weight.n_in) *
                                     br_cuda_operand_bytes(t.weight.precision),
                                 &t.operand));
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_SUM,
                                 (size_t)(BR_GEMM_ROWS * t.weight.n_out) * sizeof(float), &sums));
    t.sum_RO = static_cast<float *>(sums);
    for (int64_t r = 0; r < n_rows; r += BR_GEMM_ROWS)
        BR_TRY(st, run_tile(dev, &t, r, n_rows - r < BR_GEMM_ROWS ? n_rows - r : BR_GEMM_ROWS));
done:
    return st;
}
