/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen of score_topk: approximate scores of 12 customers and 32 items, kept in registers and
 * compared there with what each customer's must reach. They leave the registers only where
 * something passes. One kernel for each kind of number and processor; all have this shape. The
 * bounds on their errors are in bounds.h, the proof in docs/EXACTNESS.md. */
#ifndef BR_KERNELS_CPU_SCREEN_SCREEN_H
#define BR_KERNELS_CPU_SCREEN_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"

#define BR_SCREEN_ROWS 12 /* customers of a tile */
#define BR_SCREEN_COLS 32 /* items of a tile: a panel */

/* A number of a tile: f where the kernel is of fp32, i elsewhere. */
typedef union br_screen_number {
    int32_t i;
    float   f;
} br_screen_number;

typedef struct br_screen_tile {
    /* in; a unit is four bytes: one float, or `dims` consecutive codes of a vector */
    const int32_t    *x;       /* [n_units][12] */
    const int32_t    *z;       /* [n_units][32] */
    br_screen_number *least_R; /* [12] what a sum must reach to pass */
    int64_t           n_units;
    int32_t           keep_sums; /* not 0: sum_RC is wanted whatever passes */
    /* in, for refine: what passed did so by the largest bias of the 32 items */
    const float      *bias_C; /* [32] */
    const float *step_R;    /* [12] what a sum rises by with a bias of 1; 0: leave the row alone */
    float        bias_most; /* that largest one */
    /* out, where something passed */
    uint32_t     hit_R[BR_SCREEN_ROWS]; /* bit c: sum_RC[r][c] passes */
    _Alignas(64) br_screen_number sum_RC[BR_SCREEN_ROWS][BR_SCREEN_COLS]; /* whole cache lines */
} br_screen_tile;

/* How vectors become numbers, and who multiplies them. fp32: the values themselves, each product
 * once in a sum over d. Codes: whole numbers, their sums exact; an item's are stored plus
 * item_offset, so a customer's sums are too large by item_offset times the sum of its codes. */
typedef struct br_screen_kernel {
    const char    *name;
    br_screen_kind kind;
    int            dims;          /* of a unit: 1, 2 or 4 */
    int            unit_step;     /* n_units is a multiple of it */
    int            customer_most; /* |code|, at most */
    int            item_most;
    int            item_offset;
    double         norm_most;           /* of a vector of codes: no sum leaves 31 bits */
    double         speed;               /* products a cycle, about: what the planner weighs */
    bool (*run)(br_screen_tile *tile);  /* true when something passed, or sums are kept */
    void (*sums)(br_screen_tile *tile); /* all of sum_RC, no test */
    /* After a run: bits of hit_R go out whose items do not pass with their own bias. NULL: fp32. */
    void (*refine)(br_screen_tile *tile);
} br_screen_kernel;

/* The kernel of a kind (not AUTO) for this processor; never NULL. */
const br_screen_kernel *br_screen_pick(br_screen_kind kind);

/* Those of one processor family; NULL where it lacks them. plain: any processor. */
const br_screen_kernel *br_screen_avx512(br_screen_kind kind);
const br_screen_kernel *br_screen_avx2(br_screen_kind kind);
const br_screen_kernel *br_screen_plain(br_screen_kind kind);

/* hit_R from sum_RC, for kernels that store their sums first. True when something passed. */
bool br_screen_mark(br_screen_tile *tile, bool is_fp32);

#endif
