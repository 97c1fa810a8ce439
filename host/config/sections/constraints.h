/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `constraints`: what holds over all customers together (docs/ALLOCATION.md). */
#ifndef BR_HOST_CONFIG_SECTIONS_CONSTRAINTS_H
#define BR_HOST_CONFIG_SECTIONS_CONSTRAINTS_H

/* clang-format off */
#define BR_CONSTRAINTS_KEYS(X) \
    X(BOOL, "constraints.capacity", constraints_capacity, "false", 0, 0, BR_KEY_SHAPING, \
      "an item is listed at most /item/capacity times", "") \
    X(OBJECTS, "constraints.budgets", constraints_budgets, "[]", 0, 8, BR_KEY_SHAPING, \
      "what all listed places may cost together", budget) \
    X(OBJECTS, "constraints.limits", constraints_limits, "[]", 0, 64, BR_KEY_SHAPING, \
      "how often, or with what share of all places, the items of a group are listed", limit) \
    X(INT, "constraints.shortlist", constraints_shortlist, "64", 1, 1024, BR_KEY_SHAPING, \
      "best items per customer, at first prices, that places are given to", "") \
    X(INT, "constraints.sample", constraints_sample, "8192", 0, 65536, BR_KEY_SHAPING, \
      "customers that first prices are found on, rounded down to a multiple of 64; 0, or half of " \
      "all and more: none", "") \
    X(BOOL, "constraints.fill", constraints_fill, "true", 0, 0, BR_KEY_SHAPING, \
      "fill lists as far as capacities go; false: only places worth more than constraints.floor " \
      "after the price of what they use up", "") \
    X(NUMBER, "constraints.floor", constraints_floor, "0", -1e30, 1e30, BR_KEY_SHAPING, \
      "score from which on a place is worth filling", "") \
    X(NUMBER, "constraints.tolerance", constraints_tolerance, "0.0002", 1e-9, 0.1, BR_KEY_SHAPING, \
      "relative gap to the best possible allocation that is aimed at", "")

#define BR_BUDGET_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the budget", "") \
    X(TEXT, "cost", cost, "", 0, 0, BR_KEY_REQUIRED, \
      "item value column: what one listed place costs, >= 0", "") \
    X(NUMBER, "max", max, "", 0, 1e15, BR_KEY_REQUIRED, "in the column's unit", "")

#define BR_LIMIT_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the limit", "") \
    X(TEXT, "group", group, "", 0, 0, BR_KEY_REQUIRED, "group column of the items, as brand", "") \
    X(TEXT, "member", member, "", 0, 0, BR_KEY_REQUIRED, "which of its groups", "") \
    X(INT, "max_units", max_units, "-1", -1, 9007199254740992, 0, \
      "places at most; -1: any number", "") \
    X(NUMBER, "min_share", min_share, "0", 0, 1, 0, "of all listed places, at least", "") \
    X(NUMBER, "max_share", max_share, "1", 0, 1, 0, "of all listed places, at most", "")

#define BR_CONSTRAINTS_RECORDS(R) \
    R(budget, BR_BUDGET_KEYS) \
    R(limit, BR_LIMIT_KEYS)
/* clang-format on */

#endif
