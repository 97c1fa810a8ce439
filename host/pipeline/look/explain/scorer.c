/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of named items. Called a few times per explanation, and once per event left out. */
#include "host/pipeline/look/explain/scorer.h"

#include "host/base/memory.h"
#include "host/pipeline/choose/rank.h"

#define BLOCK 4096

br_status br_scorer_open(br_job *job, br_batch *batch, br_scorer *out)
{
    br_status st = BR_OK;

    *out = (br_scorer){.job = job, .batch = batch};
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, 1, BLOCK, &out->item_1M));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, BLOCK, &out->penalty_1M));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, BLOCK, &out->score_1M));
    BR_TRY(st, br_dev_sync(job->dev)); /* the lane uses them */
    BR_ALLOC(st, out->total_M, BLOCK, "expected values");
done:
    if (st != BR_OK)
        br_scorer_close(out);
    return st;
}

void br_scorer_close(br_scorer *s)
{
    br_dev_free(&s->item_1M);
    br_dev_free(&s->penalty_1M);
    br_dev_free(&s->score_1M);
    br_free(&s->total_M);
}

static br_status score_linear(br_scorer *s, br_scorer_rows rows, float *score_N)
{
    br_status           st    = BR_OK;
    br_dev             *lane  = s->job->lane[0];
    size_t              mark  = br_dev_mark(lane);
    br_score_pairs_args pairs = {.item_ND = s->job->rank.item_NQ,
                                 .bias_N  = s->job->rank.bias_N,
                                 .item_BK = br_mat_cols(s->item_1M, 0, rows.n),
                                 .out_BK  = br_mat_cols(s->score_1M, 0, rows.n)};

    BR_TRY(st, br_upload(lane, pairs.item_BK, rows.row_N));
    if (rows.penalty_N != NULL) {
        pairs.penalty_BK = br_mat_cols(s->penalty_1M, 0, rows.n);
        BR_TRY(st, br_upload(lane, pairs.penalty_BK, rows.penalty_N));
    }
    BR_TRY(st,
           br_rank_query(&s->job->rank, lane, br_mat_rows(s->batch->x_BD, 0, 1), &pairs.query_BD));
    BR_TRY(st, br_op_score_pairs(lane, &pairs));
    BR_TRY(st, br_download(lane, pairs.out_BK, score_N));
done:
    br_dev_rewind(lane, mark);
    return st;
}

/* Adds weight x value x p of one term to the totals. */
static br_status add_term(br_scorer *s, br_scorer_rows rows, int32_t t, float *score_N)
{
    br_status           st    = BR_OK;
    const br_setup     *setup = s->job->setup;
    const br_term      *term  = &setup->objective.term[t];
    br_dev             *lane  = s->job->lane[0];
    size_t              mark  = br_dev_mark(lane);
    br_score_pairs_args pairs = {.item_ND = s->job->item_ND,
                                 .bias_N  = s->job->term_bias_N[t],
                                 .item_BK = br_mat_cols(s->item_1M, 0, rows.n),
                                 .out_BK  = br_mat_cols(s->score_1M, 0, rows.n)};

    BR_TRY(st, br_dev_scratch(lane, BR_F32, 1, setup->dim, &pairs.query_BD));
    BR_TRY(st, br_rank_project(&s->job->rank, lane, br_model_head_weight(s->job->model, term->head),
                               br_mat_rows(s->batch->x_BD, 0, 1), pairs.query_BD));
    BR_TRY(st, br_op_score_pairs(lane, &pairs));
    BR_TRY(st, br_model_head_calibrate(s->job->model, lane, term->head, pairs.out_BK));
    BR_TRY(st, br_download(lane, pairs.out_BK, score_N));
    for (int64_t i = 0; i < rows.n; i++)
        s->total_M[i] +=
            term->weight *
            br_objective_value(setup, term->value, setup->catalogue_row[rows.row_N[i]]) *
            (double)score_N[i];
done:
    br_dev_rewind(lane, mark);
    return st;
}

static br_status score_expected(br_scorer *s, br_scorer_rows rows, float *score_N)
{
    br_status           st    = BR_OK;
    const br_setup     *setup = s->job->setup;
    const br_objective *o     = &setup->objective;

    for (int64_t i = 0; i < rows.n; i++)
        s->total_M[i] = 0.0;
    BR_TRY(st, br_upload(s->job->lane[0], br_mat_cols(s->item_1M, 0, rows.n), rows.row_N));
    for (int32_t t = 0; t < o->n_terms; t++)
        BR_TRY(st, add_term(s, rows, t, score_N));
    for (int64_t i = 0; i < rows.n; i++) {
        double total = s->total_M[i];

        for (int32_t p = 0; p < o->n_penalties; p++)
            if (o->penalty[p].type == BR_PENALTY_LOW_VALUE)
                total -= br_objective_low_value(setup, &o->penalty[p],
                                                setup->catalogue_row[rows.row_N[i]]);
        total -= rows.penalty_N == NULL ? 0.0 : (double)rows.penalty_N[i];
        score_N[i] = (float)total + 0.0f; /* no -0 */
    }
done:
    return st;
}

/* In blocks. */
static br_status score_all(br_scorer *s, br_scorer_rows rows, bool is_expected, float *score_N)
{
    br_status st = BR_OK;

    for (int64_t first = 0; first < rows.n; first += BLOCK) {
        br_scorer_rows block = {.n     = rows.n - first < BLOCK ? rows.n - first : BLOCK,
                                .row_N = rows.row_N + first,
                                .penalty_N =
                                    rows.penalty_N == NULL ? NULL : rows.penalty_N + first};

        st = is_expected ? score_expected(s, block, score_N + first)
                         : score_linear(s, block, score_N + first);
        if (st != BR_OK)
            break;
    }
    return st;
}

br_status br_scorer_linear(br_scorer *s, br_scorer_rows rows, float *score_N)
{
    return score_all(s, rows, false, score_N);
}

br_status br_scorer_rank(br_scorer *s, br_scorer_rows rows, float *score_N)
{
    return score_all(s, rows, s->job->setup->objective.type == BR_OBJECTIVE_EXPECTED_VALUE,
                     score_N);
}
