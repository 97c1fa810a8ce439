/* SPDX-License-Identifier: Apache-2.0
 *
 * What a bench says: the table and the JSON. Rank 0 alone. */
#ifndef BR_HOST_PIPELINE_BENCH_REPORT_H
#define BR_HOST_PIPELINE_BENCH_REPORT_H

#include "host/pipeline/bench/bench.h"

typedef struct br_bench_result {
    const br_bench       *bench;
    const br_bench_suite *suite;
    double               *wall_s;     /* [n_repeats] of the slowest rank, ascending */
    double                cpu_s;      /* of all ranks, of the median pass */
    double                rank_cpu_s; /* of the rank that took most, of the median pass */
    double                imbalance;  /* slowest rank over the mean of all, of the median pass */
    double                flop;       /* of all ranks */
    int64_t               n_checked;  /* customers, of all ranks */
    char                  hash[33];
} br_bench_result;

void br_bench_print(const br_bench_result *result);

/* BR_E_IO naming the file. */
br_status br_bench_write_json(const br_bench_result *result, const char *path);

#endif
