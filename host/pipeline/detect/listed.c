/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of listed pairs. Called once per work unit, by the writing thread. */
#include "host/pipeline/detect/listed.h"

#include <string.h>

#include "host/base/memory.h"

#define MOST_ROWS 8192

bool br_listed_is_for(const br_job *job)
{
    return job->shaping == NULL && job->setup->objective.n_candidates == 0 &&
           job->setup->objective.n_repetitions == 0 && job->config->price_N == NULL;
}

br_status br_listed_open(br_job *job, br_listed *out)
{
    br_status st    = BR_OK;
    size_t    query = (size_t)job->setup->objective.width * 4;

    *out        = (br_listed){0};
    out->n_rows = job->max_rows < MOST_ROWS ? job->max_rows : MOST_ROWS;
    if (out->n_rows > job->score_rows) /* so many columns has the rank's own */
        out->n_rows = job->score_rows;
    BR_TRY(st, br_dev_open_lane(job->dev, (size_t)out->n_rows * query + 4096, &out->lane));
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, out->n_rows, job->k, &out->item_BK));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, out->n_rows, job->k, &out->score_BK));
    BR_ALLOC(st, out->host_item_BK, out->n_rows * job->k, "listed pairs");
    BR_ALLOC(st, out->host_score_BK, out->n_rows * job->k, "scores of listed pairs");
done:
    return st;
}

void br_listed_close(br_listed *listed)
{
    br_dev_free(&listed->item_BK);
    br_dev_free(&listed->score_BK);
    br_dev_close(&listed->lane);
    br_free(&listed->host_item_BK);
    br_free(&listed->host_score_BK);
}

/* Catalogue rows back to listed ones; what the model did not list counts for nothing. */
static void take_items(br_listed *l, const br_job *job, const br_lists *lists, br_rows rows)
{
    int64_t first = rows.first * lists->k;

    for (int64_t at = 0; at < rows.n * lists->k; at++) {
        bool    is_model = lists->source_BK[first + at] == BR_SOURCE_MODEL;
        int32_t row      = is_model ? job->setup->listed_row[lists->item_BK[first + at]] : -1;

        l->host_item_BK[at] = row;
    }
}

static br_status score(br_listed *l, br_job *job, const br_batch *batch, br_rows rows)
{
    br_status           st   = BR_OK;
    size_t              mark = br_dev_mark(l->lane);
    br_score_pairs_args args = {.item_ND = job->rank.item_NQ,
                                .bias_N  = job->rank.bias_N,
                                .item_BK = br_mat_rows(l->item_BK, 0, rows.n),
                                .out_BK  = br_mat_rows(l->score_BK, 0, rows.n)};

    BR_TRY(st, br_upload(l->lane, args.item_BK, l->host_item_BK));
    BR_TRY(st, br_rank_query(&job->rank, l->lane, br_mat_rows(batch->x_BD, rows.first, rows.n),
                             &args.query_BD));
    BR_TRY(st, br_op_score_pairs(l->lane, &args));
    BR_TRY(st, br_download(l->lane, args.out_BK, l->host_score_BK));
done:
    br_dev_rewind(l->lane, mark);
    return st;
}

br_status br_listed_look(br_listed *l, br_job *job, const br_batch *batch, int64_t *row,
                         int32_t *slot, float *expected)
{
    br_status       st    = BR_OK;
    const br_lists *lists = &batch->lists;
    int32_t         k     = lists->k;

    for (int64_t first = *row; first < batch->n_rows; first += l->n_rows) {
        int64_t left = batch->n_rows - first;
        br_rows rows = {first, left < l->n_rows ? left : l->n_rows};

        take_items(l, job, lists, rows);
        BR_TRY(st, score(l, job, batch, rows));
        for (int64_t at = 0; at < rows.n * k; at++)
            if (l->host_item_BK[at] >= 0 &&
                memcmp(&l->host_score_BK[at], &lists->score_BK[first * k + at], 4) != 0) {
                *row      = first + at / k;
                *slot     = (int32_t)(at % k);
                *expected = l->host_score_BK[at];
                return BR_OK;
            }
    }
    *row = -1;
done:
    return st;
}
