/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists in the making: which candidates each row lists, what they use up, and single moves. */
#ifndef BR_HOST_DECIDE_ALLOCATE_LISTS_H
#define BR_HOST_DECIDE_ALLOCATE_LISTS_H

#include <math.h>

#include "host/decide/allocate/problem.h"

typedef struct br_lists {
    br_problem   *problem;
    const float  *price_N;
    const double *dual_C;
    double        tiny;     /* gains below this are none */
    int32_t      *pos_BK;   /* candidate of each slot, -1 free; slots beyond the row's length: -1 */
    int64_t      *demand_N; /* slots that list the item */
    int64_t      *activity_L; /* left-hand sides of the limits */
} br_lists;

br_status br_lists_open(br_problem *p, br_lists *lists);
void      br_lists_close(br_lists *lists);
void      br_lists_count(br_lists *lists); /* demand and activity from pos_BK */

/* utility - floor, and that - price; 0 for no candidate (-1). */
static inline double br_lists_worth(const br_lists *l, int64_t row, int32_t pos)
{
    const br_allocate_args *a = l->problem->args;
    return pos < 0 ? 0.0 : (double)a->utility_BM[row * a->width + pos] - a->floor;
}

static inline int32_t br_lists_item(const br_lists *l, int64_t row, int32_t pos)
{
    return pos < 0 ? -1 : l->problem->args->item_BM[row * l->problem->args->width + pos];
}

static inline double br_lists_priced(const br_lists *l, int64_t row, int32_t pos)
{
    return pos < 0 ? 0.0
                   : br_lists_worth(l, row, pos) - (double)l->price_N[br_lists_item(l, row, pos)];
}

static inline int64_t br_lists_coef(const br_lists *l, int32_t limit, int32_t item)
{
    return item < 0 ? 0 : br_side_coef(&l->problem->side_L[limit], item);
}

static inline bool br_lists_has_room(const br_lists *l, int32_t item)
{
    return item < 0 || l->demand_N[item] < br_problem_capacity(l->problem, item);
}

/* Whether the row's slots hold the candidate. */
bool br_lists_holds(const br_lists *l, int64_t row, int32_t pos);

/* Whether a slot may go from one item to another (-1: none): nothing that holds breaks by it, and
 * nothing that is broken gets worse. */
bool br_lists_fits(const br_lists *l, int32_t from, int32_t to);

void br_lists_move(br_lists *l, int64_t row, int32_t slot, int32_t to_pos);

/* Units over capacities, and hard limits broken. */
int64_t br_lists_n_over(const br_lists *l);

/* utility - floor over all slots, less short_price for what is missing to minimum shares. */
double br_lists_value(const br_lists *l);

#endif
