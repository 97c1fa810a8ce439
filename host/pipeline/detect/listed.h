/* SPDX-License-Identifier: Apache-2.0
 *
 * Listed scores, computed again: of every item of the model in a finished list, the canonical score
 * of its pair, which is the same bits or the list is wrong. It finds wrong items and scores in a
 * list; what should have been in it and is not is others' to find. */
#ifndef BR_HOST_PIPELINE_DETECT_LISTED_H
#define BR_HOST_PIPELINE_DETECT_LISTED_H

#include "host/pipeline/job.h"

typedef struct br_listed {
    br_dev  *lane;
    int64_t  n_rows; /* at a time */
    br_mat   item_BK;
    br_mat   score_BK;
    int32_t *host_item_BK;
    float   *host_score_BK;
} br_listed;

/* Are the lists of this job canonical scores of its ranking pair? Not where candidates are ranked
 * again, shaped, or were found at prices. */
bool br_listed_is_for(const br_job *job);

br_status br_listed_open(br_job *job, br_listed *out);
void      br_listed_close(br_listed *listed);

/* *row: the first customer of the batch whose list holds a score that its pair does not have, at
 * *slot with *expected; -1: none. Starts at *row. */
br_status br_listed_look(br_listed *listed, br_job *job, const br_batch *batch, int64_t *row,
                         int32_t *slot, float *expected);

#endif
