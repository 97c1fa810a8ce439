/* SPDX-License-Identifier: Apache-2.0
 *
 * The constraints of a configuration, joined to the catalogue's columns. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_CONSTRAINTS_H
#define BR_HOST_PIPELINE_ALLOCATE_CONSTRAINTS_H

#include "host/decide/allocate/allocate.h"
#include "host/pipeline/setup/setup.h"

#define BR_MAX_LIMITS 256

typedef struct br_constraints {
    int32_t        n_limits;
    br_limit       limit[BR_MAX_LIMITS];
    const int64_t *capacity_N; /* of the catalogue; NULL: none */
} br_constraints;

/* BR_E_USAGE naming the column or group that is not there. */
br_status br_constraints_join(const br_setup *setup, br_constraints *out);

/* Refuses, before any work, what cannot be joined or contradicts itself. */
br_status br_constraints_check(const br_setup *setup);

#endif
