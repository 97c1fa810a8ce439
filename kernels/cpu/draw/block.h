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

typedef struct br_perturbed {
    double  y;
    int32_t item;
    float   score;
} br_perturbed;

/* Under quotas: one customer's perturbed items, all whose y is not below the floor. */
typedef struct br_draw_pool {
    int64_t       n;
    int64_t       most;
    double        floor;
    int64_t       next;   /* so many: the floor is raised by the list that there is */
    bool          is_cut; /* the floor rose as it was full */
    br_perturbed *place;
} br_draw_pool;

/* A group that a slot (from 0) filled. */
typedef struct br_draw_full {
    int32_t group;
    int32_t slot;
} br_draw_full;

typedef struct br_draw_block {
    br_draw_topk_args *args;
    int64_t            first; /* of args */
    int64_t            n;
    int64_t            N, D;
    int32_t            n_quotas;
    br_gumbel          law;
    int64_t            n_above_most;      /* places of item_A */
    br_mat             item_RM, score_RM; /* [BR_DRAW_ROWS][BR_MOST_LISTED] */
    double            *x_RD8;             /* [BR_DRAW_ROWS][D up to a multiple of 8] */
    double            *y_4C;              /* [4][BR_SUM_BLOCK], and one more */
    br_draw_row       *row;               /* [BR_DRAW_ROWS] */
    double             floor;             /* of terms (kernels/left.h) */
    br_left           *left_R;            /* what the list left */
    int32_t           *summed_R;          /* rows of which that is not known yet, but for `most` */
    int64_t            n_summed;
    br_draw_head       head;
    int32_t            n_counts; /* eligible items by segments, as last asked for */
    uint64_t           have[BR_COUNTS];
    int64_t            count[BR_COUNTS];
    /* with quotas */
    br_draw_pool       pool;
    br_room            room;     /* of the row that is looked at */
    br_logsum         *leave_RK; /* of what had no room from the next slot on */
    br_draw_full      *full_RF;  /* by slot; F = K n_quotas at most */
    int32_t           *n_full_R;
} br_draw_block;

/* The canonical score of an item that is no extra. */
float br_draw_score(const br_draw_block *block, const br_draw_row *row, int32_t item);

/* ---- head.c: a row's best items ---- */

/* Of its shortlist the m best, into the head; returns how many there are. */
int32_t br_draw_take_best(br_draw_block *block, int64_t b, int32_t m);

/* The head of the m best and the extras, and which items are above the threshold. */
br_status br_draw_fill_head(br_draw_block *block, int64_t b, int32_t m);

/* What the list leaves in the head, into left_R; true when the terms of all else are 0. Else `most`
 * alone is known, which may take a look at all items. */
bool br_draw_left_of_head(br_draw_block *block, int64_t b);

/* ---- perturb.c, pool.c ---- */

/* The row's list from its m best items and the items above the threshold; true when it is certain.
 * Then all others join in, whatever their number. */
br_status br_draw_perturb(br_draw_block *block, int64_t b, int32_t m, bool *is_certain);
void      br_draw_perturb_others(br_draw_block *block, int64_t b);

/* Walks the items that are not in the head, or all of them, by item row. */
typedef struct br_draw_others {
    int64_t a;
    int32_t at;
} br_draw_others;

/* Has the item a place in the head (else -1), and noise above the threshold (unit, else 0)? */
int32_t br_draw_find(const br_draw_head *head, br_draw_others *walk, int32_t item, double *unit);

void br_draw_pool_begin(br_draw_pool *pool, double floor);
void br_draw_pool_add(br_draw_pool *pool, int32_t item, float score, double y);

/* After a walk: items below the floor leave, if it rises; `more` may come before the next one. */
void br_draw_pool_raise(br_draw_pool *pool, double floor, int64_t more);

/* The row's list from the pool, in the order of the perturbed scores, by quotas; returns the last
 * one's, -inf when it is not full. */
double br_draw_walk(br_draw_block *block, br_draw_row *row);

/* What of the list stays whatever else there is, and the rest of it from all items, in passes. */
void br_draw_pass_all(br_draw_block *block, br_draw_row *row, double certain_above);

/* ---- epsilon.c ---- */

/* The best of the catalogue that is left, by score; -1: none is. */
int32_t br_draw_best_of_all(const br_draw_block *block, const br_draw_row *row, float *score);

/* The row's list by EPSILON, from its m best items or, where these do not suffice, from all; false:
 * these do not suffice. */
bool br_draw_epsilon(br_draw_block *block, int64_t b, int32_t m, bool is_last);

/* ---- leaving.c: groups that slots filled, and items that these shut out ---- */

/* Of the row whose groups are counted: the items that take part, are not listed and had room until
 * the slot (from 1). Of all items; from the head alone where no others take part. */
int64_t br_draw_count_leaving(const br_draw_block *block, const br_draw_row *row, int32_t slot);

/* The full groups of the row, into full_RF; its sums begin with nothing. */
void br_draw_find_full(br_draw_block *block, int64_t b);

/* ---- sums.c ---- */

/* left_R and leave_RK of the rows of summed_R, from every item. */
void br_draw_sum(br_draw_block *block);

#endif
