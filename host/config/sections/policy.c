/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `policy`: the table of its records, and what its keys must say together. */
#include "host/config/check.h"

#define BR_BASE br_config_stratum
BR_RECORD_TABLE(stratum, BR_STRATUM_KEYS);
#undef BR_BASE

/* What a key means nothing to. */
static void check_greedy(br_config *config)
{
    if (config->policy_strata.n > 0)
        br_config_problem(config, "policy.strata", "is set, but policy.type is greedy");
    if (config->policy_min_diversity > 0.0)
        br_config_problem(config, "policy.min_diversity", "is set, but policy.type is greedy");
}

/* Propensities are exact only for lists drawn by the very scores. */
static void check_random(br_config *config)
{
    if (config->objective_type == BR_OBJECTIVE_EXPECTED_VALUE)
        br_config_problem(config, "policy.type",
                          "draws by scores over the catalogue, but objective.type is "
                          "expected_value: its propensities would be false; expected linear");
}

void br_config_check_policy(br_config *config)
{
    if (config->policy_type == BR_POLICY_GREEDY)
        check_greedy(config);
    else
        check_random(config);
    if (config->policy_shortlist > 0 && config->policy_type != BR_POLICY_PLACKETT_LUCE)
        br_config_problem(config, "policy.shortlist",
                          "is set, but policy.type is not "
                          "plackett_luce");
    if (config->policy_shortlist > 0 && config->policy_shortlist < config->list_k)
        br_config_problem(config, "policy.shortlist", "found %lld, expected at least list.k = %lld",
                          (long long)config->policy_shortlist, (long long)config->list_k);
}
