/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `policy`: how lists are chosen by the scores: the best, or at random with known
 * probabilities, so that what comes of them can be learnt from (docs/POLICIES.md). */
#ifndef BR_HOST_CONFIG_SECTIONS_POLICY_H
#define BR_HOST_CONFIG_SECTIONS_POLICY_H

#define BR_CHOICES_POLICY "greedy|plackett_luce|epsilon"

enum { BR_POLICY_GREEDY, BR_POLICY_PLACKETT_LUCE, BR_POLICY_EPSILON };

/* clang-format off */
#define BR_POLICY_KEYS(X) \
    X(CHOICE, "policy.type", policy_type, "greedy", 0, 0, BR_KEY_SHAPING, \
      "greedy: the best items; plackett_luce: drawn one after the other with probability " \
      "proportional to e^(score / temperature); epsilon: the best that is left, but with " \
      "probability epsilon any", BR_CHOICES_POLICY) \
    X(NUMBER, "policy.temperature", policy_temperature, "1", 0.001, 1000, BR_KEY_SHAPING, \
      "plackett_luce: higher explores more", "") \
    X(NUMBER, "policy.epsilon", policy_epsilon, "0.1", 0, 1, BR_KEY_SHAPING, \
      "epsilon: higher explores more", "") \
    X(INT, "policy.seed", policy_seed, "1", 0, 9007199254740992, BR_KEY_SHAPING, \
      "of the draws: the same seed draws the same lists; change it every night", "") \
    X(INT, "policy.shortlist", policy_shortlist, "0", 0, 1024, BR_KEY_SHAPING, \
      "plackett_luce: only so many best items take part; 0: the whole catalogue", "") \
    X(OBJECTS, "policy.strata", policy_strata, "[]", 0, 16, BR_KEY_SHAPING, \
      "customers who get another temperature or epsilon; the first whose condition holds counts", \
      stratum) \
    X(NUMBER, "policy.min_diversity", policy_min_diversity, "0", 0, 1, BR_KEY_SHAPING, \
      "guard: where two draws of the first item differ with less probability than this in any " \
      "stratum, `run` ends with code 10", "")

#define BR_STRATUM_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "of the stratum", "") \
    X(TEXT, "when", when, "", 0, 0, BR_KEY_REQUIRED, "condition on the customer's columns", "") \
    X(NUMBER, "temperature", temperature, "1", 0.001, 1000, 0, "of these customers", "") \
    X(NUMBER, "epsilon", epsilon, "0.1", 0, 1, 0, "of these customers", "")

#define BR_POLICY_RECORDS(R) \
    R(stratum, BR_STRATUM_KEYS)
/* clang-format on */

#endif
