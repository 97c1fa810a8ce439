/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run did, in counts that add up over parts: the waterfall of customers and of events,
 * histograms of norms, scores and gates, exposure of items and groups. Counts of a unit travel in
 * its part (/stats), so a resumed run reports the same as an undisturbed one. */
#ifndef BR_HOST_PIPELINE_STATS_STATS_H
#define BR_HOST_PIPELINE_STATS_STATS_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/comm/comm.h"
#include "host/io/lists.h"
#include "host/pipeline/batch.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/stats/shadows.h"

typedef struct br_stats {
    int32_t         n_counts;
    br_counts       total[BR_LISTS_MAX_COLUMNS];
    int64_t         n_items;
    int64_t        *exposure_N; /* [catalogue rows] places in lists */
    int64_t         n_filled;   /* slots */
    br_shadow_stats shadows;
} br_stats;

/* Names and sizes of the counts of this job: allocates totals. */
br_status br_stats_create(const br_setup *setup, br_stats *out);
void      br_stats_free(br_stats *stats);

/* Counts one unit into batch->lists.counts (arrays allocated by br_stats_attach). */
br_status br_stats_attach(const br_stats *stats, br_lists *lists);
void      br_stats_count(const br_setup *setup, br_batch *batch);

/* Counts of a unit whose lists were chosen anew from those of `before`: what has to do with lists
 * is counted again, the rest is taken over. BR_E_INPUT where the counts are others than this job's.
 */
br_status br_stats_recount(const br_setup *setup, const br_lists *before, br_batch *batch);

/* Adds a part's counts and items to the totals. BR_E_SELFCHECK when the part's counts are others
 * than this job's or do not balance. */
br_status br_stats_add(br_stats *stats, const br_lists *lists);

/* Those of all ranks together, on all of them; whole numbers, so in any order. Collective. */
void br_stats_sum(br_comm *comm, br_stats *stats);

/* BR_GUARD_WARNED where a guard of the configuration is not met. */
br_status br_stats_guard(const br_stats *stats, const br_setup *setup);

/* stats.json and metrics.prom as text; br_free them. */
/* `more`: further members of the JSON object, each with its comma; NULL: none */
br_status br_stats_render(const br_stats *stats, const br_setup *setup, const char *more,
                          char **json, char **metrics);

#endif
