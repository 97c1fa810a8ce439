/* SPDX-License-Identifier: Apache-2.0
 *
 * The prices: projected, accelerated gradient ascent on the dual (written as descent of the
 * dual value, an upper bound), on samples of the customers first where there are many. */
#ifndef BR_HOST_DECIDE_ALLOCATE_ASCENT_H
#define BR_HOST_DECIDE_ALLOCATE_ASCENT_H

#include "host/decide/allocate/scan.h"

/* Moves dual_C [N + L] from where it stands to nearly optimal prices. Leaves in scan->jitter the
 * width of the draws that the prices were found with. */
br_status br_ascent(br_problem *p, br_scan *scan, double *dual_C, int32_t *n_steps);

#endif
