/* SPDX-License-Identifier: Apache-2.0
 *
 * Are stored shortlists those that a job would take? Asked before they are allocated again. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_ORIGIN_H
#define BR_HOST_PIPELINE_ALLOCATE_ORIGIN_H

#include "host/pipeline/setup/setup.h"

/* BR_E_USAGE unless the run of shortlists read the same input files (`identity`: br_identity_text
 * of the setup) under the same configuration, but for constraints and list.k. The device and the
 * program may be others. */
br_status br_origin_check(const br_setup *setup, const char *identity, const char *shortlists);

#endif
