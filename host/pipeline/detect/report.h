/* SPDX-License-Identifier: Apache-2.0
 *
 * What the detectors of a run did, told once at its end. */
#ifndef BR_HOST_PIPELINE_DETECT_REPORT_H
#define BR_HOST_PIPELINE_DETECT_REPORT_H

#include "host/base/strbuf.h"
#include "host/comm/comm.h"

typedef struct br_detect_counts {
    int64_t n_looks;
    int64_t n_tiles; /* of the score pass */
    int64_t n_checked;
    int64_t n_customers;
    int64_t n_listed;
    int64_t n_sampled;
    int64_t n_bytes;
    int64_t n_faults;
} br_detect_counts;

/* Sums over all ranks, as a JSON object, and in the log of rank 0. n_golden: customers of a golden
 * batch. Collective. */
br_status br_detect_report_counts(br_comm *comm, const br_detect_counts *did, int64_t n_golden,
                                  br_strbuf *json);

#endif
