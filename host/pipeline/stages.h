/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages, in the order data flows. Each fills its own fields of the batch (batch.h); none
 * includes or calls another. Called once per work unit, by job.c. */
#ifndef BR_HOST_PIPELINE_STAGES_H
#define BR_HOST_PIPELINE_STAGES_H

#include "host/pipeline/job.h"

/* Customers of the unit from the file: usable events packed per modality, columns, never-lists. */
br_status br_stage_read(br_job *job, br_batch *batch);

/* Packs the events of job->raw anew, where some were left out, and says which events count. For
 * `explain`. */
br_status br_stage_read_pack(br_job *job, br_batch *batch);
bool      br_stage_read_is_usable(const br_setup *setup, int32_t modality, const br_timeline *t,
                                  int64_t event);

/* s_u of every modality, eq. 1: state_BS. Adds processor seconds to *cpu_s. */
br_status br_stage_encode(br_job *job, br_batch *batch, double *cpu_s);

/* x_u, eq. 2-3: x_BD, alpha_BM, gate_BM. */
br_status br_stage_fuse(br_job *job, br_batch *batch, double *cpu_s);

/* The k best items, eq. 4, their probabilities, eq. 6 and 9, and hazards, eq. 17. */
br_status br_stage_score(br_job *job, br_batch *batch, double *cpu_s);

/* Where ranks hold the catalogue together, br_stage_score finds the best of a shard alone; this is
 * the rest, of the merged lists. */
br_status br_stage_tell(br_job *job, br_batch *batch, double *cpu_s);

/* The heads and terms alone, of whatever items item_BK holds of few customers. For `explain`. */
br_status br_stage_describe(br_job *job, br_batch *batch);

/* Consent, fallback, short lists explained, survival: fills batch->lists. */
br_status br_stage_policy(br_job *job, br_batch *batch);

/* Counts the lists and publishes the part. */
br_status br_stage_write(br_job *job, br_batch *batch, br_run *run);

#endif
