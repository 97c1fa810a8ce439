/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `objective`: what lists are ranked by. */
#ifndef BR_HOST_CONFIG_SECTIONS_OBJECTIVE_H
#define BR_HOST_CONFIG_SECTIONS_OBJECTIVE_H

#define BR_CHOICES_OBJECTIVE "score|linear|expected_value"
#define BR_CHOICES_PENALTY   "repetition|low_value"

enum { BR_OBJECTIVE_SCORE, BR_OBJECTIVE_LINEAR, BR_OBJECTIVE_EXPECTED_VALUE };
enum { BR_PENALTY_REPETITION, BR_PENALTY_LOW_VALUE };

/* clang-format off */
#define BR_OBJECTIVE_KEYS(X) \
    X(CHOICE, "objective.type", objective_type, "score", 0, 0, BR_KEY_SHAPING, \
      "what lists are ranked by: the model's score; linear: the sum of weight x value x logit " \
      "over the terms; expected_value: the sum of weight x value x probability, on the best " \
      "candidates of the linear sum (of pair_mlp heads alone: of the score)", \
      BR_CHOICES_OBJECTIVE) \
    X(OBJECTS, "objective.terms", objective_terms, "[]", 0, 16, BR_KEY_SHAPING, \
      "what is added up", term) \
    X(INT, "objective.top", objective_top, "512", 1, 1024, BR_KEY_SHAPING, \
      "candidates per customer that expected_value ranks again, at least list.k", "") \
    X(OBJECTS, "objective.penalties", objective_penalties, "[]", 0, 16, BR_KEY_SHAPING, \
      "what is subtracted", penalty)

#define BR_TERM_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, \
      "of the term, where its part of an item's score is written", "") \
    X(TEXT, "head", head, "", 0, 0, 0, \
      "head of the model (pair_mlp: expected_value only); empty: the score itself (linear only)", \
      "") \
    X(NUMBER, "weight", weight, "", -1e6, 1e6, BR_KEY_REQUIRED, \
      "factor of the term; below 0 it counts against an item", "") \
    X(TEXT, "value", value, "", 0, 0, 0, \
      "item value column of the catalogue that multiplies the term, such as price; empty: 1", "")

#define BR_PENALTY_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, \
      "of the penalty, where its part of an item's score is written", "") \
    X(CHOICE, "type", type, "", 0, 0, BR_KEY_REQUIRED, \
      "repetition: the customer had contact with the item; low_value: the item's value is below " \
      "the floor", BR_CHOICES_PENALTY) \
    X(NUMBER, "weight", weight, "", 0, 1e6, BR_KEY_REQUIRED, \
      "of one contact just now, or of one unit of value that is missing", "") \
    X(NUMBER, "half_life_days", half_life_days, "14", 0.001, 36500, 0, \
      "repetition: a contact this long ago counts half", "") \
    X(TEXT, "timeline", timeline, "", 0, 0, 0, \
      "repetition: the timeline whose events count; empty: /contact of the customers", "") \
    X(TEXT, "value", value, "", 0, 0, 0, \
      "low_value: item value column of the catalogue", "") \
    X(NUMBER, "floor", floor, "0", -1e12, 1e12, 0, \
      "low_value: an item costs weight x max(0, floor - value)", "")

#define BR_OBJECTIVE_RECORDS(R) \
    R(term, BR_TERM_KEYS) \
    R(penalty, BR_PENALTY_KEYS)
/* clang-format on */

#endif
