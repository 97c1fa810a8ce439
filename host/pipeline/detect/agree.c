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

/* The same heads, NaN in the same places; how far apart the numbers are. */
static bool compare_survival(const br_lists *part, int64_t at, const br_lists *again,
                             br_agree_report *report)
{
    if (part->n_curves != again->n_curves)
        return false;
    for (int32_t h = 0; h < part->n_curves; h++) {
        const br_curve *a = &part->curve[h], *b = &again->curve[h];

        if (strcmp(a->name, b->name) != 0 || a->n_periods != b->n_periods ||
            a->period_s != b->period_s)
            return false;
        for (int32_t p = 0; p < a->n_periods; p++) {
            double found = (double)a->survival_BP[at * a->n_periods + p];
            double off   = fabs(found - (double)b->survival_BP[p]);

            if (isnan(found) != isnan((double)b->survival_BP[p]))
                return false;
            report->worst_survival = off > report->worst_survival ? off : report->worst_survival;
        }
    }
    return true;
}

const char *br_agree_lists(const br_lists *part, int64_t at, const br_lists *again,
                           br_agree_report *report)
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
    if (!compare_survival(part, at, again, report))
        return "survival heads, or who has them,";
    for (int32_t h = 0; h < part->n_heads; h++)
        for (int32_t j = 0; j < part->n_B[at]; j++) {
            double off = fabs((double)part->probability_BK[h][at * k + j] -
                              (double)again->probability_BK[h][j]);

            if (off > report->worst_probability)
                report->worst_probability = off;
        }
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
