/* SPDX-License-Identifier: Apache-2.0
 *
 * The lanes of a job and what each takes at a time. Less is taken where memory is short; results do
 * not depend on it. */
#ifndef BR_HOST_PIPELINE_LANES_H
#define BR_HOST_PIPELINE_LANES_H

#include "host/pipeline/job.h"

/* job->dev, n_lanes. */
br_status br_lanes_open_device(br_job *job);

/* The lanes, with scratch for the largest task; the model must be there. */
br_status br_lanes_open(br_job *job);

/* Logs what the lanes have enqueued for n_units units; nothing where the backend enqueues nothing.
 */
void br_lanes_report(const br_job *job, int64_t n_units);

void br_lanes_close(br_job *job);

/* Threads that write what the lanes have computed: run.writers; 0: as its row in keys.h says. */
int32_t br_writers_of(const br_config *config);

/* Rows that a lane takes as one: task `task` of those that cut n_rows into steps. */
br_rows br_rows_of_task(int64_t n_rows, int64_t step, int64_t task);

/* fn on the rows, then all its scratch is given back; where memory is short, on either half. */
typedef br_status (*br_rows_fn)(void *context, br_dev *lane, br_rows rows);
br_status br_lane_run(br_dev *lane, br_rows rows, br_rows_fn fn, void *context);

#endif
