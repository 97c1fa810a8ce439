/* SPDX-License-Identifier: Apache-2.0
 *
 * Products with prepared weights, whatever their precision and the processor: fp32 panels; bf16
 * pairs where the processor multiplies them; else bf16 values kept as fp32, and inputs rounded
 * before they are multiplied as such (the same operands, sums in another order). */
#ifndef BR_KERNELS_CPU_ENCODER_PRODUCT_H
#define BR_KERNELS_CPU_ENCODER_PRODUCT_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm.h"

typedef enum { BR_LAYOUT_F32, BR_LAYOUT_PAIRS, BR_LAYOUT_ROUNDED } br_cpu_layout;

typedef struct br_cpu_packed {
    br_cpu_layout layout;
    int64_t       n_in; /* of a block */
    int64_t       n_out;
    int64_t       block_floats; /* 4-byte units */
    float        *memory;       /* [n_blocks] */
} br_cpu_packed;

/* How the operands of a precision are kept by this device. */
br_cpu_layout br_cpu_layout_of(const br_dev *dev, br_precision precision);

/* What an op multiplies with: the prepared weight, or the view packed for this call. First plan:
 * `own` gets the shape of what would be packed, n_floats (of the workspace) more by its size. Then,
 * with the workspace at *memory, pack and move on. */
const br_cpu_packed *br_cpu_weight_plan(const br_dev *dev, const br_prepared *prepared,
                                        const br_weight_args *of, br_cpu_packed *own,
                                        int64_t *n_floats);
void br_cpu_weight_pack(const br_cpu_packed *plan, const br_weight_args *of, br_cpu_packed *own,
                        float **memory);

/* out_RO = x_RI W^T of one block; side has br_cpu_side_floats of the rows, used by bf16 only. x or
 * half is given: bf16 values may come as such. Of pairs the sums may begin with a bias and a
 * residual (either NULL); elsewhere both must be NULL. */
typedef struct br_cpu_product_args {
    const float         *x;
    const uint16_t      *half;
    int64_t              ld_x;
    int64_t              n_rows;
    const br_cpu_packed *weight;
    int64_t              block;
    float               *out;
    int64_t              ld_out;
    float               *side;
    const float         *bias;
    const float         *residual;
    int64_t              ld_residual;
} br_cpu_product_args;
int64_t br_cpu_side_floats(const br_cpu_packed *weight, int64_t n_rows);
void    br_cpu_product(const br_cpu_product_args *args);

/* n values of bf16 as fp32, or rounded from it */
void br_cpu_from_half(const uint16_t *half, int64_t n, float *out);
void br_cpu_to_half(const float *x, int64_t n, uint16_t *out);

/* Rounds n_rows of n values to bf16 kept as fp32, dense rows of n. */
void br_cpu_round_rows(const float *x, int64_t ld_x, int64_t n_rows, int64_t n, float *out);

#endif
