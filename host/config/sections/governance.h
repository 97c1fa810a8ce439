/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `governance`: columns that the job must not read (docs/GOVERNANCE.md). */
#ifndef BR_HOST_CONFIG_SECTIONS_GOVERNANCE_H
#define BR_HOST_CONFIG_SECTIONS_GOVERNANCE_H

#define BR_CHOICES_FEATURES "refuse|missing"

enum { BR_FEATURES_REFUSE, BR_FEATURES_MISSING };

/* clang-format off */
#define BR_GOVERNANCE_KEYS(X) \
    X(NAMES, "governance.deny", governance_deny, "[]", 0, 0, BR_KEY_SHAPING, \
      "columns that are never opened, as static.gender, timeline.service, value.price; each must " \
      "be in its file", "") \
    X(NAMES, "governance.deny_if_present", governance_deny_if_present, "[]", 0, 0, \
      BR_KEY_SHAPING, \
      "the same for columns that the files may lack; names in full, as static.gender", "") \
    X(CHOICE, "governance.features", governance_features, "refuse", 0, 0, BR_KEY_SHAPING, \
      "a denied column that the model takes: the job is refused, or every customer is without it", \
      BR_CHOICES_FEATURES)
/* clang-format on */

#endif
