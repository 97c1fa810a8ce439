/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `shadow`: the table of its records, and what its keys must say together. */
#include "host/config/check.h"

#define BR_BASE br_config_shadow
BR_RECORD_TABLE(shadow, BR_SHADOW_WEIGHTING_KEYS);
#undef BR_BASE

static void check_shadow(br_config *config, int32_t i)
{
    const br_config_shadow *shadow  = &config->shadow_weightings.item[i];
    int32_t                 n_terms = config->objective_terms.n;
    char                    path[64];

    (void)snprintf(path, sizeof path, "shadow.weightings[%d].weights", i);
    if (shadow->weights.n != n_terms)
        br_config_problem(config, path, "found %d numbers, expected %d: one per objective.terms",
                          shadow->weights.n, n_terms);
    (void)snprintf(path, sizeof path, "shadow.weightings[%d].name", i);
    br_config_check_name(config, path, shadow->name);
}

void br_config_check_shadow(br_config *config)
{
    if (config->shadow_weightings.n == 0)
        return;
    if (config->objective_terms.n == 0)
        br_config_problem(config, "shadow.weightings",
                          "weighs terms, but objective.terms is empty");
    if (config->policy_type != BR_POLICY_GREEDY)
        br_config_problem(config, "shadow.weightings",
                          "lists drawn at random differ by chance; expected policy.type greedy");
    if (br_config_is_constrained(config))
        br_config_problem(config, "shadow.weightings",
                          "lists that share capacities are not lists of one weighting; expected "
                          "no constraints");
    for (int32_t i = 0; config->objective_terms.n > 0 && i < config->shadow_weightings.n; i++)
        check_shadow(config, i);
}
