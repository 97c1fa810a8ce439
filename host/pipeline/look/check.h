/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs that look before they leap: `check` finds what is wrong, `plan` tells what it will take. */
#ifndef BR_HOST_PIPELINE_LOOK_CHECK_H
#define BR_HOST_PIPELINE_LOOK_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "host/base/status.h"
#include "host/config/config.h"
#include "host/pipeline/look/window.h"

/* Every check of configuration, inputs and joins; unless is_fast, every value of every customer.
 * Prints what was found to `out`. */
br_status br_job_check(const br_config *config, bool is_fast, FILE *out);

/* Memory, output size and arithmetic of the job, to `out`; unless is_fast, a few thousand customers
 * go through the stages for an estimate of its seconds, and of the ranks that a window needs.
 * BR_E_MEMORY when the memory passes run.memory_limit_bytes, BR_GUARD_WARNED when no number of
 * ranks in window->most_ranks is enough. */
br_status br_job_plan(const br_config *config, bool is_fast, const br_window *window, FILE *out);

#endif
