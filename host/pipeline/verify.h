/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb `verify RUN`: is a complete run what it says it is? Called once per process. */
#ifndef BR_HOST_PIPELINE_VERIFY_H
#define BR_HOST_PIPELINE_VERIFY_H

#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"

/* Scores a sample of lists again by the reference path, compares, and prints what it did;
 * BR_E_SELFCHECK or BR_E_INPUT at the first difference. */
typedef br_status (*br_verify_rescore)(const char *run_path, int64_t n_samples, FILE *out);

/* Every hash; every part's structure (rows consecutive, items in range and unique, scores finite
 * and in order, short lists explained, every customer accounted for); then `rescore` (NULL: none)
 * for n_samples lists. Prints what was checked. BR_E_INPUT at the first breach, BR_E_IO when the
 * run cannot be read. */
br_status br_job_verify_with(const char *run_path, int64_t n_samples, br_verify_rescore rescore,
                             FILE *out);
/* Without scoring anything again. */
br_status br_job_verify(const char *run_path, int64_t n_samples, FILE *out);

#endif
