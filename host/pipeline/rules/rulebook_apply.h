/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of a job applied to a work unit. */
#ifndef BR_HOST_PIPELINE_RULES_RULEBOOK_APPLY_H
#define BR_HOST_PIPELINE_RULES_RULEBOOK_APPLY_H

#include "host/pipeline/batch.h"
#include "host/pipeline/setup/setup.h"

/* Verdicts of a unit: rule_B, arm_B, wanted_B, stratum_B, have_B, item_rule. */
br_status br_rulebook_apply(br_setup *setup, const br_unit *raw, br_batch *batch);

/* Bit h: rule h of the precedence holds customer b back, whatever the others say. After
 * br_rulebook_apply of the same unit. */
uint64_t br_rulebook_verdicts(br_setup *setup, const br_unit *raw, br_batch *batch, int64_t b);

/* Which customer of each household is free of every other rule: one pass over the customers. Work
 * units must be planned. */
br_status br_rulebook_scan(br_setup *setup);

/* The never-lists of a unit, recent items among them, and the items that cost a penalty. After
 * br_rulebook_apply. */
br_status br_rulebook_never(const br_setup *setup, const br_unit *raw, br_batch *batch);

/* Catalogue rows that customer b met lately (any order, repeats); returns how many. */
int64_t br_rulebook_recent(const br_setup *setup, const br_unit *raw, int64_t b, int32_t *item_S);

/* The same for one of the rules. */
int64_t br_rulebook_recent_of(const br_setup *setup, const br_unit *raw, int64_t b, int32_t rule,
                              int32_t *item_S);

/* Penalties of one repetition penalty for customer b, in the scratch of the rulebook: catalogue
 * rows ascending; returns how many. */
int64_t br_rulebook_penalties(const br_setup *setup, const br_unit *raw, int64_t b,
                              const br_penalty *penalty);

#endif
