/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `rules`: tables of its records, and what its keys must say together. */
#include <string.h>

#include "host/config/check.h"

#define BR_BASE br_config_customer_rule
BR_RECORD_TABLE(customer_rule, BR_CUSTOMER_RULE_KEYS);
#undef BR_BASE
#define BR_BASE br_config_item_rule
BR_RECORD_TABLE(item_rule, BR_ITEM_RULE_KEYS);
#undef BR_BASE
#define BR_BASE br_config_match_rule
BR_RECORD_TABLE(match_rule, BR_MATCH_RULE_KEYS);
#undef BR_BASE
#define BR_BASE br_config_suppression
BR_RECORD_TABLE(suppression, BR_SUPPRESSION_KEYS);
#undef BR_BASE
#define BR_BASE br_config_cap_rule
BR_RECORD_TABLE(cap_rule, BR_CAP_RULE_KEYS);
#undef BR_BASE
#define BR_BASE br_config_quiet_rule
BR_RECORD_TABLE(quiet_rule, BR_QUIET_RULE_KEYS);
#undef BR_BASE
#define BR_BASE br_config_recent_rule
BR_RECORD_TABLE(recent_rule, BR_RECENT_RULE_KEYS);
#undef BR_BASE

#define MAX_NAMES 256

/* Every rule's name, with its place: they share one ledger. */
typedef struct named {
    const char *name;
    char        path[64];
    bool        is_of_customers;
} named;

typedef struct names {
    int32_t n;
    named   of[MAX_NAMES];
} names;

static void add_name(names *all, const char *key, int32_t i, const char *name, bool of_customers)
{
    named *to = &all->of[all->n++];

    *to = (named){.name = name, .is_of_customers = of_customers};
    if (i >= 0)
        (void)snprintf(to->path, sizeof to->path, "rules.%s[%d].name", key, i);
    else
        (void)snprintf(to->path, sizeof to->path, "%s", key);
}

static void add_names(const br_config *c, names *all)
{
    if (c->list_channel[0] != '\0')
        add_name(all, "list.channel", -1, "consent", true);
    for (int32_t i = 0; i < c->rules_suppressions.n; i++)
        add_name(all, "suppressions", i, c->rules_suppressions.item[i].name, true);
    for (int32_t i = 0; i < c->rules_customers.n; i++)
        add_name(all, "customers", i, c->rules_customers.item[i].name, true);
    for (int32_t i = 0; i < c->rules_quiet.n; i++)
        add_name(all, "quiet", i, c->rules_quiet.item[i].name, true);
    for (int32_t i = 0; i < c->rules_caps.n; i++)
        add_name(all, "caps", i, c->rules_caps.item[i].name, true);
    if (c->rules_household[0] != '\0')
        add_name(all, "rules.household", -1, "household", true);
    for (int32_t i = 0; i < c->rules_items.n; i++)
        add_name(all, "items", i, c->rules_items.item[i].name, false);
    for (int32_t i = 0; i < c->rules_matches.n; i++)
        add_name(all, "matches", i, c->rules_matches.item[i].name, false);
    for (int32_t i = 0; i < c->rules_recent.n; i++)
        add_name(all, "recent", i, c->rules_recent.item[i].name, false);
}

static void check_names(br_config *config, const names *all)
{
    for (int32_t i = 0; i < all->n; i++)
        for (int32_t j = 0; j < i; j++)
            if (strcmp(all->of[i].name, all->of[j].name) == 0)
                br_config_problem(config, all->of[i].path, "\"%.60s\" is the name of %s too",
                                  all->of[i].name, all->of[j].path);
    for (int32_t i = 0; i < config->rules_order.n; i++) {
        bool is_known = false;

        for (int32_t j = 0; j < all->n; j++)
            is_known |= all->of[j].is_of_customers &&
                        strcmp(all->of[j].name, config->rules_order.item[i]) == 0;
        if (!is_known)
            br_config_problem(config, "rules.order", "\"%.60s\" is no rule for customers",
                              config->rules_order.item[i]);
    }
}

static void check_item_rule(br_config *config, int32_t i)
{
    const br_config_item_rule *rule = &config->rules_items.item[i];
    char                       path[64];

    (void)snprintf(path, sizeof path, "rules.items[%d]", i);
    if ((rule->only[0] == '\0') == (rule->never[0] == '\0'))
        br_config_problem(config, path, "found %s, expected either `only` or `never`",
                          rule->only[0] == '\0' ? "neither" : "both");
}

void br_config_check_rules(br_config *config)
{
    names all = {0};

    add_names(config, &all);
    check_names(config, &all);
    for (int32_t i = 0; i < config->rules_items.n; i++)
        check_item_rule(config, i);
    for (int32_t i = 0; i < config->rules_quiet.n; i++)
        if (config->rules_quiet.item[i].weekdays.n + config->rules_quiet.item[i].dates.n == 0) {
            char path[64];

            (void)snprintf(path, sizeof path, "rules.quiet[%d]", i);
            br_config_problem(config, path, "names neither weekdays nor dates");
        }
    if ((config->rules_caps.n > 0 || config->rules_quiet.n > 0 || config->rules_recent.n > 0) &&
        config->rules_send_at == INT64_MAX && config->run_as_of == INT64_MAX)
        br_config_problem(config, "rules.send_at",
                          "is empty and so is run.as_of: caps, quiet days and recent items need "
                          "to know the day");
}
