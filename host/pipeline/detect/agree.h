/* SPDX-License-Identifier: Apache-2.0
 *
 * A customer's list against the one that the reference made: items, order, score bits, flags and
 * sources are equal; probabilities and survival are apart by roundings at most. */
#ifndef BR_HOST_PIPELINE_DETECT_AGREE_H
#define BR_HOST_PIPELINE_DETECT_AGREE_H

#include <stdint.h>

#include "host/io/lists.h"
#include "host/pipeline/detect/roundings.h"

/* What x_u may differ by, of max(1, max|x_u|). */
double br_agree_tolerance(int64_t precision);

/* The largest differences; what each may be is told apart for every number (roundings.h), and
 * largest_share is the largest of difference / allowed. */
typedef struct br_agree_report {
    double worst_probability;
    double worst_survival;
    double largest_share;
} br_agree_report;

/* |found - expected| / allowed: 0 where they are the same number or both none, HUGE_VAL where one
 * is no number or `allowed` is none: what cannot be told is not let pass. */
double br_agree_share(double found, double expected, double allowed);

/* Customer `at` of `lists` against the first of `again`, which the roundings took. NULL where they
 * agree, else what does not: "items", "scores", ... Raises the report's numbers. */
const char *br_agree_lists(const br_lists *lists, int64_t at, const br_lists *again,
                           const br_roundings *roundings, br_agree_report *report);

/* Puts the first list of `again` in the place of customer `at`: what has a place per slot, length
 * and flags. */
void br_agree_adopt(br_lists *lists, int64_t at, const br_lists *again);

#endif
