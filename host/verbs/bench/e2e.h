/* SPDX-License-Identifier: Apache-2.0
 *
 * Suite `e2e` of `bench`: the whole of `run`, from files to manifest, on generated data. */
#ifndef BR_HOST_VERBS_BENCH_E2E_H
#define BR_HOST_VERBS_BENCH_E2E_H

#include "host/pipeline/bench/bench.h"

extern const br_bench_suite br_bench_e2e;

#endif
