/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands for kernels/cuda/gemm.cu on the emulated device: each sum is one chain of fused
 * multiply-adds over the inputs in index order. cuBLASLt's own order is not known; its bits are
 * compared on a device only. */
#include <cuda_bf16.h>

#include "kernels/cuda/gemm.cuh"

BR_UNWATCHED static __device__ float operand(const void *values, int64_t at, br_precision precision)
{
    return precision == BR_PRECISION_BF16
               ? __bfloat162float(static_cast<const __nv_bfloat16 *>(values)[at])
               : static_cast<const float *>(values)[at];
}

/* Grid: a block per row; a thread owns outputs. Not a kernel under test: no races are sought. */
BR_UNWATCHED static __global__ void product_kernel(br_cuda_product p)
{
    int64_t r = blockIdx.x;

    for (int64_t o = threadIdx.x; o < p.n_out; o += blockDim.x) {
        float sum = 0.0f;

        for (int64_t i = 0; i < p.n_in; i++)
            sum = fmaf(operand(p.x_RI, r * p.n_in + i, p.precision),
                       operand(p.weight_OI, o * p.n_in + i, p.precision), sum);
        p.sum_RO[r * p.n_out + o] = sum;
    }
}

br_status br_cuda_multiply(br_dev *dev, const br_cuda_product *product)
{
    return BR_LAUNCH(dev, product_kernel, (unsigned)product->n_rows, 1, 0, *product);
}

void br_cuda_gemm_close(br_cuda_lane *lane)
{
    (void)lane;
}
