/* SPDX-License-Identifier: Apache-2.0
 *
 * What every step of an allocation reads: the arguments, limits in fixed point, scales. */
#ifndef BR_HOST_DECIDE_ALLOCATE_PROBLEM_H
#define BR_HOST_DECIDE_ALLOCATE_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "host/decide/allocate/allocate.h"

/* One limit as sum of coef(item) over listed slots <= bound, in units of 1 / scale. */
typedef struct br_side {
    const int32_t *group_N;
    int32_t        group;
    int64_t        inside, outside; /* coefficients of the group's items and of the others */
    int64_t       *cost_N;          /* owned; NULL unless a budget */
    int64_t        bound;
    double         scale;
    double         largest; /* |coef| / scale at most */
    bool           is_soft;
} br_side;

typedef struct br_problem {
    const br_allocate_args *args;
    br_side                *side_L;
    int64_t                 n_slots;     /* sum of lengths */
    double                  max_utility; /* largest utility - floor, at least 0 */
    double                  short_price;
    double                  tolerance;
    double                  share;  /* of all customers */
    double                  passes; /* work so far */
} br_problem;

br_status br_problem_open(const br_allocate_args *args, br_problem *p);
void      br_problem_close(br_problem *p);

static inline int64_t br_side_coef(const br_side *side, int32_t item)
{
    if (side->cost_N != NULL)
        return side->cost_N[item];
    return side->group_N[item] == side->group ? side->inside : side->outside;
}

static inline int32_t br_problem_length(const br_problem *p, int64_t row)
{
    return p->args->length_B != NULL ? p->args->length_B[row] : p->args->n_kept;
}

static inline int64_t br_problem_capacity(const br_problem *p, int32_t item)
{
    int64_t c = p->args->capacity_N != NULL ? p->args->capacity_N[item] : -1;
    return c < 0 ? INT64_MAX : c;
}

/* Item prices of the duals; `side_price_N` (or NULL) gets the part of the limits. */
void br_problem_prices(const br_problem *p, const double *dual_C, float *price_N,
                       float *side_price_N);

/* Sum of bound * dual. */
double br_problem_bound_value(const br_problem *p, const double *dual_C);

/* How far apart a row's first and last candidate are, on average. */
double br_problem_spread(const br_problem *p);

/* Left-hand sides of the limits, fixed point. */
void br_problem_activity(const br_problem *p, const int64_t *demand_N, int64_t *activity_L);

#endif
