/* SPDX-License-Identifier: Apache-2.0
 *
 * Operands of products, rounded and padded: weights once per model, or per call of an op that got
 * none prepared; rows in tiles, for every product. */
#include <cuda_bf16.h>

#include "kernels/cuda/gemm.cuh"

br_cuda_weight br_cuda_weight_shape(const br_weight_args *args)
{
    int64_t        n_rows = args->weight_OI.n_rows / args->n_blocks;
    int64_t        n_cols = args->weight_OI.n_cols;
    br_cuda_weight weight = {};

    weight.n_out     = br_gemm_padded(args->is_transposed ? n_cols : n_rows);
    weight.n_in      = br_gemm_padded(args->is_transposed ? n_rows : n_cols);
    weight.n_blocks  = args->n_blocks;
    weight.precision = args->precision;
    return weight;
}

size_t br_cuda_weight_bytes(const br_cuda_weight *weight)
{
    return (size_t)weight->n_blocks * (size_t)weight->n_out * (size_t)weight->n_in *
           br_cuda_operand_bytes(weight->precision);
}

typedef struct pack_params {
    br_view<const float> weight_OI;
    int64_t              n_rows; /* of a block */
    int64_t              n_cols;
    bool                 is_transposed;
    br_cuda_weight       to;
} pack_params;

/* Grid: 256 elements of the result per block; a thread owns one. */
static __global__ void __launch_bounds__(256) pack_kernel(pack_params p)
{
    int64_t at    = (int64_t)blockIdx.x * 256 + threadIdx.x;
    int64_t block = at / (p.to.n_out * p.to.n_in);
    int64_t o     = at / p.to.n_in % p.to.n_out;
    int64_t i     = at % p.to.n_in;
    int64_t row   = p.is_transposed ? i : o;
    int64_t col   = p.is_transposed ? o : i;
    float   value = 0.0f;

    if (block >= p.to.n_blocks)
        return;
    if (row < p.n_rows && col < p.n_cols)
        value = p.weight_OI.row(block * p.n_rows + row)[col];
    if (p.to.precision == BR_PRECISION_BF16)
        static_cast<__nv_bfloat16 *>(p.to.values)[at] = __float2bfloat16_rn(value);
    else
        static_cast<float *>(p.to.values)[at] = value;
}

br_status br_cuda_weight_pack(br_dev *dev, const br_weight_args *args, const br_cuda_weight *to)
{
    br_status   st = BR_OK;
    int64_t     n  = to->n_blocks * to->n_out * to->n_in;
    pack_params p  = {br_view_of<const float>(args->weight_OI),
                      args->weight_OI.n_rows / args->n_blocks, args->weight_OI.n_cols,
                      args->is_transposed, *to};

    BR_TRY(st, BR_LAUNCH(dev, pack_kernel, br_cuda_blocks(n, 256), 256, 0, p));
done:
    return st;
}

br_status br_cuda_weight_of(br_dev *dev, br_cuda_work slot, const br_prepared *prepared,
                            const br_weight_args *own, br_cuda_weight *out)
{
    br_status st = BR_OK;

    if (prepared != NULL) {
        *out = *static_cast<const br_cuda_weight *>(prepared->prepared);
        return BR_OK;
    }
    *out = br_cuda_weight_shape(own);
    BR_TRY(st, br_cuda_workspace(dev, slot, br_cuda_weight_bytes(out), &out->values));
    BR_TRY(st, br_cuda_weight_pack(dev, own, out));
done:
    return st;
}

br_status br_cuda_weight_prepare(br_dev *dev, br_prepared *weight)
{
    br_status       st = BR_OK;
    br_cuda_weight *to = NULL;

    BR_ALLOC(st, to, 1, "prepared weight on cuda");
    *to              = br_cuda_weight_shape(&weight->of);
    weight->prepared = to;
    BR_TRY(st, br_cuda_allocate(br_cuda_weight_bytes(to), &to->values));
    BR_TRY(st, br_cuda_weight_pack(dev, &weight->of, to));
    BR_TRY(st, br_cuda_sync(dev)); /* other lanes will read it */
done:
    return st;
}

int32_t br_cuda_weight_pieces(const br_prepared *weight, br_piece piece[BR_MAX_PIECES])
{
    const br_cuda_weight *w = static_cast<const br_cuda_weight *>(weight->prepared);

    piece[0] = {"a packed weight", w->values, br_cuda_weight_bytes(w)};
    return 1;
}

void br_cuda_weight_release(br_prepared *weight)
{
    br_cuda_weight *to = static_cast<br_cuda_weight *>(weight->prepared);

    if (to == NULL)
        return;
    br_cuda_release(to->values);
    br_free(&weight->prepared);
}

typedef struct operand_params {
    br_cuda_operand_args from;
    int64_t              n_in; /* padded */
    br_precision         precision;
    void                *to;
} operand_params;

static __device__ float operand_at(const br_cuda_rows &x, int64_t r, int64_t i)
{
    int64_t from = r * x.ld + i;

    if (r >= x.n_rows || i >= x.n_cols)
        return 0.0f;
    return x.dtype == BR_BF16 ? __bfloat162float(static_cast<const __nv_bfloat16 *>(x.at)[from])
                              : static_cast<const float *>(x.at)[from];
}

/* Grid: 256 threads per block; a thread owns BR_GEMM_ALIGN elements of a row of the padded tile. */
static __global__ void __launch_bounds__(256) operand_kernel(operand_params p)
{
    int64_t            at = ((int64_t)blockIdx.x * 256 + threadIdx.x) * BR_GEMM_ALIGN;
    int64_t            r  = at / p.n_in;
    int64_t            i  = at % p.n_in;
    const br_cuda_rows x  = p.from.far == NULL ? p.from.x : *p.from.far;

    if (r >= BR_GEMM_ROWS)
        return;
#pragma unroll
    for (int j = 0; j < BR_GEMM_ALIGN; j++) {
        float value = operand_at(x, p.from.first + r, i + j);

        if (p.precision == BR_PRECISION_BF16)
            static_cast<__nv_bfloat16 *>(p.to)[at + j] = __float2bfloat16_rn(value);
        else
            static_cast<float *>(p.to)[at + j] = value;
    }
}

br_status br_cuda_operand(br_dev *dev, const br_cuda_operand_args *args,
                          const br_cuda_weight *weight, void *to)
{
    operand_params p = {*args, weight->n_in, weight->precision, to};

    return BR_LAUNCH(dev, operand_kernel,
                     br_cuda_blocks(BR_GEMM_ROWS * p.n_in, 256 * BR_GEMM_ALIGN), 256, 0, p);
}
