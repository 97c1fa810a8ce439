/* SPDX-License-Identifier: Apache-2.0
 *
 * What fills slots that the model cannot (docs/RULES.md, "Shape of a list"): popular in the
 * customer's category, popular, newest. Made once per job. */
#ifndef BR_HOST_PIPELINE_CHOOSE_LADDERS_H
#define BR_HOST_PIPELINE_CHOOSE_LADDERS_H

#include "host/decide/shape.h"
#include "host/pipeline/job.h"

#define BR_MAX_LADDERS 3

typedef struct br_ladders {
    int32_t  n_categories;
    int64_t *offset_C1; /* NULL: no categories */
    int32_t *own_item_P;
    float   *own_score_P;
    int64_t  n_popular; /* of the job's popularity order */
    float   *popular_score_N;
    int64_t  n_newest;
    int32_t *newest_item_N;
    float   *newest_score_N; /* 0 */
} br_ladders;

/* Popularity must have been counted. */
br_status br_ladders_open(br_job *job, br_ladders *out);
void      br_ladders_close(br_ladders *ladders);

/* The ladders of a customer of this category (-1: none), first to last; returns how many. */
int32_t br_ladders_of(const br_job *job, const br_ladders *ladders, int32_t category,
                      br_ladder ladder[BR_MAX_LADDERS]);

#endif
