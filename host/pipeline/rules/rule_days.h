/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules that count days: zones, quiet days, caps, items met lately. */
#ifndef BR_HOST_PIPELINE_RULES_RULE_DAYS_H
#define BR_HOST_PIPELINE_RULES_RULE_DAYS_H

#include "host/pipeline/rules/rulebook.h"

br_status br_rule_days_open(struct br_setup *setup, br_rulebook *book);
void      br_rule_days_close(br_rulebook *book);

/* Where a static column stands in the request, added if need be; -1 with *st where there is none.
 */
int32_t br_rules_static_place(struct br_setup *setup, const char *where, const char *name,
                              br_status *st);

#endif
