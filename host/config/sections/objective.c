/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `objective`: tables of its records, and what its keys must say together. */
#include <string.h>

#include "host/config/check.h"

#define BR_BASE br_config_term
BR_RECORD_TABLE(term, BR_TERM_KEYS);
#undef BR_BASE
#define BR_BASE br_config_penalty
BR_RECORD_TABLE(penalty, BR_PENALTY_KEYS);
#undef BR_BASE

static void check_term(br_config *config, int32_t i)
{
    const br_config_term *term = &config->objective_terms.item[i];
    char                  path[64];

    (void)snprintf(path, sizeof path, "objective.terms[%d].name", i);
    br_config_check_name(config, path, term->name);
    (void)snprintf(path, sizeof path, "objective.terms[%d].head", i);
    if (config->objective_type == BR_OBJECTIVE_EXPECTED_VALUE && term->head[0] == '\0')
        br_config_problem(config, path, "is missing: expected_value adds up probabilities");
}

static void check_penalty(br_config *config, int32_t i)
{
    static const struct {
        int32_t     type; /* to which the key means nothing */
        const char *key;
        const char *but;
    } strange[] = {
        {BR_PENALTY_REPETITION, "value", "the penalty's type is repetition"},
        {BR_PENALTY_REPETITION, "floor", "the penalty's type is repetition"},
        {BR_PENALTY_LOW_VALUE, "half_life_days", "the penalty's type is low_value"},
        {BR_PENALTY_LOW_VALUE, "timeline", "the penalty's type is low_value"},
    };
    const br_config_penalty *penalty = &config->objective_penalties.item[i];
    char                     path[64], key[96];

    (void)snprintf(path, sizeof path, "objective.penalties[%d]", i);
    for (size_t s = 0; s < sizeof strange / sizeof strange[0]; s++)
        if (strange[s].type == penalty->type)
            br_config_check_unset(config, &br_record_penalty, penalty, path, strange[s].key,
                                  strange[s].but);
    (void)snprintf(key, sizeof key, "%s.value", path);
    if (penalty->type == BR_PENALTY_LOW_VALUE && penalty->value[0] == '\0')
        br_config_problem(config, key, "is missing: low_value compares a column with the floor");
    (void)snprintf(key, sizeof key, "%s.name", path);
    br_config_check_name(config, key, penalty->name);
    for (int32_t t = 0; t < config->objective_terms.n; t++)
        if (strcmp(config->objective_terms.item[t].name, penalty->name) == 0)
            br_config_problem(config, key, "\"%.200s\" is the name of a term too", penalty->name);
}

void br_config_check_objective(br_config *config)
{
    char type[32];

    (void)br_choice_at(BR_CHOICES_OBJECTIVE, config->objective_type, type);
    if (config->objective_type == BR_OBJECTIVE_SCORE && config->objective_terms.n > 0)
        br_config_problem(config, "objective.terms",
                          "is set, but objective.type is score; expected linear or expected_value");
    if (config->objective_type != BR_OBJECTIVE_SCORE && config->objective_terms.n == 0)
        br_config_problem(config, "objective.terms", "is empty, but objective.type is %s", type);
    if (config->objective_type == BR_OBJECTIVE_EXPECTED_VALUE &&
        config->objective_top < config->list_k)
        br_config_problem(config, "objective.top", "found %lld, expected at least list.k = %lld",
                          (long long)config->objective_top, (long long)config->list_k);
    for (int32_t i = 0; i < config->objective_terms.n; i++)
        check_term(config, i);
    for (int32_t i = 0; i < config->objective_penalties.n; i++)
        check_penalty(config, i);
}
