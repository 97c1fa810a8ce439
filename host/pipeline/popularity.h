/* SPDX-License-Identifier: Apache-2.0
 *
 * The fallback for customers without usable events: listed items by how often all customers met
 * them up to as_of. */
#ifndef BR_HOST_PIPELINE_POPULARITY_H
#define BR_HOST_PIPELINE_POPULARITY_H

#include "host/pipeline/job.h"

/* Does the job's fallback need it? */
bool br_popularity_is_wanted(const br_setup *setup);

/* Counts the popularity feeds over the whole file, each rank its share of the units, into
 * setup->popular_N. Collective; nothing where there is one rank, or no need. */
br_status br_popularity_share(br_comm *comm, br_setup *setup);

/* Counts them over the whole file, unit by unit, unless ranks did; orders the items. */
br_status br_popularity_count(br_job *job);

/* The most popular items that customer b of the batch may be shown, as listed rows, by the quotas
 * of the shape or not; returns how many, at most k. */
int32_t br_popularity_list(const br_job *job, const br_batch *batch, int64_t b, bool by_quotas,
                           int32_t *row_K);

/* By never-list and segment bits: may customer b see the item, a listed row? Also where it stands
 * on the never-list for a penalty's sake. */
bool br_popularity_may_show(const br_setup *setup, const br_batch *batch, int64_t b, int32_t row);

#endif
