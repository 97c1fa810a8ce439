/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of named items. Called a few times per explanation, and once per event left out. */
#include "host/pipeline/look/explain/scorer.h"

#include <string.h>

#include "host/pipeline/objective/rank.h"

#define BLOCK 4096

br_status br_scorer_open(br_job *job, br_batch *batch, br_scorer *out)
{
    br_status st = BR_OK;

    *out = (br_scorer){.job = job, .batch = batch};
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, 1, BLOCK, &out->item_1M));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, BLOCK, &out->penalty_1M));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, BLOCK, &out->score_1M));
    BR_TRY(st, br_dev_sync(job->dev)); /* the lane uses them */
    BR_TRY(st, br_choose_room_open(&out->room, 1, BLOCK, 1));
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
    br_choose_room_close(&s->room);
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

/* By the same function as lists (choose/worth.c). */
static br_status score_expected(br_scorer *s, br_scorer_rows rows, float *score_N)
{
    br_status st    = BR_OK;
    br_dev   *lane  = s->job->lane[0];
    br_mat    item  = br_mat_cols(s->item_1M, 0, rows.n);
    br_chunk  chunk = {.job   = s->job,
                       .batch = s->batch,
                       .lane  = lane,
                       .rows  = {0, 1},
                       .x_BD  = br_mat_rows(s->batch->x_BD, 0, 1),
                       .room  = &s->room};

    for (int64_t i = 0; i < rows.n; i++) {
        s->room.item_BM[i]    = rows.row_N[i];
        s->room.penalty_BM[i] = rows.penalty_N == NULL ? 0.0f : rows.penalty_N[i];
    }
    BR_TRY(st, br_upload(lane, item, s->room.item_BM));
    BR_TRY(st,
           br_choose_expect(&chunk, (int32_t)rows.n, item, br_mat_cols(s->score_1M, 0, rows.n)));
    memcpy(score_N, s->room.score_BM, (size_t)rows.n * sizeof *score_N);
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
