/* SPDX-License-Identifier: Apache-2.0
 *
 * The computing thread's part of a unit. Private to flow/. */
#ifndef BR_HOST_PIPELINE_FLOW_COMPUTE_H
#define BR_HOST_PIPELINE_FLOW_COMPUTE_H

#include "host/pipeline/job.h"

/* x_u and lists of a unit that was read. *is_whole: it is computed, and nobody of the team failed;
 * the status is of this rank alone. */
br_status br_flow_compute(br_job *job, br_batch *batch, bool *is_whole);

#endif
