/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation over a stored run of shortlists: prices, lists for everybody, and the run directory
 * they are published in. Encodes nothing. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_FLEET_H
#define BR_HOST_PIPELINE_ALLOCATE_FLEET_H

#include "host/pipeline/allocate/constraints.h"
#include "host/pipeline/allocate/shortlists.h"

#define BR_MAX_ROUNDS 6

typedef struct br_fleet {
    br_setup          *setup; /* of the final lists; borrowed */
    br_constraints     constraints;
    br_shortlists      shortlists;
    char              *round_path[BR_MAX_ROUNDS]; /* runs of shortlists */
    int32_t            k;
    int32_t           *list_UK;
    uint8_t           *touched_U;
    double            *dual_C;
    double            *start_C;   /* those of the solution before */
    bool               has_start; /* dual_C is near the solution to be found */
    float             *price_N;
    double            *activity_L;
    double             floor;
    br_allocate_report report;
} br_fleet;

/* Where the shortlists of a round lie, beside the output: OUTPUT.shortlists, then
 * OUTPUT.shortlists-at-prices-1, ... */
br_status br_fleet_round_path(const char *output, int32_t round, char out[4200]);

/* An empty fleet. The setup must have its units planned. */
br_status br_fleet_open(br_setup *setup, br_fleet **out);
/* The configuration of the next round's run: constraints.shortlist candidates per customer, by
 * score less price_N (NULL: 0; it must outlive it). Later rounds take x_u from the first.
 * br_config_close it before the fleet. */
br_status br_fleet_next_round(const br_fleet *fleet, const float *price_N, br_config **out);
/* Adds the shortlists of a complete run, taken at price_N (NULL: none). */
br_status br_fleet_add(br_fleet *fleet, const char *shortlists, const float *price_N);
/* First prices from a sample of the customers, in fleet->price_N; *are_there is false where none is
 * taken: few customers, or shortlists that prices do not decide (fleet->price_N is then 0). */
br_status br_fleet_sample(br_fleet *fleet, bool *are_there);
/* Allocates over all shortlists, from the prices so far. */
br_status br_fleet_solve(br_fleet *fleet);
void      br_fleet_close(br_fleet **fleet);

/* Could items outside the shortlists add more than the tolerance? */
bool br_fleet_is_uncertain(const br_fleet *fleet);

/* Publishes the lists as a run; goes on where it was stopped. */
br_status br_fleet_publish(const br_fleet *fleet);

#endif
