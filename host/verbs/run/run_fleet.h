/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs under constraints over all customers: shortlists, then an allocation. */
#ifndef BR_HOST_VERBS_RUN_RUN_FLEET_H
#define BR_HOST_VERBS_RUN_RUN_FLEET_H

#include "host/comm/comm.h"
#include "host/config/config.h"

/* The whole job of a configuration, in one pass (run.c). Collective: both. */
br_status br_run_plain(br_comm *comm, br_config *config);

/* The same under constraints: br_run_plain for shortlists, then an allocation; again with
 * shortlists at its prices, while items outside them could still enter. Shortlists are taken by all
 * ranks, places are given by rank 0. */
br_status br_run_fleet(br_comm *comm, br_config *config);

#endif
