/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation: lists for a whole fleet of customers under capacities, budgets and exposure shares.
 * Called once per job with every customer's shortlist in memory; again, from the duals it returned,
 * when shortlists were extended.
 *
 *   maximise  the sum over listed slots of utility - floor
 *   such that no list is longer than its length, no item is listed more often than its capacity,
 *             and every limit holds
 *
 * The constraints get prices (duals) by projected, accelerated dual gradient ascent, scaled by the
 * measured slope of demand; a list is the priced top-k of its shortlist, written in the order of
 * utility; equal customers are told apart by a small draw hashed from row and item. A repair then
 * holds every hard cap and improves the lists while it finds moves that pay. Equal for any number
 * of lanes. */
#ifndef BR_HOST_DECIDE_ALLOCATE_ALLOCATE_H
#define BR_HOST_DECIDE_ALLOCATE_ALLOCATE_H

#include <stdint.h>

#include "host/base/status.h"

/* A limit over many items. D is the number of all listed slots, D_g that of one group's items.
 *   budget     sum of cost over listed slots <= bound   dual: utility per unit of cost
 *   max_units  D_g <= bound                             dual: utility per unit
 *   max_share  D_g <= bound * D                         dual: utility per slot of room
 *   min_share  D_g >= bound * D                         dual: utility per slot of room
 * The first three are hard: no result ever breaks them. A minimum share is soft: it is held as long
 * as a missing slot would cost more than `short_price`; what is missing then is reported.
 * Sums are integers in fixed point: a cost is rounded up to 2^-51 of the largest one, or 2^-61 of
 * the largest possible sum; a share is taken 2^-40 in favour of the bound, so that 1/3 of 3 is 1.
 */
typedef enum br_limit_kind {
    BR_LIMIT_BUDGET,
    BR_LIMIT_MAX_UNITS,
    BR_LIMIT_MAX_SHARE,
    BR_LIMIT_MIN_SHARE
} br_limit_kind;

typedef struct br_limit {
    br_limit_kind  kind;
    const char    *name;    /* for messages */
    const float   *cost_N;  /* budget: >= 0 */
    const int32_t *group_N; /* the others: one column of groups; shares of one column share it */
    int32_t        group;
    double         bound;
} br_limit;

typedef struct br_allocate_report {
    int64_t n_slots;       /* listed */
    double  utility;       /* sum over listed slots */
    double  value;         /* utility - floor * n_slots: what is maximised */
    double  dual_value;    /* no allocation of these shortlists is worth more (minimum shares at
                              short_price), but for worths being rounded to fp32 */
    double  gap;           /* (dual_value - value - short_cost) / max(|dual_value|, tiny) */
    double  short_cost;    /* -(missing slots of minimum shares) * short_price */
    double  short_price;   /* as used */
    int64_t n_over;        /* hard caps broken: 0 */
    int64_t n_touched;     /* lists that are not the priced top-k any more */
    int64_t n_uncertain;   /* customers whose list an item outside the shortlist could enter */
    double  outside_value; /* upper bound of what such items could add to dual_value */
    int32_t n_steps;       /* dual gradient steps, on samples included */
    double  passes;        /* work in scans over all shortlists */
} br_allocate_report;

typedef struct br_allocate_args {
    int64_t         n_rows;     /* B customers */
    int32_t         n_items;    /* N */
    int32_t         width;      /* M candidates per shortlist */
    int32_t         n_kept;     /* K slots per list; 1 <= K <= M, K <= 1024 */
    const int32_t  *item_BM;    /* distinct within a row, -1 behind the last */
    const float    *utility_BM; /* finite, best first */
    const float    *bound_B; /* no item outside has a higher utility, less its bound_price_N; -inf:
                                none is eligible; NULL: for nobody */
    const float    *bound_price_N; /* the prices that shortlists were taken at; NULL: 0 */
    const int32_t  *length_B;      /* 0 .. K slots; NULL: K */
    const int64_t  *capacity_N;    /* units, -1 none; NULL: none at all */
    int32_t         n_limits;      /* L */
    const br_limit *limit_L;
    double          floor;       /* a slot is filled when utility - price > floor: 0 for values and
                                    probabilities, the smallest utility where lists must be full */
    double          short_price; /* > 0, or 0: 4 times the largest utility - floor */
    double          tolerance;   /* relative gap aimed at, > 0; 0: 2e-4 */
    double          max_passes;  /* of the ascent, > 0; 0: 30 or, for small problems, more */
    double          share;       /* of all customers that these rows are: what bounds bound is all
                                    of them; (0, 1], 0: 1 */
    const double   *start_C;     /* duals to start from, [N + L], near the end; NULL: from 0 */
    int             n_lanes;
    /* out */
    int32_t        *list_BK;   /* item rows by utility, best first; -1 behind the last */
    uint8_t        *touched_B; /* 1: the repair changed this list */
    double         *dual_C;    /* [N + L] >= 0: one more unit of capacity or bound is worth this */
    float          *price_N; /* sum of the duals an item uses up: subtract it from the item's bias;
                                negative where a minimum share pushes the item */
    double         *activity_L; /* the left-hand side of each limit; shares: D_g */
    br_allocate_report *report;
} br_allocate_args;

/* Refuses what contradicts itself, before any work. */
br_status br_allocate_check(const br_allocate_args *args);

/* Checks, then allocates. `share` must be 1. */
br_status br_allocate(const br_allocate_args *args);

/* The prices alone, of a sample of the customers: dual_C, price_N, and of the report dual_value,
 * n_steps, passes; n_uncertain and outside_value as br_allocate. */
br_status br_allocate_prices(const br_allocate_args *args);

#endif
