/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `shape`: tables of its records, and what its keys must say together. */
#include <string.h>

#include "host/config/check.h"

#define BR_BASE br_config_quota
BR_RECORD_TABLE(quota, BR_QUOTA_KEYS);
#undef BR_BASE
#define BR_BASE br_config_pin
BR_RECORD_TABLE(pin, BR_PIN_KEYS);
#undef BR_BASE

static void check_pin(br_config *config, int32_t i)
{
    const br_config_pin *pin = &config->shape_pins.item[i];
    char                 path[64];

    (void)snprintf(path, sizeof path, "shape.pins[%d].slot", i);
    if (pin->slot > config->list_k)
        br_config_problem(config, path, "found %lld, but lists have list.k = %lld slots",
                          (long long)pin->slot, (long long)config->list_k);
    for (int32_t j = 0; j < i; j++) {
        const br_config_pin *other = &config->shape_pins.item[j];

        if (other->slot == pin->slot)
            br_config_problem(config, path, "slot %lld is pinned by \"%.60s\" too",
                              (long long)pin->slot, other->name);
        if (strcmp(other->item, pin->item) == 0)
            br_config_problem(config, path, "item \"%.60s\" is pinned by \"%.60s\" too", pin->item,
                              other->name);
    }
}

static bool moves_items(const br_config *config)
{
    return config->shape_pins.n > 0 || config->shape_diversity > 0.0;
}

static bool has_fallbacks(const br_config *config)
{
    return config->list_fill || config->list_fallback_newest ||
           config->list_fallback_group[0] != '\0';
}

/* Drawn lists take nothing but quotas, which act before each draw. */
static void check_drawn(br_config *config)
{
    if (moves_items(config))
        br_config_problem(config, "shape",
                          "pins and diversity go with policy.type greedy only: the propensities "
                          "of drawn lists would be false");
    else if (has_fallbacks(config))
        br_config_problem(config, "list",
                          "fill, fallback_group and fallback_newest go with policy.type greedy "
                          "only: the propensities of drawn lists would be false");
}

/* Lists made by price over all customers take nothing. */
static void check_constrained(br_config *config)
{
    bool is_shaped = moves_items(config) || config->shape_quotas.n > 0;

    if (is_shaped || has_fallbacks(config))
        br_config_problem(config, is_shaped ? "shape" : "list",
                          "%s do not go with constraints: these make lists by price, and would "
                          "break the shape",
                          is_shaped ? "quotas, pins and diversity"
                                    : "fill, fallback_group and fallback_newest");
}

void br_config_check_shape(br_config *config)
{
    if (config->policy_type != BR_POLICY_GREEDY)
        check_drawn(config);
    if (br_config_is_constrained(config))
        check_constrained(config);
    for (int32_t i = 0; i < config->shape_pins.n; i++)
        check_pin(config, i);
    if (config->shape_diversity > 0.0 && config->shape_window < config->list_k)
        br_config_problem(config, "shape.window", "found %lld, expected at least list.k = %lld",
                          (long long)config->shape_window, (long long)config->list_k);
}
