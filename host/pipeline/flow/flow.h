/* SPDX-License-Identifier: Apache-2.0
 *
 * Units through all stages, three at a time. Called once per job, by job.c. */
#ifndef BR_HOST_PIPELINE_FLOW_FLOW_H
#define BR_HOST_PIPELINE_FLOW_FLOW_H

#include "host/comm/comm.h"
#include "host/pipeline/job.h"

#define BR_FLOW_SLOTS 3

/* The units of this rank, in its order. */
typedef struct br_own_units {
    int64_t *unit_U; /* [n_todo] */
    int64_t  n_written;
    int64_t  n_sound; /* computed before a look that found nothing (detect/) */
} br_own_units;

typedef struct br_flow_args {
    br_job        *job;
    br_comm       *comm; /* NULL: this process alone */
    br_run        *run;  /* NULL: units are given to `take` */
    br_unit_fn     take;
    void          *context;
    const int64_t *todo; /* [n_todo] units, handed out to the ranks; the same on all */
    int64_t        n_todo;
    br_own_units  *own;
} br_flow_args;

/* Collective: the first failure of this rank, once all ranks have come to the end of their units.
 * One that stopped because of another rank's failure has none. */
br_status br_flow_run(const br_flow_args *args, br_batch slot[BR_FLOW_SLOTS]);

#endif
