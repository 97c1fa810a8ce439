/* SPDX-License-Identifier: Apache-2.0
 *
 * One scan over shortlists at given prices: the priced top-k of each, summed. */
#ifndef BR_HOST_DECIDE_ALLOCATE_SCAN_H
#define BR_HOST_DECIDE_ALLOCATE_SCAN_H

#include "host/decide/allocate/problem.h"

typedef struct br_scan {
    br_problem *problem;
    int64_t     stride;   /* rows scanned: one of every `stride` */
    int64_t     n_tasks;  /* blocks of rows, the same for any number of lanes */
    int64_t    *lane_W2N; /* per lane: demand, near */
    double     *task_TS;  /* per task: worth, curve, curve of each limit */
    float      *price_N;  /* what a scan reads */
    float       lowest;   /* price */
    bool       *bound_N;  /* the item's capacity has a price */
    float       largest;  /* utility by size */
    double      slack;    /* more than the rounding of a worth */
    float      *worth_WM; /* per lane: a row's candidates */
    int32_t    *count_B;  /* candidates of each row */
    uint16_t   *last_BK1; /* places of the best of the scan before */
    float       jitter;   /* ties are broken by a draw in [0, jitter) per customer and item */
    float       band;     /* prices this near count as a slope */
    int32_t    *pos_BK;   /* NULL, or gets the candidates chosen, -1 behind the last */
    /* out */
    int64_t    *demand_N; /* slots that list the item */
    int64_t    *near_N;   /* slots that would leave or enter within the band */
    double     *curve_L;  /* sum of squared changes of the limit's left-hand side within the band */
    double      curve;    /* the same of the number of slots */
    double      worth;    /* sum of utility - floor - price (+ draw) over chosen slots */
    int64_t     n_slots;  /* sum of lengths of the rows scanned */
} br_scan;

br_status br_scan_open(br_problem *p, br_scan *s);
void      br_scan_close(br_scan *s);

/* Takes 1 row of `stride`, chosen by a hash, and counts their slots. */
void br_scan_sample(br_scan *s, int64_t stride);

/* Scans at the prices of dual_C. */
br_status br_scan_run(br_scan *s, const double *dual_C);

#endif
