/* SPDX-License-Identifier: Apache-2.0
 *
 * Contributions of terms and penalties. Called once per work unit, by the writing thread. */
#include "host/pipeline/objective/terms.h"

#include <math.h>

double br_terms_raw(const br_job *job, const br_term *term, float raw)
{
    double c = 0.0;

    if (term->head >= 0 && job->setup->objective.type == BR_OBJECTIVE_LINEAR)
        c = (double)br_model_head_bias(job->model, term->head);
    return (double)raw + c;
}

/* weight x value x logit or probability. */
static double of_term(const br_job *job, const br_term *term, int32_t item, float raw)
{
    const br_setup *s = job->setup;

    return term->weight * br_objective_value(s, term->value, s->catalogue_row[item]) *
           br_terms_raw(job, term, raw);
}

double br_terms_unweighted(const br_job *job, int32_t t, int32_t item, float raw)
{
    const br_setup *s    = job->setup;
    const br_term  *term = &s->objective.term[t];

    return br_objective_value(s, term->value, s->catalogue_row[item]) *
           br_terms_raw(job, term, raw);
}

double br_terms_penalty(const br_job *job, const br_batch *batch, int64_t b, int32_t item)
{
    const br_setup     *s     = job->setup;
    const br_objective *o     = &s->objective;
    int64_t             extra = br_batch_extra(batch, b, item);
    double              sum   = extra >= 0 ? (double)batch->extra_penalty_P[extra] : 0.0;

    for (int32_t p = 0; p < o->n_penalties; p++)
        if (o->penalty[p].type == BR_PENALTY_LOW_VALUE)
            sum += br_objective_low_value(s, &o->penalty[p], s->catalogue_row[item]);
    return sum;
}

static void explain_terms(const br_job *job, br_lists *lists, int32_t t)
{
    const br_term *term  = &job->setup->objective.term[t];
    float         *to_BK = lists->term_BK[t];

    for (int64_t at = 0; at < lists->n_rows * lists->k; at++)
        to_BK[at] =
            lists->item_BK[at] < 0 ? NAN : (float)of_term(job, term, lists->item_BK[at], to_BK[at]);
}

/* `place`: among the repetition penalties. */
static void explain_penalty(const br_job *job, br_batch *batch, int32_t p, int32_t place)
{
    const br_setup     *s     = job->setup;
    const br_objective *o     = &s->objective;
    br_lists           *lists = &batch->lists;
    float              *to_BK = lists->term_BK[o->n_terms + p];

    for (int64_t at = 0; at < lists->n_rows * lists->k; at++) {
        int32_t item = lists->item_BK[at];
        int64_t extra;

        to_BK[at] = NAN;
        if (item < 0)
            continue;
        to_BK[at] = 0.0f;
        if (o->penalty[p].type == BR_PENALTY_LOW_VALUE) {
            to_BK[at] -= (float)br_objective_low_value(s, &o->penalty[p], s->catalogue_row[item]);
            continue;
        }
        extra = br_batch_extra(batch, at / lists->k, item);
        if (extra >= 0)
            to_BK[at] -= batch->extra_part_PR[extra * o->n_repetitions + place];
    }
}

br_status br_terms_fetch(br_job *job, br_batch *batch)
{
    br_status           st    = BR_OK;
    const br_objective *o     = &job->setup->objective;
    int32_t             place = 0;

    for (int32_t t = 0; t < o->n_terms; t++) {
        BR_TRY(st, br_download(batch->out_lane, br_mat_rows(batch->term_BK[t], 0, batch->n_rows),
                               batch->lists.term_BK[t]));
        explain_terms(job, &batch->lists, t);
    }
    for (int32_t p = 0; p < o->n_penalties; p++) {
        explain_penalty(job, batch, p, place);
        place += o->penalty[p].type == BR_PENALTY_REPETITION;
    }
done:
    return st;
}
