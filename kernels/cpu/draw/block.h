/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of customers whose lists are drawn together: their shortlists (the exact best by score),
 * and what one of them needs at a time. draw_topk.c drives it. */
#ifndef BR_KERNELS_CPU_DRAW_BLOCK_H
#define BR_KERNELS_CPU_DRAW_BLOCK_H

#include "kernels/cpu/draw/head.h"
#include "kernels/cpu/draw/pool.h"
#include "kernels/ref/draw_topk.h"

#define BR_DRAW_ROWS 192
#define BR_COUNTS    16

typedef struct br_draw_block {
    br_draw_topk_args *args;
    int64_t            first; /* of args */
    int64_t            n;
    int64_t            N, D;
    int64_t            n_whole; /* N but for a part (draw/part.h), which begins there */
    int64_t            first_item;
    int32_t            n_quotas;
    br_gumbel          law;
    int64_t            n_above_most;      /* places of item_A */
    br_mat             item_RM, score_RM; /* [BR_DRAW_ROWS][BR_MOST_LISTED] */
    double            *x_RD8;             /* [BR_DRAW_ROWS][D up to a multiple of 8] */
    double            *y_4C;              /* [4][BR_SUM_BLOCK], and one more */
    br_draw_row       *row;               /* [BR_DRAW_ROWS] */
    double             floor;             /* of terms (kernels/draw/left.h) */
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

/* The canonical score of an item that is no extra; of any. */
float br_draw_score(const br_draw_block *block, const br_draw_row *row, int32_t item);
float br_draw_score_of(const br_draw_block *block, const br_draw_row *row, int32_t item);

/* The noise of an item that is not above the threshold. */
static inline double br_draw_noise_below(const br_draw_block *block, const br_draw_row *row,
                                         int32_t item)
{
    return br_noise_below(&block->law, row->source, (int32_t)block->first_item + item);
}

/* ---- head.c: a row's best items ---- */

/* Of its shortlist the m best, into the head; returns how many there are. */
int32_t br_draw_take_best(br_draw_block *block, int64_t b, int32_t m);

/* The head of the m best and the extras; and which items are above the threshold. */
void      br_draw_fill_head(br_draw_block *block, int64_t b, int32_t m);
br_status br_draw_fill_above(br_draw_block *block, const br_draw_row *row);

/* -inf for the y of the head's items that are listed, or under quotas had no room from some slot
 * on: these go to leave_RK. */
void br_draw_take_listed(br_draw_block *block, int64_t b);

/* The best score of what is left, listed items taken out of the head; -inf: nothing is. */
float br_draw_best_left(const br_draw_block *block, const br_draw_row *row);

/* What the list leaves in the head, into left_R, whose `most` is there; true when the terms of all
 * else are 0. */
bool br_draw_left_of_head(br_draw_block *block, int64_t b);

/* ---- perturb.c, pool.c ---- */

/* The row's list from its m best items and the items above the threshold; true when it is certain.
 * Then all others join in, whatever their number. */
br_status br_draw_perturb(br_draw_block *block, int64_t b, int32_t m, bool *is_certain);
void      br_draw_perturb_others(br_draw_block *block, int64_t b);

/* The row's list from the pool, in the order of the perturbed scores, by quotas; returns the last
 * one's, -inf when it is not full. */
double br_draw_walk(br_draw_block *block, br_draw_row *row);

/* What of the list stays whatever else there is, and the rest of it from all items, in passes. */
void br_draw_pass_all(br_draw_block *block, br_draw_row *row, double certain_above);

/* ---- epsilon.c ---- */

/* The best of the catalogue that is left, by score; -1: none is. */
int32_t br_draw_best_of_all(const br_draw_block *block, const br_draw_row *row, float *score);

/* The row's best items, extras among them, at most m in canonical order, into the head. */
void br_draw_fill_best(br_draw_block *block, int64_t b, int32_t m);

/* How many items take part. */
int64_t br_draw_count(br_draw_block *block, const br_draw_row *row);

/* The row's list by EPSILON, from its m best items or, where these do not suffice, from all; false:
 * these do not suffice. */
bool br_draw_epsilon(br_draw_block *block, int64_t b, int32_t m, bool is_last);

/* ---- leaving.c: groups that slots filled, and items that these shut out ---- */

/* Of the row whose groups are counted: the items that take part, are not listed and had room until
 * the slot (from 1). Of all items; from the head alone where no others take part. */
int64_t br_draw_count_leaving(const br_draw_block *block, const br_draw_row *row, int32_t slot);

/* The full groups of the row, into full_RF; its sums begin with nothing. */
void br_draw_find_full(br_draw_block *block, int64_t b);

/* ---- part.c: what is said of a part ---- */

/* Row b's list is there, and listed items are taken out of the head: its keys, and the best left.
 */
void br_draw_tell_list(br_draw_block *block, int64_t b);
/* The k best by score, from the shortlist. */
void br_draw_tell_best(br_draw_block *block, int64_t b);
/* Row b is given, with its shortlist of m. PLACKETT_LUCE: true when left_R is known. */
bool br_draw_tell_left(br_draw_block *block, int64_t b, int32_t m);

/* ---- sums.c ---- */

/* left_R and leave_RK of the rows of summed_R, from every item. */
void br_draw_sum(br_draw_block *block);

#endif
