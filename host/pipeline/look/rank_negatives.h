/* SPDX-License-Identifier: Apache-2.0
 *
 * The place of one target among given items, by canonical score. */
#ifndef BR_HOST_PIPELINE_LOOK_RANK_NEGATIVES_H
#define BR_HOST_PIPELINE_LOOK_RANK_NEGATIVES_H

#include "host/pipeline/job.h"

/* Encodes the unit in `batch` (device memory allocated) and ranks target_B (catalogue rows, -1:
 * none) among the negatives of each customer: `path` is a matrix [customers of the whole file, n]
 * of catalogue rows as float32 numbers. rank_B: number of negatives scored strictly higher; -1 when
 * the target itself cannot be scored. */
br_status br_rank_among_negatives(br_job *job, br_batch *batch, const char *path,
                                  const int32_t *target_B, int64_t *rank_B);

#endif
