/* SPDX-License-Identifier: Apache-2.0
 *
 * linear by tiles of rows, for ops that do more with a tile before they take the next: plan, begin
 * in a workspace, then tile by tile. */
#ifndef BR_KERNELS_CPU_ENCODER_LINEAR_H
#define BR_KERNELS_CPU_ENCODER_LINEAR_H

#include "kernels/cpu/encoder/product.h"

#define BR_LINEAR_ROWS ((int64_t)96) /* of a tile */

/* Stays where it was planned. */
typedef struct br_cpu_linear_plan {
    const br_linear_args *args;
    br_weight_args        of;
    br_cpu_packed         own; /* the weight, packed for this call */
    br_cpu_product_args   tile;
    int64_t               n_floats; /* of the workspace, a multiple of 16 */
    const float          *bias_O;   /* zeros where the sums began with it */
    bool                  is_done;  /* the product is the result */
    bool                  is_aside; /* the product goes to the side: out may be residual, or bf16 */
} br_cpu_linear_plan;

/* args must outlive the plan. */
void br_cpu_linear_plan_for(br_dev *dev, const br_linear_args *args, br_cpu_linear_plan *plan);
/* Packs; takes n_floats at *memory, 64-byte aligned, and moves on. */
void br_cpu_linear_begin(br_cpu_linear_plan *plan, float **memory);
/* Rows row .. row + BR_LINEAR_ROWS - 1, or those that there are. */
void br_cpu_linear_tile(br_cpu_linear_plan *plan, int64_t row);

#endif
