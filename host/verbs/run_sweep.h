/* SPDX-License-Identifier: Apache-2.0
 *
 * `run --sweep`: many weightings of the objective, compared and not published. */
#ifndef BR_HOST_VERBS_RUN_SWEEP_H
#define BR_HOST_VERBS_RUN_SWEEP_H

#include "host/config/config.h"

/* `file`: the weightings; `out`: the folder of sweep.json and sweep.csv, NULL: the table only. */
br_status br_run_sweep(br_config *config, const char *file, const char *out);

#endif
