/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `rules`: who may be contacted today, and with what (docs/RULES.md). */
#ifndef BR_HOST_CONFIG_SECTIONS_RULES_H
#define BR_HOST_CONFIG_SECTIONS_RULES_H

/* clang-format off */
#define BR_RULES_KEYS(X) \
    X(TIME, "rules.send_at", rules_send_at, "", 0, 0, BR_KEY_SHAPING, \
      "when the lists are sent: days are counted back from here; empty: run.as_of", "") \
    X(TEXT, "rules.time_zone", rules_time_zone, "UTC", 0, 0, BR_KEY_SHAPING, \
      "zone of customers without one, such as Europe/Paris", "") \
    X(TEXT, "rules.time_zone_column", rules_time_zone_column, "", 0, 0, BR_KEY_SHAPING, \
      "static column whose categories are zone names; empty: all live in rules.time_zone", "") \
    X(OBJECTS, "rules.customers", rules_customers, "[]", 0, 32, BR_KEY_SHAPING, \
      "customers who get no list", customer_rule) \
    X(OBJECTS, "rules.items", rules_items, "[]", 0, 48, BR_KEY_SHAPING, \
      "which items a customer may see", item_rule) \
    X(OBJECTS, "rules.matches", rules_matches, "[]", 0, 16, BR_KEY_SHAPING, \
      "customer and item must be of the same category, such as the region", match_rule) \
    X(OBJECTS, "rules.suppressions", rules_suppressions, "[]", 0, 16, BR_KEY_SHAPING, \
      "files of customers who get no list, such as complaints or the lists of a campaign that " \
      "goes first", suppression) \
    X(OBJECTS, "rules.caps", rules_caps, "[]", 0, 32, BR_KEY_SHAPING, \
      "who had enough contacts lately gets no list", cap_rule) \
    X(OBJECTS, "rules.quiet", rules_quiet, "[]", 0, 8, BR_KEY_SHAPING, \
      "days on which nobody gets a list", quiet_rule) \
    X(OBJECTS, "rules.recent", rules_recent, "[]", 0, 8, BR_KEY_SHAPING, \
      "items that a customer met lately and is not shown again", recent_rule) \
    X(TEXT, "rules.household", rules_household, "", 0, 0, BR_KEY_SHAPING, \
      "static column of households: one customer of each gets a list, the one of the lowest row; " \
      "empty: all do", "") \
    X(NAMES, "rules.order", rules_order, "[]", 0, 0, BR_KEY_SHAPING, \
      "precedence: names of rules for customers, whose verdict counts first; the others follow " \
      "as consent, suppressions, customers, quiet, caps, household", "") \
    X(TEXT, "rules.strata", rules_strata, "", 0, 0, BR_KEY_SHAPING, \
      "static column by which the ledger counts verdicts; empty: all together", "")

#define BR_CUSTOMER_RULE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the rule, in the ledger", "") \
    X(TEXT, "hold", hold, "", 0, 0, BR_KEY_REQUIRED, \
      "condition on the customer's columns: where it holds there is no list", "")

#define BR_ITEM_RULE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the rule, in the ledger", "") \
    X(TEXT, "when", when, "", 0, 0, 0, \
      "condition on the customer's columns; empty: everyone", "") \
    X(TEXT, "only", only, "", 0, 0, 0, \
      "condition on the item's columns: these customers see no other items", "") \
    X(TEXT, "never", never, "", 0, 0, 0, \
      "condition on the item's columns: these customers never see such items", "")

#define BR_MATCH_RULE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the rule, in the ledger", "") \
    X(TEXT, "customer", customer, "", 0, 0, BR_KEY_REQUIRED, "static column of the customers", "") \
    X(TEXT, "item", item, "", 0, 0, BR_KEY_REQUIRED, "group of the items", "")

#define BR_SUPPRESSION_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the file, in the ledger", "") \
    X(PATH, "path", path, "", 0, 0, BR_KEY_REQUIRED, \
      "text file with one customer key per line, or a run directory: those it has lists for", "")

#define BR_CAP_RULE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the cap, in the ledger", "") \
    X(INT, "max", max, "", 1, 1000000, BR_KEY_REQUIRED, \
      "contacts in the last `days` days from which on there is none more", "") \
    X(INT, "days", days, "", 1, 3660, BR_KEY_REQUIRED, \
      "calendar days in the customer's zone, today included", "") \
    X(BOOL, "by_message", by_message, "true", 0, 0, 0, \
      "contacts of one instant are one message; false: each item counts", "")

#define BR_QUIET_RULE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the rule, in the ledger", "") \
    X(NAMES, "weekdays", weekdays, "[]", 0, 0, 0, "such as sunday", "") \
    X(NAMES, "dates", dates, "[]", 0, 0, 0, "such as 2026-12-25", "")

#define BR_RECENT_RULE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the rule, in the ledger", "") \
    X(TEXT, "timeline", timeline, "", 0, 0, 0, \
      "timeline of catalogue items, such as purchase; empty: /contact", "") \
    X(INT, "days", days, "", 1, 3660, BR_KEY_REQUIRED, \
      "calendar days in the customer's zone, today included", "")

#define BR_RULES_RECORDS(R) \
    R(customer_rule, BR_CUSTOMER_RULE_KEYS) \
    R(item_rule, BR_ITEM_RULE_KEYS) \
    R(match_rule, BR_MATCH_RULE_KEYS) \
    R(suppression, BR_SUPPRESSION_KEYS) \
    R(cap_rule, BR_CAP_RULE_KEYS) \
    R(quiet_rule, BR_QUIET_RULE_KEYS) \
    R(recent_rule, BR_RECENT_RULE_KEYS)
/* clang-format on */

#endif
