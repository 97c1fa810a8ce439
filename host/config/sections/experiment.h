/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `experiment`: who is held out, and which arm the others get. */
#ifndef BR_HOST_CONFIG_SECTIONS_EXPERIMENT_H
#define BR_HOST_CONFIG_SECTIONS_EXPERIMENT_H

/* clang-format off */
#define BR_EXPERIMENT_KEYS(X) \
    X(TEXT, "experiment.salt", experiment_salt, "", 0, 0, BR_KEY_SHAPING, \
      "name of the experiment: the same salt deals the same customers; empty: no experiment", "") \
    X(NUMBER, "experiment.hold_out", experiment_hold_out, "0", 0, 0.9, BR_KEY_SHAPING, \
      "share of the customers who get no list, to compare the others with", "") \
    X(OBJECTS, "experiment.arms", experiment_arms, "[]", 0, 16, BR_KEY_SHAPING, \
      "what the others are dealt to; empty: one arm", arm)

#define BR_ARM_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the arm", "") \
    X(NUMBER, "weight", weight, "1", 1e-6, 1e6, 0, "its share is weight / the sum of weights", "")

#define BR_EXPERIMENT_RECORDS(R) \
    R(arm, BR_ARM_KEYS)
/* clang-format on */

#endif
