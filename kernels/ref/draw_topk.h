/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces of draw_topk that every host backend shares: a row and its extras, the list of the
 * best perturbed scores, propensities from what a list left over. */
#ifndef BR_KERNELS_REF_DRAW_TOPK_H
#define BR_KERNELS_REF_DRAW_TOPK_H

#include "kernels/draw/left.h"
#include "kernels/draw/step.h"
#include "kernels/random.h"
#include "kernels/ref/score_topk.h"

#define BR_MOST_LISTED 1024

typedef struct br_draw_row {
    int64_t         at; /* row of args */
    br_topk_rules   rules;
    const int32_t  *extra_X; /* item rows, ascending */
    const float    *extra_score_X;
    int64_t         n_extras;
    double          temperature;
    double          epsilon;
    br_source       source;
    int32_t         k;
    int32_t         n; /* listed so far */
    br_quota_groups quotas;
    br_room         room; /* with quotas, of the n listed: the caller's, cleared by him */
    int32_t        *item_K;
    float          *score_K;
    float          *log_K;
    double          log_all; /* once the list is finished */
    double          log_rest;
} br_draw_row;

/* Row `at` of args, its temperature, epsilon and extras checked. */
br_status br_draw_row_of(const br_draw_topk_args *args, int64_t at, br_draw_row *row);

/* Where an item of the row stands in its extras; -1: it is none. */
int64_t br_draw_extra(const br_draw_row *row, int32_t item);

/* Is the item on the row's list already? */
bool br_draw_is_listed(const br_draw_row *row, int32_t item);

/* An extra, or allowed by the rules. */
bool br_draw_takes_part(const br_draw_row *row, int32_t item);

/* Have its groups room (or are there no quotas)? */
bool br_draw_has_room(const br_draw_row *row, int32_t item);

/* Empties the row's list; puts an item behind it, and counts its groups. */
void br_draw_begin(br_draw_row *row);
void br_draw_list(br_draw_row *row, int32_t item, float score);

/* Counts the groups of the listed items anew, where the room served another row since. */
void br_draw_count_again(br_draw_row *row);

/* The K best perturbed scores so far, into the row's list: y_K beside it. Equal ones: item
 * ascending. */
void br_draw_insert(br_draw_row *row, double *y_K, int32_t item, float score, double y);

/* Adds one to the list of an EPSILON row, with its propensity: of n_left items, is it the best? */
void br_draw_append(br_draw_row *row, int32_t item, float score, bool is_best, int64_t n_left);

/* PLACKETT_LUCE: the propensities of a list from what it left; what is unused; the row's sums.
 * leave_K: of the items that had no room from the next slot on (NULL: no quotas). */
void br_draw_finish(br_draw_row *row, br_left left, const br_logsum *leave_K);

/* EPSILON: what is unused, and ln of the number of items left before and after. */
void br_draw_finish_epsilon(br_draw_row *row, int64_t n_all, int64_t n_left);

/* The sums of a finished list, to where the caller wants them. */
void br_draw_write_sums(const br_draw_topk_args *args, const br_draw_row *row);

/* ---- of a part (draw/part.h) ---- */

/* The row's list is a part's: its keys (key_K, -inf beside -1), what is unused, and the best score
 * of what is not listed. */
void br_draw_write_list(const br_draw_topk_args *args, br_draw_row *row, const double *key_K,
                        float best_score);

/* The row's n best by score are a part's, and how many take part. */
void br_draw_write_best(const br_draw_topk_args *args, br_draw_row *row, int64_t n_all);

/* What a list leaves of the part: `most` alone is there; in the end all of it. */
br_left br_draw_given_left(const br_draw_topk_args *args, const br_draw_row *row);
void    br_draw_write_left(const br_draw_topk_args *args, const br_draw_row *row, br_left left);

/* What rules and never-lists mean for a row of score_topk: a view of the same rows. */
br_score_topk_args br_draw_as_topk(const br_draw_topk_args *args);

#endif
