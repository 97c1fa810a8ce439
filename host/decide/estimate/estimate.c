/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimators, standard errors and refusals from the terms of lists. Called once per row of a
 * report. */
#include "host/decide/estimate/estimate.h"

#include <math.h>

#include "host/base/memory.h"
#include "host/decide/estimate/terms.h"

#define NORMAL_975 1.959963984540054
#define ROUNDING   1e-12 /* a standard error that is only rounding, over the value */

const char *const br_estimator_name[BR_N_ESTIMATORS] = {"ips", "snips", "clipped",
                                                        "dm",  "dr",    "sndr"};
const char *const br_refusal_text[BR_N_REFUSALS]     = {
        "", "fewer than 2 lists", "too few effective lists", "one list weighs too much",
        "every list adds the same: no interval can be given"};

static double mean_of(const double *x_N, int64_t n)
{
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++)
        sum += x_N[i];
    return n > 0 ? sum / (double)n : 0.0;
}

/* Standard error of the mean; 0 for fewer than two. */
static double error_of(const double *x_N, int64_t n)
{
    double mean = mean_of(x_N, n), sum = 0.0;

    for (int64_t i = 0; i < n; i++)
        sum += (x_N[i] - mean) * (x_N[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1) / (double)n) : 0.0;
}

/* added_N: what each list adds to an estimator; for the ratios its linear part, the derivative by
 * the means of the terms (delta method), which has the same mean up to a constant. */
static void linearise(const br_terms *t, br_estimator which, const double mean[N_TERMS],
                      double *added_N)
{
    bool   has_value = which == BR_EST_DM || which == BR_EST_DR || which == BR_EST_SNDR;
    bool   has_model = which == BR_EST_DR || which == BR_EST_SNDR;
    bool   is_ratio  = which == BR_EST_SNIPS || which == BR_EST_SNDR;
    double weight    = mean[TERM_WEIGHT] > 0.0 ? mean[TERM_WEIGHT] : 1.0;
    double theta     = (mean[TERM_EARNED] - (has_model ? mean[TERM_MODEL] : 0.0)) / weight;

    for (int64_t i = 0; i < t->n; i++) {
        double earned = which == BR_EST_CLIPPED ? t->of[TERM_CLIPPED][i] : t->of[TERM_EARNED][i];

        if (which == BR_EST_DM)
            earned = 0.0;
        if (has_model)
            earned -= t->of[TERM_MODEL][i];
        if (is_ratio)
            earned = mean[TERM_SLOTS] / weight * (earned - theta * t->of[TERM_WEIGHT][i]) +
                     theta * t->of[TERM_SLOTS][i];
        added_N[i] = earned + (has_value ? t->of[TERM_VALUE][i] : 0.0);
    }
}

/* The rows that were looked at, for the shares and the largest weight. */
static void look_at_rows(const br_estimate_args *a, br_support *s)
{
    const br_shown_log *log = a->log;
    double              low = 0.0, zero = 0.0, clipped = 0.0, n;

    for (int64_t l = 0; l < log->n_lists; l++) {
        if (!log->is_kept_L[l] || (a->stratum >= 0 && log->stratum_L[l] != a->stratum))
            continue;
        for (int64_t r = log->first_L1[l]; r < log->first_L1[l + 1]; r++) {
            double w = a->weight_R[r];

            if (a->position > 0 && log->position_R[r] != a->position)
                continue;
            s->n_rows++;
            s->max_weight = w > s->max_weight ? w : s->max_weight;
            low += exp(log->log_propensity_R[r]) < a->floor;
            zero += w <= 0.0;
            clipped += w > a->clip;
        }
    }
    n                    = s->n_rows > 0 ? (double)s->n_rows : 1.0;
    s->below_floor_share = low / n;
    s->zero_share        = zero / n;
    s->clipped_share     = clipped / n;
}

static void look_at_weights(const br_terms *t, const double mean[N_TERMS], double *scratch_N,
                            br_support *s)
{
    double square = 0.0, sum = mean[TERM_WEIGHT] * (double)t->n, largest = 0.0;

    s->n_lists = t->n;
    if (t->n == 0)
        return;
    s->mean_weight = mean[TERM_WEIGHT] / mean[TERM_SLOTS];
    for (int64_t i = 0; i < t->n; i++) {
        double b = t->of[TERM_WEIGHT][i];

        square += b * b;
        largest      = b > largest ? b : largest;
        scratch_N[i] = (b - s->mean_weight * t->of[TERM_SLOTS][i]) / mean[TERM_SLOTS];
    }
    s->mean_weight_se = error_of(scratch_N, t->n);
    s->ess            = square > 0.0 ? sum * sum / square : 0.0;
    s->max_share      = sum > 0.0 ? largest / sum : 0.0;
}

/* DM has no weights, so thin support does not touch it; a model may say the same of every list. */
static br_refusal judge(const br_estimate_args *a, const br_support *s, br_estimator which,
                        const br_estimate *e)
{
    if (s->n_lists < 2)
        return BR_REFUSE_LISTS;
    if (which == BR_EST_DM)
        return BR_REFUSE_NOT;
    if (s->ess < a->min_ess || s->ess <= 0.0)
        return BR_REFUSE_ESS;
    if (s->max_share > a->max_share)
        return BR_REFUSE_SHARE;
    return e->se > ROUNDING * fabs(e->value) ? BR_REFUSE_NOT : BR_REFUSE_SAME;
}

br_status br_estimate_value(const br_estimate_args *a, br_estimates *out)
{
    br_status st            = BR_OK;
    br_terms  terms         = {0};
    double   *added_N       = NULL;
    double    mean[N_TERMS] = {0.0};

    *out = (br_estimates){0};
    BR_TRY(st, br_terms_take(a, &terms));
    BR_ALLOC(st, added_N, terms.n, "what each list adds");
    for (int32_t t = 0; t < N_TERMS; t++)
        mean[t] = mean_of(terms.of[t], terms.n);
    look_at_rows(a, &out->support);
    look_at_weights(&terms, mean, added_N, &out->support);
    out->logged    = mean[TERM_REWARD];
    out->logged_se = error_of(terms.of[TERM_REWARD], terms.n);
    for (int32_t i = 0; i < BR_N_ESTIMATORS; i++) {
        br_estimate *e = &out->of[i];

        e->is_there = i < BR_EST_DM || terms.has_model;
        linearise(&terms, (br_estimator)i, mean, added_N);
        e->value    = br_terms_value((br_estimator)i, mean);
        e->se       = error_of(added_N, terms.n);
        e->low      = e->value - NORMAL_975 * e->se;
        e->high     = e->value + NORMAL_975 * e->se;
        e->boot_low = e->boot_high = NAN;
        e->refusal                 = judge(a, &out->support, (br_estimator)i, e);
    }
    if (a->n_boot > 0 && terms.n > 1)
        BR_TRY(st, br_estimate_resample(&terms, a->n_boot, a->seed, out->of));
done:
    br_free(&added_N);
    br_terms_free(&terms);
    return st;
}
