/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs under constraints over all customers: shortlists, then an allocation. */
#ifndef BR_HOST_VERBS_RUN_FLEET_H
#define BR_HOST_VERBS_RUN_FLEET_H

#include "host/config/config.h"

/* The whole job of a configuration, in one pass (run.c). */
br_status br_run_plain(br_config *config);

/* The same under constraints: br_run_plain for shortlists, then an allocation; again with
 * shortlists at its prices, while items outside them could still enter. */
br_status br_run_fleet(br_config *config);

#endif
