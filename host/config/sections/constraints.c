/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `constraints`: tables of its records, and what its keys must say together. */
#include <string.h>

#include "host/config/check.h"

#define BR_BASE br_config_budget
BR_RECORD_TABLE(budget, BR_BUDGET_KEYS);
#undef BR_BASE
#define BR_BASE br_config_limit
BR_RECORD_TABLE(limit, BR_LIMIT_KEYS);
#undef BR_BASE

#define SHARE_SLACK 1e-9 /* twenty times 0.05 is a little more than 1 in binary */

bool br_config_is_constrained(const br_config *config)
{
    return config->constraints_capacity || config->constraints_budgets.n > 0 ||
           config->constraints_limits.n > 0;
}

/* Minimum shares of the members of one column cannot pass 1. */
static void check_shares(br_config *config, int32_t i)
{
    const br_config_limit_list *limits = &config->constraints_limits;
    const br_config_limit      *limit  = &limits->item[i];
    double                      sum    = 0.0;
    char                        path[64];

    (void)snprintf(path, sizeof path, "constraints.limits[%d]", i);
    if (limit->min_share > limit->max_share)
        br_config_problem(config, path, "min_share %g is above max_share %g", limit->min_share,
                          limit->max_share);
    if (limit->max_units < 0 && limit->min_share == 0.0 && limit->max_share == 1.0)
        br_config_problem(config, path, "limits nothing: give max_units, min_share or max_share");
    for (int32_t j = 0; j < limits->n; j++)
        if (strcmp(limits->item[j].group, limit->group) == 0)
            sum += limits->item[j].min_share;
    for (int32_t j = 0; j < i; j++)
        if (strcmp(limits->item[j].group, limit->group) == 0)
            return; /* said once per column */
    if (sum > 1.0 + SHARE_SLACK)
        br_config_problem(config, path,
                          "the minimum shares of group '%.60s' add up to %g, expected at most 1",
                          limit->group, sum);
}

void br_config_check_constraints(br_config *config)
{
    if (!br_config_is_constrained(config))
        return;
    for (int32_t i = 0; i < config->constraints_limits.n; i++)
        check_shares(config, i);
    if (config->policy_type != BR_POLICY_GREEDY)
        br_config_problem(config, "constraints",
                          "lists that share capacities are not drawn at random: their propensities "
                          "would be false; expected policy.type greedy");
    if (config->list_fallback != BR_FALLBACK_NONE)
        br_config_problem(config, "constraints",
                          "lists of list.fallback know no capacities; expected none");
    if (config->constraints_shortlist < config->list_k)
        br_config_problem(config, "constraints.shortlist",
                          "found %lld, expected at least list.k = %lld",
                          (long long)config->constraints_shortlist, (long long)config->list_k);
    if (config->constraints_fill && config->constraints_floor != 0.0)
        br_config_problem(config, "constraints.floor", "is set, but constraints.fill is true");
}
