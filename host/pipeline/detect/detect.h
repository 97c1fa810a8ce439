/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run does to find results that are wrong (docs/DETECTORS.md): a golden batch and digests of
 * memory when it begins, every detect.golden_units units and at its end; for each unit, before it
 * is written, checksums of the score pass, the structure of every list, every listed score once
 * more, and whole lists of a sample by the reference. What is found wrong is not published. */
#ifndef BR_HOST_PIPELINE_DETECT_DETECT_H
#define BR_HOST_PIPELINE_DETECT_DETECT_H

#include "host/base/strbuf.h"
#include "host/comm/comm.h"
#include "host/pipeline/job.h"

typedef struct br_detect br_detect;

/* Sets job->detect, for units of n_writers at once. `seed` picks customers: a hash of what makes
 * the run this run. The first look is part of it. BR_E_SELFCHECK naming device and place. */
br_status br_detect_open(br_job *job, uint64_t seed, int32_t n_writers);
void      br_detect_close(br_job *job);

/* Golden batch and memory, with no lane at work. NULL: nothing. */
br_status br_detect_look(br_detect *detect);
/* Is it time for that before the unit that is computed as number `i`? */
bool      br_detect_is_due(const br_detect *detect, int64_t i);

/* x_u of a unit is made: remembers its digest, where it lies in the host's memory. */
br_status br_detect_note_vectors(br_detect *detect, br_batch *batch);

/* A rank that holds a shard of the catalogue has scored its items: checksums. */
br_status br_detect_shard(br_detect *detect, br_batch *batch);

/* Scoring failed by its input (st). Did x_u change since? Then that is the failure. */
br_status br_detect_blame_vectors(br_detect *detect, const br_batch *batch, br_status st);

/* A unit's lists are finished; by writer number `writer`. BR_E_SELFCHECK naming device, customer
 * and place; or, as detect.on_fault says, the reference's list takes the wrong one's place. */
br_status br_detect_unit(br_detect *detect, br_batch *batch, int32_t writer);

/* A run failed by its input. Is the device's memory to blame? Then that is the failure. */
br_status br_detect_blame(br_detect *detect, br_status st);

/* What all ranks looked at and found, as a JSON object, and in the log of rank 0. Collective. */
br_status br_detect_report(const br_detect *detect, br_comm *comm, br_strbuf *json);

/* Flips a bit where a test asked for it (host/base/inject/flip.h); else nothing. */
br_status br_detect_flip(br_job *job, const char *place, br_mat mat);
br_status br_detect_flip_memory(br_job *job);

#endif
