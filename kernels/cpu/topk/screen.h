/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen of score_topk: approximate scores of a block of customers and items, kept in
 * registers, and a test of each against its customer's threshold. The scores leave the registers
 * only where something passes. The bounds on their errors are in tile.c and docs/EXACTNESS.md. */
#ifndef BR_KERNELS_CPU_TOPK_SCREEN_H
#define BR_KERNELS_CPU_TOPK_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/cpu/gemm.h"
#include "kernels/ops.h"

#define BR_SCREEN_ROWS BR_GEMM_ROWS /* customers of a block */
#define BR_SCREEN_COLS BR_GEMM_COLS /* items of a block */

/* ---- fp32: scores fl(x.z + b), each product once in a sum over d ---- */

typedef struct br_screen_f32 {
    /* in */
    const float *const *x_R;         /* the customers' vectors */
    const float        *threshold_R; /* +inf: nothing of this customer passes */
    const float        *packed;      /* [D][BR_SCREEN_COLS] */
    const float        *bias_C;
    int64_t             D;
    /* out, where something passed */
    uint32_t            hit_R[BR_SCREEN_ROWS]; /* bit c: score_RC[r][c] >= threshold_R[r] */
    float               score_RC[BR_SCREEN_ROWS][BR_SCREEN_COLS];
} br_screen_f32;

/* True when something passed. */
typedef bool (*br_screen_f32_fn)(br_screen_f32 *block);
br_screen_f32_fn br_screen_f32_pick(void); /* the one for this processor */

/* ---- int16: whole-number dot products of codes, exact ---- */

/* Codes of a vector of norm n: |code_d| <= BR_CODE_NORM, and their own norm is BR_CODE_NORM up to
 * rounding, so that no partial sum of a dot product leaves 31 bits. */
#define BR_CODE_NORM 32000

typedef struct br_screen_i16 {
    /* in */
    const int16_t *x;                       /* [n_pairs][BR_SCREEN_ROWS][2] */
    const int16_t *z;                       /* [n_pairs][BR_SCREEN_COLS][2] */
    int64_t        n_pairs;                 /* D/2, rounded up */
    int32_t        above_R[BR_SCREEN_ROWS]; /* what is larger passes; INT32_MAX: nothing */
    /* out, where something passed */
    uint32_t       hit_R[BR_SCREEN_ROWS];
    int32_t        sum_RC[BR_SCREEN_ROWS][BR_SCREEN_COLS];
} br_screen_i16;

typedef bool (*br_screen_i16_fn)(br_screen_i16 *block);
br_screen_i16_fn br_screen_i16_pick(void);
bool             br_screen_i16_pays(void); /* this processor has it faster than fp32 */

#endif
