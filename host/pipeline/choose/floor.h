/* SPDX-License-Identifier: Apache-2.0
 *
 * A floor under a customer's list: k items that may be listed score at least as much. They come
 * from the customer's lists by other weights, which were made just before, so that the search has
 * little left to look at. */
#ifndef BR_HOST_PIPELINE_CHOOSE_FLOOR_H
#define BR_HOST_PIPELINE_CHOOSE_FLOOR_H

#include "host/pipeline/lanes.h"

/* Does the search alone make the lists, so that a floor helps? Else candidates are more than k, or
 * not all that may be listed. */
bool br_floor_helps(const br_job *job, const br_batch *batch);

/* *floor_B f32 [rows, 1] in the lane's scratch, -inf where there are no k such items; absent where
 * the batch has none to make it from. */
br_status br_floor_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows, br_mat query_BQ,
                        br_mat *floor_B);

/* Scratch that a lane needs for it. */
size_t br_floor_scratch_bytes(const br_job *job);

#endif
