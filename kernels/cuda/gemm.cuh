/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product behind linear, as gemm.cu (cuBLASLt) does it on a device and
 * tests/cuda_on_cpu/gemm_twin.cu by plain loops on the emulated one.
 *
 * A row's bits must not depend on its neighbours. So every product is of BR_GEMM_ROWS rows, the
 * last tile padded with zeros, by one algorithm per (n_in, n_out, precision); split sums are ruled
 * out (no workspace, no reduction scheme), so each output is one chain over its inputs, in one
 * block. The tile and its sums stay in the second-level cache, which is why the rest of linear
 * (bias, erf-GELU, residual, rounding) is a pass of its own and not a library's epilogue: those
 * approximate GELU, add the residual before the activation and take other algorithms for other
 * outputs. */
#ifndef BR_KERNELS_CUDA_GEMM_CUH
#define BR_KERNELS_CUDA_GEMM_CUH

#include "kernels/cuda/launch.cuh"

#ifndef BR_GEMM_ROWS
#define BR_GEMM_ROWS 8192
#endif
#define BR_GEMM_ALIGN 8 /* n_in and n_out are multiples: 16 bytes of bf16 */

static inline int64_t br_gemm_padded(int64_t n)
{
    return (n + BR_GEMM_ALIGN - 1) / BR_GEMM_ALIGN * BR_GEMM_ALIGN;
}

/* sum_RO = x_RI weight_OI^T; all dense, R = BR_GEMM_ROWS, I and O padded. fp32: fp32 operands and
 * sums, nothing rounded on the way; bf16: bf16 operands, fp32 sums. */
typedef struct br_cuda_product {
    const void  *x_RI;
    const void  *weight_OI;
    float       *sum_RO;
    int64_t      n_in;
    int64_t      n_out;
    int64_t      n_rows; /* of x that matter: what is in the others is not looked at */
    br_precision precision;
} br_cuda_product;
br_status br_cuda_multiply(br_dev *dev, const br_cuda_product *product);
void      br_cuda_gemm_close(br_cuda_lane *lane);

/* ---- weight.cu: operands as products read them ----------------------------------------------- */

/* Block b (a group of rows, a head) of the weight, transposed if asked for, is a dense matrix
 * [n_out, n_in] of f32 or bf16, zeros where it is padded, n_out * n_in elements after the last. */
typedef struct br_cuda_weight {
    void        *values;
    int64_t      n_in;  /* padded */
    int64_t      n_out; /* padded */
    int32_t      n_blocks;
    br_precision precision;
} br_cuda_weight;

/* The shape `args` gives; values are NULL. */
br_cuda_weight br_cuda_weight_shape(const br_weight_args *args);
size_t         br_cuda_weight_bytes(const br_cuda_weight *weight);
/* Enqueues the packing of args->weight_OI into to->values. */
br_status br_cuda_weight_pack(br_dev *dev, const br_weight_args *args, const br_cuda_weight *to);

/* The prepared weight, or (NULL) `own` packed for this call into the lane's slot. */
br_status br_cuda_weight_of(br_dev *dev, br_cuda_work slot, const br_prepared *prepared,
                            const br_weight_args *own, br_cuda_weight *out);

/* What an operand is made from, f32 or bf16. */
typedef struct br_cuda_rows {
    const void *at;
    int64_t     ld;
    int64_t     n_rows;
    int64_t     n_cols;
    br_dtype    dtype;
} br_cuda_rows;

static inline br_cuda_rows br_cuda_rows_of(br_mat mat)
{
    return {br_mat_at(mat), mat.ld, mat.n_rows, mat.n_cols, mat.dtype};
}

/* Enqueues the packing of rows [first, first + BR_GEMM_ROWS) of x, or of what lies at `far` on the
 * device where that is not NULL: to [BR_GEMM_ROWS, n_in] as the weight's products read them, zeros
 * where there is no row, or where it is padded. */
typedef struct br_cuda_operand_args {
    br_cuda_rows        x;
    const br_cuda_rows *far;
    int64_t             first;
} br_cuda_operand_args;
br_status br_cuda_operand(br_dev *dev, const br_cuda_operand_args *args,
                          const br_cuda_weight *weight, void *to);

static inline size_t br_cuda_operand_bytes(br_precision precision)
{
    return precision == BR_PRECISION_BF16 ? 2 : 4;
}

#endif
