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

/* What a list's shape cannot go with: it is made after selection. */
static void check_company(br_config *config)
{
    bool is_shaped = config->shape_quotas.n > 0 || config->shape_pins.n > 0 ||
                     config->shape_diversity > 0.0 || config->list_fill;

    if (is_shaped && config->policy_type != BR_POLICY_GREEDY)
        br_config_problem(config, "shape",
                          "quotas, pins, diversity and list.fill act on drawn lists: their "
                          "propensities would be false; expected policy.type greedy");
    if (is_shaped && br_config_is_constrained(config))
        br_config_problem(config, "shape",
                          "quotas, pins, diversity and list.fill do not go with constraints: an "
                          "allocation chooses among the best items themselves");
}

void br_config_check_shape(br_config *config)
{
    check_company(config);
    for (int32_t i = 0; i < config->shape_pins.n; i++)
        check_pin(config, i);
    if (config->shape_diversity > 0.0 && config->shape_window < config->list_k)
        br_config_problem(config, "shape.window", "found %lld, expected at least list.k = %lld",
                          (long long)config->shape_window, (long long)config->list_k);
}
