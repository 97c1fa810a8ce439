/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen of score_topk: approximate scores of a block of customers and items, kept in
 * registers, and a test of each against its customer's threshold. The scores leave the registers
 * only where something passes. The bound on their error is in score_topk.c and docs/EXACTNESS.md.*/
#ifndef BR_KERNELS_CPU_TOPK_SCREEN_H
#define BR_KERNELS_CPU_TOPK_SCREEN_H

#include <stdint.h>

#include "kernels/cpu/gemm.h"

#define BR_SCREEN_ROWS BR_GEMM_ROWS /* customers of a block */
#define BR_SCREEN_COLS BR_GEMM_COLS /* items of a block */

typedef struct br_screen_block {
    /* in */
    const float *const *x_R;         /* the customers' vectors */
    const float        *threshold_R; /* +inf: nothing of this customer passes */
    const float        *packed;      /* [D][BR_SCREEN_COLS] */
    const float        *bias_C;
    int64_t             D;
    /* out, where something passed */
    uint32_t            hit_R[BR_SCREEN_ROWS]; /* bit c: score_RC[r][c] >= threshold_R[r] */
    float               score_RC[BR_SCREEN_ROWS][BR_SCREEN_COLS];
} br_screen_block;

/* Scores fl(x.z + b), each product once in a sum over d, fp32. True when something passed. */
typedef int (*br_screen_fn)(br_screen_block *block);

br_screen_fn br_screen_pick(void); /* the one for this processor */

#endif
