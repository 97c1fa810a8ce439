/* SPDX-License-Identifier: Apache-2.0
 *
 * Independent tasks spread over lanes (threads). */
#ifndef BR_HOST_BASE_PARALLEL_H
#define BR_HOST_BASE_PARALLEL_H

#include <stdint.h>

#include "host/base/status.h"

/* One task. `lane` in [0, n_lanes): what belongs to a lane is never used by two tasks at once. */
typedef br_status (*br_task)(void *context, int lane, int64_t task);

/* Runs tasks 0..n_tasks-1, each once, in any order, over n_lanes threads; waits for all.
 * After a failure no new task starts; the failure of the lowest failed task is returned, its
 * sentence in the caller's record. Adds the processor seconds of all lanes to *cpu_s unless NULL.
 */
br_status br_parallel_for(int n_lanes, int64_t n_tasks, br_task fn, void *context, double *cpu_s);

/* Processors for this process: those it may run on, or its share of them once that was said (ranks
 * of one machine share them). */
int  br_n_cores(void);
void br_set_n_cores(int n);

#endif
