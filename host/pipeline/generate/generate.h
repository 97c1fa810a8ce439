/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded synthetic data: customers.h5, catalogue.h5 and a random model bundle that fit together.
 * Every number is a function of the seed and its own place, so any part can be made again; the
 * same options give the same bytes. For tests, for sizing, for benchmarks on machines without
 * data. */
#ifndef BR_HOST_PIPELINE_GENERATE_GENERATE_H
#define BR_HOST_PIPELINE_GENERATE_GENERATE_H

#include <stdint.h>

#include "host/base/status.h"

typedef struct br_generate_options {
    const char *out_dir;        /* made if missing; must not hold the files yet */
    int64_t     first_customer; /* the files are customers [first, first + n) of one population */
    int64_t     n_customers;
    int64_t     n_items;
    int64_t     n_browse;   /* mean browse events of a customer */
    int64_t     n_purchase; /* mean purchase events */
    double      spread;     /* sigma of log-normal lengths; 0: all alike */
    double      cold_share; /* customers without any event */
    int64_t     dim;
    int64_t     rerank; /* hidden width of a pair head; 0: none */
    int64_t     seed;
} br_generate_options;

br_status br_job_generate(const br_generate_options *options);

#endif
