/* SPDX-License-Identifier: Apache-2.0
 *
 * Units through all stages: one is read, one computed, and each writer has one. Called once per
 * job, by job.c. */
#ifndef BR_HOST_PIPELINE_FLOW_FLOW_H
#define BR_HOST_PIPELINE_FLOW_FLOW_H

#include "host/comm/comm.h"
#include "host/pipeline/job.h"

/* Units under way at once, for so many writers. */
static inline int32_t br_flow_slots(int32_t n_writers)
{
    return n_writers + 2;
}

#define BR_FLOW_MOST_SLOTS (BR_MOST_WRITERS + 2)

/* The units of this rank, in its order. */
typedef struct br_own_units {
    int64_t *unit_U;    /* [n_todo] */
    int64_t  n_written; /* all that are written are among the first so many */
    int64_t  n_sound;   /* computed before a look that found nothing (detect/) */
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
    int32_t        n_writers; /* 1 where units are given to `take` */
} br_flow_args;

/* Collective: the first failure of this rank, once all ranks have come to the end of their units.
 * One that stopped because of another rank's failure has none. */
br_status br_flow_run(const br_flow_args *args, br_batch slot[BR_FLOW_MOST_SLOTS]);

#endif
