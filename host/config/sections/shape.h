/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `shape`: what a list as a whole must look like (docs/RULES.md, "Shape of a list"). */
#ifndef BR_HOST_CONFIG_SECTIONS_SHAPE_H
#define BR_HOST_CONFIG_SECTIONS_SHAPE_H

/* clang-format off */
#define BR_SHAPE_KEYS(X) \
    X(OBJECTS, "shape.quotas", shape_quotas, "[]", 0, 16, BR_KEY_SHAPING, \
      "at most so many items of a brand, a category, a family of variants in one list; lists " \
      "that are drawn keep them too", quota) \
    X(OBJECTS, "shape.pins", shape_pins, "[]", 0, 64, BR_KEY_SHAPING, \
      "items that have their place in every list they may be in", pin) \
    X(NUMBER, "shape.diversity", shape_diversity, "0", 0, 0.99, BR_KEY_SHAPING, \
      "how much it counts that an item differs from those listed already: 0 the score alone, 0.5 " \
      "both alike", "") \
    X(INT, "shape.window", shape_window, "200", 1, 1024, BR_KEY_SHAPING, \
      "diversity chooses among so many best items, at least list.k", "")

#define BR_QUOTA_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the quota, in messages", "") \
    X(TEXT, "group", group, "", 0, 0, BR_KEY_REQUIRED, "group column of the catalogue", "") \
    X(INT, "max", max, "", 1, 1024, BR_KEY_REQUIRED, \
      "items of any one of its groups in a list; 1 on the column of variants: no two variants", "")

#define BR_PIN_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the pin, in messages", "") \
    X(TEXT, "item", item, "", 0, 0, BR_KEY_REQUIRED, "key of the item in the catalogue", "") \
    X(INT, "slot", slot, "", 1, 1024, BR_KEY_REQUIRED, "its place in the list, from 1", "")

#define BR_SHAPE_RECORDS(R) \
    R(quota, BR_QUOTA_KEYS) \
    R(pin, BR_PIN_KEYS)
/* clang-format on */

#endif
