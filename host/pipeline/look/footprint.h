/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job will take, estimated from shapes alone before anything is allocated. */
#ifndef BR_HOST_PIPELINE_LOOK_FOOTPRINT_H
#define BR_HOST_PIPELINE_LOOK_FOOTPRINT_H

#include "host/base/status.h"
#include "host/pipeline/setup/setup.h"

/* Bytes but for the last two. */
typedef struct br_footprint {
    double events;  /* packed and raw events of the units under way, on the host */
    double lists;   /* lists of the units under way, on the host */
    double device;  /* states, vectors and lists of the units under way, on the device */
    double weights; /* weights and catalogue, on the device */
    double model;   /* tensors of the model, on the device */
    double shards;  /* what ranks of a team exchange, on the host */
    double shape;   /* what quotas and diversity keep, on the host; 0: lists have no shape */
    double fleet;   /* shortlists of all customers, on the host; 0: there are no constraints */
    double memory;  /* all of the above but for the model: a cpu backend's device is host memory */
    double output;  /* on disk */
    double flop_encode;
    double flop_score;
} br_footprint;

/* The setup must have its units planned. */
br_footprint br_footprint_of(const br_setup *setup);

/* BR_E_MEMORY when the estimate passes run.memory_limit_bytes. */
br_status br_footprint_check(const br_setup *setup);

#endif
