/* SPDX-License-Identifier: Apache-2.0
 *
 * The `encode` job: customer vectors only, no lists. */
#ifndef BR_HOST_PIPELINE_VECTORS_ENCODE_JOB_H
#define BR_HOST_PIPELINE_VECTORS_ENCODE_JOB_H

#include "host/base/status.h"
#include "host/pipeline/job.h"

/* Writes `out`, in the layout of customers.h5: /customer/key, /vector [U, D] (x_u) and, per
 * modality, /state/<modality>/h [U, S] (s_u) and /state/<modality>/last_time [U] (time of the last
 * usable event, -1 none), with the model's version on /state. The file serves as input.customers
 * of a job with ready-made vectors. */
br_status br_job_encode(br_job *job, const char *out);

#endif
