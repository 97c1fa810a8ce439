/* SPDX-License-Identifier: Apache-2.0
 *
 * Hit rate and NDCG against held-out events. Each customer of the truth file with at least one
 * event brings one target, its first event (leave-one-out protocol: the next item); a rank is the
 * number of candidates placed before the target.
 *   lists      the target's place in the finished lists of a run (full catalogue)
 *   popularity the target's place in the popularity order under the same rules
 *   negatives  the target among given items, by canonical score; only strictly higher scores
 *              are before it
 * HR@n: share of customers with rank < n. NDCG@n: mean of 1 / log2(rank + 2) where rank < n. */
#ifndef BR_HOST_PIPELINE_LOOK_EVALUATE_H
#define BR_HOST_PIPELINE_LOOK_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/pipeline/job.h"

#define BR_MAX_CUTOFFS 16

typedef struct br_ranking {
    const char *name;
    int64_t     n_customers;
    int64_t     n_hits[BR_MAX_CUTOFFS];
    double      gain[BR_MAX_CUTOFFS];
} br_ranking;

typedef struct br_evaluation {
    const char *run_path;       /* lists to judge; NULL: none */
    const char *truth_path;     /* customers.h5 layout, held-out events only */
    const char *modality;       /* its timeline, with catalogue items */
    const char *negatives_path; /* .npy or h5 dataset [customers, n] f32 catalogue rows; NULL */
    bool        wants_popularity;
    int32_t     n_cutoffs;
    int32_t     cutoff[BR_MAX_CUTOFFS];
    int32_t     n_rankings;
    br_ranking  ranking[3];
} br_evaluation;

br_status br_evaluate(br_job *job, br_evaluation *evaluation);

#endif
