/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the lists of each shadow are from the published ones, over the customers whose lists are
 * the model's. Sums of whole numbers, so that the order of parts does not matter. */
#ifndef BR_HOST_PIPELINE_STATS_SHADOWS_H
#define BR_HOST_PIPELINE_STATS_SHADOWS_H

#include "host/base/strbuf.h"
#include "host/comm/comm.h"
#include "host/decide/compare.h"
#include "host/io/lists.h"
#include "host/pipeline/setup/setup.h"

typedef struct br_shadow_totals {
    int64_t  share; /* in billionths */
    int64_t  rbo;   /* in billionths */
    int64_t *exposure_N;
} br_shadow_totals;

typedef struct br_shadow_stats {
    int32_t          n;
    int64_t          n_customers;
    int64_t         *exposure_N; /* of the published lists of these customers */
    br_shadow_totals of[BR_LISTS_MAX_SHADOWS];
    br_comparer      comparer;
} br_shadow_stats;

br_status br_shadow_stats_open(const br_setup *setup, br_shadow_stats *out);
void      br_shadow_stats_close(br_shadow_stats *stats);

/* BR_E_SELFCHECK where the lists have other shadows than this job. */
br_status br_shadow_stats_add(br_shadow_stats *stats, const br_lists *lists);

/* As br_stats_sum; n_items: of the catalogue. */
void br_shadow_stats_sum(br_comm *comm, br_shadow_stats *stats, int64_t n_items);

/* "shadows": {...}, of stats.json; nothing where there are none. */
void br_shadow_stats_render(const br_shadow_stats *stats, const br_setup *setup, br_strbuf *json);

#endif
