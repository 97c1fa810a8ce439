/* SPDX-License-Identifier: Apache-2.0
 *
 * How much the policy explores, per stratum: 1 - p of the first item drawn, whose mean is the
 * probability that two draws differ (Gini-Simpson diversity of the first place). */
#ifndef BR_HOST_PIPELINE_STATS_DRAWS_H
#define BR_HOST_PIPELINE_STATS_DRAWS_H

#include "host/base/strbuf.h"
#include "host/pipeline/batch.h"
#include "host/pipeline/setup/setup.h"

/* Length of the count: [strata, 2] with the rest first: customers, and the sum in millionths; 0
 * where nothing is drawn. */
int64_t br_draws_length(const br_setup *setup);

void br_draws_count(const br_batch *batch, int64_t *draws);
void br_draws_render(const br_setup *setup, const int64_t *draws, br_strbuf *json);

/* BR_GUARD_WARNED naming the stratum whose diversity is below policy.min_diversity. */
br_status br_draws_guard(const br_setup *setup, const int64_t *draws);

#endif
