/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation over a stored run of shortlists: prices, lists for everybody, and the run directory
 * they are published in. Encodes nothing. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_FLEET_H
#define BR_HOST_PIPELINE_ALLOCATE_FLEET_H

#include "host/pipeline/allocate/constraints.h"

#define BR_MAX_ROUNDS 6

typedef struct br_fleet {
    br_setup          *setup; /* of the final lists; borrowed */
    br_constraints     constraints;
    int64_t            n_rows; /* U */
    int32_t            n_rounds;
    char              *round_path[BR_MAX_ROUNDS]; /* runs of shortlists */
    int32_t            width;                     /* M, of all rounds together */
    int32_t            k;
    int32_t           *item_UM;
    float             *score_UM;
    float             *bound_U;
    float             *bound_price_N; /* NULL: shortlists were taken without prices */
    int32_t           *list_UK;
    uint8_t           *touched_U;
    double            *dual_C;
    double            *start_C; /* those of the solution before */
    bool               is_solved;
    float             *price_N;
    double            *activity_L;
    float              lowest; /* score of all shortlists */
    double             floor;
    br_allocate_report report;
} br_fleet;

/* The configuration of a run of shortlists: constraints.shortlist candidates per customer, beside
 * the output, without constraints. Round 0 takes them by score, the others by score less price_N,
 * which must outlive it. br_config_close it. */
br_status br_fleet_shortlists(const br_setup *setup, int32_t round, const float *price_N,
                              br_config **out);

/* An empty fleet. The setup must have its units planned. */
br_status br_fleet_open(br_setup *setup, br_fleet **out);
/* Adds the shortlists of a complete run, taken at price_N (NULL: none). */
br_status br_fleet_add(br_fleet *fleet, const char *shortlists, const float *price_N);
/* Allocates over all shortlists, from the prices so far. */
br_status br_fleet_solve(br_fleet *fleet);
void      br_fleet_close(br_fleet **fleet);

/* Could items outside the shortlists add more than the tolerance? */
bool br_fleet_is_uncertain(const br_fleet *fleet);

/* Publishes the lists as a run; goes on where it was stopped. */
br_status br_fleet_publish(const br_fleet *fleet);

#endif
