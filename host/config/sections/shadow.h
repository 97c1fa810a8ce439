/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `shadow`: other weights, whose lists are made in the same pass and never published. */
#ifndef BR_HOST_CONFIG_SECTIONS_SHADOW_H
#define BR_HOST_CONFIG_SECTIONS_SHADOW_H

/* clang-format off */
#define BR_SHADOW_KEYS(X) \
    X(OBJECTS, "shadow.weightings", shadow_weightings, "[]", 0, 4, BR_KEY_SHAPING, \
      "other weights of objective.terms: their lists are written beside the published ones and " \
      "compared with them", shadow)

#define BR_SHADOW_WEIGHTING_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, \
      "of the weighting, where its lists are written", "") \
    X(NUMBERS, "weights", weights, "[]", -1e6, 1e6, BR_KEY_REQUIRED, \
      "one per term, in the order of objective.terms", "")

#define BR_SHADOW_RECORDS(R) \
    R(shadow, BR_SHADOW_WEIGHTING_KEYS)
/* clang-format on */

#endif
