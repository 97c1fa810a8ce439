/* SPDX-License-Identifier: Apache-2.0
 *
 * A customer's best items on their way to a list (block.h). */
#ifndef BR_KERNELS_CPU_DRAW_HEAD_H
#define BR_KERNELS_CPU_DRAW_HEAD_H

#include "kernels/ref/draw_topk.h"

#define BR_DRAW_HEAD (BR_MOST_LISTED + BR_DRAW_MOST_EXTRAS)

/* One customer's best items and extras, and the noise of them that is above the threshold. */
typedef struct br_draw_head {
    int32_t   n_best; /* in canonical order; extras behind them */
    int32_t   n;
    bool      is_all;  /* no other item takes part */
    double    ceiling; /* else: score / T of the others, at most */
    int32_t  *item_H;  /* [BR_DRAW_HEAD] */
    float    *score_H; /* the same */
    double   *unit_H;  /* of the noise, where it is above; else 0 */
    double   *y_H;     /* score / T */
    uint64_t *key_H;   /* item << 32 | place, ascending */
    int64_t   n_above; /* items whose noise is above */
    int32_t  *item_A;  /* ascending */
    double   *unit_A;  /* negative: it is in the head */
    double   *y_K;     /* the row's list, perturbed */
} br_draw_head;

/* Walks the items that are not in the head, or all of them, by item row. */
typedef struct br_draw_others {
    int64_t a;
    int32_t at;
} br_draw_others;

/* Has the item a place in the head (else -1), and noise above the threshold (unit, else 0)? */
int32_t br_draw_find(const br_draw_head *head, br_draw_others *walk, int32_t item, double *unit);

#endif
