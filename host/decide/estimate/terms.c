/* SPDX-License-Identifier: Apache-2.0
 *
 * The terms of each list that is looked at. Called once per table row of a report. */
#include "host/decide/estimate/terms.h"

#include "host/base/memory.h"

/* The rows of a list that count; none when the list does not. */
static void rows_of(const br_estimate_args *a, int64_t l, int64_t *first, int64_t *end)
{
    const br_shown_log *log = a->log;
    int64_t             row;

    *first = log->first_L1[l];
    *end   = *first;
    if (!log->is_kept_L[l] || (a->stratum >= 0 && log->stratum_L[l] != a->stratum))
        return;
    if (a->position == 0) {
        *end = log->first_L1[l + 1];
        return;
    }
    row = *first + a->position - log->position_R[*first];
    if (row >= *first && row < log->first_L1[l + 1]) {
        *first = row;
        *end   = row + 1;
    }
}

static void take_list(const br_estimate_args *a, int64_t first, int64_t end, double sum[N_TERMS])
{
    for (int64_t r = first; r < end; r++) {
        double w = a->weight_R[r], reward = a->log->reward_R[r];

        sum[TERM_WEIGHT] += w;
        sum[TERM_SLOTS] += 1.0;
        sum[TERM_REWARD] += reward;
        sum[TERM_EARNED] += w * reward;
        sum[TERM_CLIPPED] += (w < a->clip ? w : a->clip) * reward;
        if (a->model_R != NULL)
            sum[TERM_MODEL] += w * a->model_R[r];
    }
    if (a->form == BR_FORM_LIST && end > first) { /* one weight for the list, not one per row */
        sum[TERM_WEIGHT] = a->weight_R[first];
        sum[TERM_SLOTS]  = 1.0;
    }
}

br_status br_terms_take(const br_estimate_args *a, br_terms *out)
{
    br_status st = BR_OK;
    int64_t   first, end;

    *out           = (br_terms){0};
    out->has_model = a->model_R != NULL && (a->position == 0 || a->log->longest == 1);
    for (int64_t l = 0; l < a->log->n_lists; l++) {
        rows_of(a, l, &first, &end);
        out->n += end > first;
    }
    BR_ALLOC(st, out->data, N_TERMS * out->n, "terms of lists");
    for (int32_t t = 0; t < N_TERMS && out->n > 0; t++)
        out->of[t] = out->data + t * out->n;
    out->n = 0;
    for (int64_t l = 0; l < a->log->n_lists; l++) {
        double sum[N_TERMS] = {0.0};

        rows_of(a, l, &first, &end);
        if (end == first)
            continue;
        take_list(a, first, end, sum);
        sum[TERM_VALUE] = out->has_model ? a->value_L[l] : 0.0;
        for (int32_t t = 0; t < N_TERMS; t++)
            out->of[t][out->n] = sum[t];
        out->n++;
    }
done:
    return st;
}

void br_terms_free(br_terms *terms)
{
    br_free(&terms->data);
    *terms = (br_terms){0};
}

double br_terms_value(br_estimator which, const double mean[N_TERMS])
{
    double per_slot = mean[TERM_WEIGHT] > 0.0 ? mean[TERM_SLOTS] / mean[TERM_WEIGHT] : 0.0;

    switch (which) {
    case BR_EST_IPS:
        return mean[TERM_EARNED];
    case BR_EST_SNIPS:
        return per_slot * mean[TERM_EARNED];
    case BR_EST_CLIPPED:
        return mean[TERM_CLIPPED];
    case BR_EST_DM:
        return mean[TERM_VALUE];
    case BR_EST_DR:
        return mean[TERM_VALUE] + mean[TERM_EARNED] - mean[TERM_MODEL];
    case BR_EST_SNDR:
        return mean[TERM_VALUE] + per_slot * (mean[TERM_EARNED] - mean[TERM_MODEL]);
    case BR_N_ESTIMATORS:
        break;
    }
    return 0.0;
}
