/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of customers whose lists are drawn together: their shortlists (the exact best by score),
 * and what one of them needs at a time. draw_topk.c drives it. */
#ifndef BR_KERNELS_CPU_DRAW_BLOCK_H
#define BR_KERNELS_CPU_DRAW_BLOCK_H

#include "kernels/ref/draw_topk.h"

#define BR_DRAW_ROWS 192
#define BR_DRAW_HEAD (BR_MOST_LISTED + BR_DRAW_MOST_EXTRAS)
#define BR_COUNTS    16

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

typedef struct br_draw_block {
    br_draw_topk_args *args;
    int64_t            first; /* of args */
    int64_t            n;
    int64_t            N, D;
    br_gumbel          law;
    int64_t            n_above_most;      /* places of item_A */
    br_mat             item_RM, score_RM; /* [BR_DRAW_ROWS][BR_MOST_LISTED] */
    double            *x_RD8;             /* [BR_DRAW_ROWS][D up to a multiple of 8] */
    double            *y_4C;              /* [4][BR_SUM_BLOCK] */
    br_draw_row       *row;               /* [BR_DRAW_ROWS] */
    br_logsum         *rest_R;            /* of what the list left */
    int32_t           *summed_R;          /* rows whose rest is not known yet */
    int64_t            n_summed;
    br_draw_head       head;
    int32_t            n_counts; /* eligible items by segments, as last asked for */
    uint64_t           have[BR_COUNTS];
    int64_t            count[BR_COUNTS];
} br_draw_block;

/* The canonical score of an item that is no extra. */
float br_draw_score(const br_draw_block *block, const br_draw_row *row, int32_t item);

/* perturb.c: the row's list from its m best items and the items above the threshold; true when it
 * is certain. Then all others join in, whatever their number. */
br_status br_draw_perturb(br_draw_block *block, int64_t b, int32_t m, bool *is_certain);
br_status br_draw_perturb_others(br_draw_block *block, int64_t b);

/* The sum of what the list leaves in the head; true when all else is negligible. */
bool br_draw_rest_of_head(br_draw_block *block, int64_t b);

/* epsilon.c: the row's list by EPSILON, from its m best items. */
void br_draw_epsilon(br_draw_block *block, int64_t b, int32_t m);

/* sums.c: rest_R of the rows of summed_R, from every item. */
void br_draw_sum(br_draw_block *block);

#endif
