/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pair's score is made of: the run's own terms stage, asked about this one item. Called
 * once per explanation, when the list has been compared. */
#include <math.h>

#include "host/pipeline/look/explain/facts.h"
#include "host/pipeline/objective/terms.h"
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/stages.h"

float br_explain_repetitions(const br_explained *x, double penalty_P[BR_MAX_PENALTIES])
{
    const br_setup     *s     = x->setup;
    const br_objective *o     = &s->objective;
    double              total = 0.0;

    for (int32_t p = 0; p < o->n_penalties; p++) {
        int64_t n;

        penalty_P[p] = 0.0;
        if (o->penalty[p].type != BR_PENALTY_REPETITION)
            continue;
        n = br_rulebook_penalties(s, &x->job->raw, 0, &o->penalty[p]);
        for (int64_t i = 0; i < n; i++)
            if (s->rulebook.scratch.item_S[i] == x->item)
                penalty_P[p] = s->rulebook.scratch.penalty_S[i];
        total += penalty_P[p];
    }
    return (float)total;
}

/* Puts the item alone into slot 1 and lets the stage describe it. */
static br_status describe(br_explained *x, int32_t listed)
{
    br_status st    = BR_OK;
    br_batch *batch = &x->batch;

    for (int32_t j = 0; j < batch->lists.k; j++)
        batch->lists.item_BK[j] = j == 0 ? listed : -1;
    BR_TRY(st, br_upload(x->job->dev, br_mat_rows(batch->item_BK, 0, 1), batch->lists.item_BK));
    BR_TRY(st, br_dev_sync(x->job->dev)); /* the lane reads it */
    BR_TRY(st, br_stage_describe(x->job, batch));
done:
    return st;
}

static br_status fetch_first(br_explained *x, br_mat from_BK, float *to)
{
    return br_download(x->batch.out_lane, br_mat_cols(br_mat_rows(from_BK, 0, 1), 0, 1), to);
}

/* x_u . z_i by itself. */
static br_status match(br_explained *x, int32_t listed, float *out)
{
    br_status           st    = BR_OK;
    br_dev             *lane  = x->job->lane[0];
    size_t              mark  = br_dev_mark(lane);
    br_score_pairs_args pairs = {.query_BD = br_mat_rows(x->batch.x_BD, 0, 1),
                                 .item_ND  = x->job->item_ND};

    BR_TRY(st, br_dev_scratch(lane, BR_I32, 1, 1, &pairs.item_BK));
    BR_TRY(st, br_dev_scratch(lane, BR_F32, 1, 1, &pairs.out_BK));
    BR_TRY(st, br_upload(lane, pairs.item_BK, &listed));
    BR_TRY(st, br_op_score_pairs(lane, &pairs));
    BR_TRY(st, br_download(lane, pairs.out_BK, out));
done:
    br_dev_rewind(lane, mark);
    return st;
}

/* Without terms a score is the dot product and the item's bias. */
static br_status add_plain(br_explained *x, const br_item_facts *item, br_pair_facts *out)
{
    br_status st = BR_OK;
    float     dot, bias;

    BR_TRY(st, match(x, item->listed, &dot));
    out->term[out->n_terms++] = (br_term_fact){"match", "x_u . z_i", dot, 1.0, 1.0, dot};
    if (x->job->bias_N.buf == NULL)
        goto done;
    BR_TRY(st, br_download(x->batch.out_lane, br_mat_rows(x->job->bias_N, item->listed, 1), &bias));
    out->term[out->n_terms++] = (br_term_fact){"item bias", "b_i", bias, 1.0, 1.0, bias};
done:
    return st;
}

static br_status add_terms(br_explained *x, br_pair_facts *out)
{
    br_status       st = BR_OK;
    const br_setup *s  = x->setup;
    float           raw;

    for (int32_t t = 0; t < s->objective.n_terms; t++) {
        const br_term *term = &s->objective.term[t];
        const char    *what = s->objective.type == BR_OBJECTIVE_EXPECTED_VALUE ? "probability"
                              : term->head < 0                                 ? "score"
                                                                               : "logit";

        BR_TRY(st, fetch_first(x, x->batch.term_BK[t], &raw));
        out->term[out->n_terms++] =
            (br_term_fact){term->name,
                           what,
                           br_terms_raw(x->job, term, raw),
                           term->weight,
                           br_objective_value(s, term->value, (int32_t)x->item),
                           (double)x->batch.lists.term_BK[t][0]};
    }
done:
    return st;
}

static void add_penalties(br_explained *x, br_pair_facts *out)
{
    const br_setup     *s = x->setup;
    const br_objective *o = &s->objective;
    double              penalty_P[BR_MAX_PENALTIES];

    (void)br_explain_repetitions(x, penalty_P);
    for (int32_t p = 0; p < o->n_penalties; p++) {
        double off = o->penalty[p].type == BR_PENALTY_LOW_VALUE
                         ? br_objective_low_value(s, &o->penalty[p], (int32_t)x->item)
                         : penalty_P[p];

        out->term[out->n_terms++] =
            (br_term_fact){o->penalty[p].name,
                           o->penalty[p].type == BR_PENALTY_LOW_VALUE ? "low value" : "repetition",
                           NAN,
                           o->penalty[p].weight,
                           br_objective_value(s, o->penalty[p].value, (int32_t)x->item),
                           0.0 - off};
    }
}

/* The parts are the score, up to the rounding of float32. */
static br_status check_sum(const br_explained *x, const br_pair_facts *pair)
{
    double sum = 0.0, size = 1.0;

    for (int32_t t = 0; t < pair->n_terms; t++) {
        sum += pair->term[t].contribution;
        size += fabs(pair->term[t].contribution);
    }
    if (!(fabs(sum - (double)pair->score) <= 2e-5 * size))
        return br_fail(
            BR_E_SELFCHECK,
            "customer of row %lld, item row %lld: the terms add up to %.9g, the score is "
            "%.9g",
            (long long)x->row, (long long)x->item, sum, (double)pair->score);
    return BR_OK;
}

br_status br_explain_terms(br_explained *x, const br_item_facts *item, br_pair_facts *out)
{
    br_status st = BR_OK;

    out->n_terms = 0;
    BR_TRY(st, describe(x, item->listed));
    BR_TRY(st, br_terms_fetch(x->job, &x->batch));
    out->n_heads = x->batch.lists.n_heads;
    for (int32_t h = 0; h < out->n_heads; h++)
        BR_TRY(st, fetch_first(x, x->batch.probability_BK[h], &out->probability[h]));
    BR_TRY(st, add_terms(x, out));
    if (x->setup->objective.n_terms == 0)
        BR_TRY(st, add_plain(x, item, out));
    add_penalties(x, out);
    BR_TRY(st, check_sum(x, out));
done:
    return st;
}
