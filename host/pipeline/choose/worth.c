/* SPDX-License-Identifier: Apache-2.0
 *
 * What given items are worth to given customers: scores or expected values, less penalties. Called
 * once per chunk and block of items. */
#include <math.h>

#include "host/pipeline/choose/chunk.h"

/* Items to be scored again: [rows, m] in the room's item_BM. */
typedef struct again {
    int32_t m;
    br_mat  item_BM;
    br_mat  score_BM;
} again;

/* Adds weight x value x p of one term to the totals. */
static br_status add_expected(br_chunk *c, const again *a, const br_term *term)
{
    br_status           st    = BR_OK;
    const br_setup     *s     = c->job->setup;
    br_choose_room     *room  = c->room;
    size_t              mark  = br_dev_mark(c->lane);
    br_score_pairs_args pairs = {.query_BD = c->x_BD,
                                 .item_ND  = c->job->item_ND,
                                 .bias_N   = c->job->term_bias_N[term - s->objective.term],
                                 .item_BK  = a->item_BM,
                                 .out_BK   = a->score_BM};

    if (!term->is_pair) {
        BR_TRY(st, br_dev_scratch(c->lane, BR_F32, c->rows.n, s->dim, &pairs.query_BD));
        BR_TRY(st, br_rank_project(&c->job->rank, c->lane,
                                   br_model_head_weight(c->job->model, term->head), c->x_BD,
                                   pairs.query_BD));
    }
    BR_TRY(st, br_model_head_pairs(c->job->model, c->lane, term->head, &pairs));
    BR_TRY(st, br_model_head_calibrate(c->job->model, c->lane, term->head, a->score_BM));
    BR_TRY(st, br_download(c->lane, a->score_BM, room->score_BM));
    for (int64_t i = 0; i < c->rows.n * a->m; i++) {
        int32_t item = room->item_BM[i];

        if (item >= 0)
            room->total_BM[i] += term->weight *
                                 br_objective_value(s, term->value, s->catalogue_row[item]) *
                                 (double)room->score_BM[i];
    }
done:
    br_dev_rewind(c->lane, mark);
    return st;
}

/* Expected values of item_BM into score_BM: terms in order, then penalties, fp64, rounded once. One
 * that does not fit float32 is BR_E_INPUT naming customer and item. */
br_status br_choose_expect(br_chunk *c, int32_t m, br_mat item_BM, br_mat score_BM)
{
    br_status           st   = BR_OK;
    const br_setup     *s    = c->job->setup;
    const br_objective *o    = &s->objective;
    br_choose_room     *room = c->room;
    const again         a    = {m, item_BM, score_BM};
    int64_t             n    = c->rows.n * m;

    for (int64_t i = 0; i < n; i++)
        room->total_BM[i] = 0.0;
    for (int32_t t = 0; t < o->n_terms; t++)
        BR_TRY(st, add_expected(c, &a, &o->term[t]));
    for (int64_t i = 0; i < n; i++) {
        int32_t item  = room->item_BM[i];
        double  total = room->total_BM[i];

        for (int32_t p = 0; item >= 0 && p < o->n_penalties; p++)
            if (o->penalty[p].type == BR_PENALTY_LOW_VALUE)
                total -= br_objective_low_value(s, &o->penalty[p], s->catalogue_row[item]);
        room->score_BM[i] = (float)(total - (double)room->penalty_BM[i]) + 0.0f;
        if (item >= 0 && !isfinite(room->score_BM[i]))
            BR_TRY(st, br_candidates_overflow(c->job, c->batch,
                                              (br_rows){br_chunk_row(c, i / m), 1}, 0, item));
    }
done:
    return st;
}

br_status br_choose_worth(br_chunk *c, int32_t m)
{
    br_status           st       = BR_OK;
    size_t              mark     = br_dev_mark(c->lane);
    again               a        = {.m = m};
    bool                expected = c->job->setup->objective.type == BR_OBJECTIVE_EXPECTED_VALUE;
    br_score_pairs_args pairs    = {
           .query_BD = c->query_BQ, .item_ND = c->job->rank.item_NQ, .bias_N = c->job->rank.bias_N};

    BR_TRY(st, br_dev_scratch(c->lane, BR_I32, c->rows.n, a.m, &a.item_BM));
    BR_TRY(st, br_dev_scratch(c->lane, BR_F32, c->rows.n, a.m, &a.score_BM));
    BR_TRY(st, br_dev_scratch(c->lane, BR_F32, c->rows.n, a.m, &pairs.penalty_BK));
    pairs.item_BK = a.item_BM;
    pairs.out_BK  = a.score_BM;
    BR_TRY(st, br_upload(c->lane, a.item_BM, c->room->item_BM));
    if (expected) {
        BR_TRY(st, br_choose_expect(c, m, a.item_BM, a.score_BM));
    } else {
        BR_TRY(st, br_upload(c->lane, pairs.penalty_BK, c->room->penalty_BM));
        BR_TRY(st, br_op_score_pairs(c->lane, &pairs));
        BR_TRY(st, br_download(c->lane, a.score_BM, c->room->score_BM));
    }
done:
    br_dev_rewind(c->lane, mark);
    return st;
}
