/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation over a stored run of shortlists: prices, lists for everybody, and the run directory
 * they are published in. Encodes nothing. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_FLEET_H
#define BR_HOST_PIPELINE_ALLOCATE_FLEET_H

#include "host/pipeline/allocate/constraints.h"

typedef struct br_fleet {
    br_setup          *setup; /* of the final lists; borrowed */
    br_constraints     constraints;
    int64_t            n_rows; /* U */
    int32_t            width;  /* M */
    int32_t            k;
    int32_t           *item_UM;
    float             *score_UM;
    float             *bound_U;
    int32_t           *list_UK;
    uint8_t           *touched_U;
    double            *dual_C;
    float             *price_N;
    double            *activity_L;
    double             floor;
    br_allocate_report report;
} br_fleet;

/* The configuration of the run of shortlists that a constrained one begins with: `width` candidates
 * per customer beside the output, without constraints. br_config_close it. */
br_status br_fleet_shortlists(const br_config *config, int32_t width, br_config **out);

/* Reads the shortlists of a complete run and allocates. The setup must have its units planned. */
br_status br_fleet_open(br_setup *setup, const char *shortlists, br_fleet **out);
void      br_fleet_close(br_fleet **fleet);

/* Could items outside the shortlists add more than the tolerance? */
bool br_fleet_is_uncertain(const br_fleet *fleet);

/* Publishes the lists as a run; goes on where it was stopped. */
br_status br_fleet_publish(const br_fleet *fleet, const char *shortlists);

#endif
