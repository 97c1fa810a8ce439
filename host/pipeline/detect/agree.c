/* SPDX-License-Identifier: Apache-2.0
 *
 * Two lists of one customer. Called for each customer of a sample. */
#include "host/pipeline/detect/agree.h"

#include <math.h>
#include <string.h>

#include "kernels/ops.h"

#define TOLERANCE      2e-5
#define BF16_TOLERANCE 1e-2 /* a sum's last bits may round the next operand the other way */

double br_agree_tolerance(int64_t precision)
{
    return precision == BR_PRECISION_BF16 ? BF16_TOLERANCE : TOLERANCE;
}

double br_agree_share(double found, double expected, double allowed)
{
    double share = fabs(found - expected) / allowed;

    if (found == expected || (isnan(found) && isnan(expected)))
        return 0.0;
    return share >= 0.0 ? share : HUGE_VAL;
}

/* Raises *worst and the share of what is allowed. */
static void raise_to(double found, double expected, double allowed, double *worst,
                     br_agree_report *report)
{
    double share = br_agree_share(found, expected, allowed);

    if (share > 0.0)
        *worst = fmax(*worst, fabs(found - expected));
    report->largest_share = fmax(report->largest_share, share);
}

/* The same heads; how far apart the numbers are. */
static bool compare_survival(const br_lists *part, int64_t at, const br_lists *again,
                             const br_roundings *roundings, br_agree_report *report)
{
    if (part->n_curves != again->n_curves)
        return false;
    for (int32_t h = 0; h < part->n_curves; h++) {
        const br_curve *a = &part->curve[h], *b = &again->curve[h];

        if (strcmp(a->name, b->name) != 0 || a->n_periods != b->n_periods ||
            a->period_s != b->period_s)
            return false;
        for (int32_t p = 0; p < a->n_periods; p++)
            raise_to((double)a->survival_BP[at * a->n_periods + p], (double)b->survival_BP[p],
                     br_roundings_of_survival(roundings), &report->worst_survival, report);
    }
    return true;
}

static void compare_probabilities(const br_lists *part, int64_t at, const br_lists *again,
                                  const br_roundings *roundings, br_agree_report *report)
{
    for (int32_t h = 0; h < part->n_heads; h++)
        for (int32_t j = 0; j < part->n_B[at]; j++) {
            double found    = (double)part->probability_BK[h][at * part->k + j];
            double expected = (double)again->probability_BK[h][j], lo, hi;

            br_roundings_of_slot(roundings, h, j, expected, &lo, &hi);
            raise_to(found, expected, found < expected ? expected - lo : hi - expected,
                     &report->worst_probability, report);
        }
}

/* What has to be the same bits. */
static const char *compare_bits(const br_lists *part, int64_t at, const br_lists *again)
{
    int32_t k = part->k;

    if (k != again->k || part->n_heads != again->n_heads)
        return "shape";
    if (part->n_B[at] != again->n_B[0] || part->flags_B[at] != again->flags_B[0])
        return "length or flags";
    if (memcmp(part->item_BK + at * k, again->item_BK, (size_t)k * 4) != 0)
        return "items";
    if (memcmp(part->score_BK + at * k, again->score_BK, (size_t)again->n_B[0] * 4) != 0)
        return "scores";
    if (memcmp(part->source_BK + at * k, again->source_BK, (size_t)k) != 0)
        return "sources";
    return NULL;
}

const char *br_agree_lists(const br_lists *part, int64_t at, const br_lists *again,
                           const br_roundings *roundings, br_agree_report *report)
{
    const char *what = compare_bits(part, at, again);

    if (what != NULL)
        return what;
    if (!compare_survival(part, at, again, roundings, report))
        return "survival heads";
    compare_probabilities(part, at, again, roundings, report);
    return NULL;
}

static void adopt_floats(float *to_BK, const float *from_K, int64_t at, int64_t n)
{
    if (to_BK != NULL && from_K != NULL)
        memcpy(to_BK + at * n, from_K, (size_t)n * sizeof *from_K);
}

void br_agree_adopt(br_lists *lists, int64_t at, const br_lists *again)
{
    int32_t k = lists->k;

    lists->n_B[at]     = again->n_B[0];
    lists->flags_B[at] = again->flags_B[0];
    memcpy(lists->item_BK + at * k, again->item_BK, (size_t)k * 4);
    memcpy(lists->source_BK + at * k, again->source_BK, (size_t)k);
    adopt_floats(lists->score_BK, again->score_BK, at, k);
    adopt_floats(lists->log_propensity_BK, again->log_propensity_BK, at, k);
    adopt_floats(lists->log_normaliser_B, again->log_normaliser_B, at, 1);
    adopt_floats(lists->log_remaining_B, again->log_remaining_B, at, 1);
    for (int32_t h = 0; h < lists->n_heads; h++)
        adopt_floats(lists->probability_BK[h], again->probability_BK[h], at, k);
    for (int32_t t = 0; t < lists->n_terms; t++)
        adopt_floats(lists->term_BK[t], again->term_BK[t], at, k);
    for (int32_t h = 0; h < lists->n_curves; h++)
        adopt_floats(lists->curve[h].survival_BP, again->curve[h].survival_BP, at,
                     lists->curve[h].n_periods);
}
