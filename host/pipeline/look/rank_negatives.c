/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores given pairs of customers and items. Once per work unit, only in `evaluate`. */
#include "host/pipeline/look/rank_negatives.h"

#include <math.h>

#include "host/base/memory.h"
#include "host/io/matrix.h"
#include "host/pipeline/stages.h"

#define TILE_ROWS 1024

typedef struct pair_tile {
    int64_t  row;
    int64_t  n_rows;
    int64_t  n_cols; /* the target, then its negatives */
    float   *number_BN;
    int32_t *item_BK;
    float   *score_BK;
} pair_tile;

static void tile_free(pair_tile *t)
{
    br_free(&t->number_BN);
    br_free(&t->item_BK);
    br_free(&t->score_BK);
}

static br_status listed_of(const br_job *job, const char *path, int64_t row, float number,
                           int32_t *out)
{
    const br_setup *s = job->setup;

    if (!(number >= 0.0f) || number >= (float)s->catalogue.n_items || number != floorf(number))
        return br_fail(BR_E_INPUT, "%s: row %lld: found %g, expected a catalogue row in [0, %lld)",
                       path, (long long)row, (double)number, (long long)s->catalogue.n_items);
    *out = s->listed_row[(int64_t)number];
    return BR_OK;
}

static br_status fill_tile(const br_job *job, const br_batch *batch, const char *path,
                           const int32_t *target_B, pair_tile *t)
{
    br_status st = BR_OK;

    for (int64_t b = 0; b < t->n_rows; b++) {
        int32_t *item_K = t->item_BK + b * t->n_cols;
        int32_t  target = target_B[t->row + b];

        item_K[0] = target < 0 ? -1 : job->setup->listed_row[target];
        for (int64_t j = 1; j < t->n_cols; j++)
            BR_TRY(st, listed_of(job, path, batch->first_row + t->row + b,
                                 t->number_BN[b * (t->n_cols - 1) + j - 1], &item_K[j]));
    }
done:
    return st;
}

static br_status score_tile(br_job *job, const br_batch *batch, pair_tile *t)
{
    br_status           st    = BR_OK;
    br_mat              items = {0}, scores = {0};
    br_score_pairs_args args;

    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, t->n_rows, t->n_cols, &items));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, t->n_rows, t->n_cols, &scores));
    BR_TRY(st, br_upload(job->dev, items, t->item_BK));
    args = (br_score_pairs_args){.query_BD = br_mat_rows(batch->x_BD, t->row, t->n_rows),
                                 .item_ND  = job->item_ND,
                                 .bias_N   = job->bias_N,
                                 .item_BK  = items,
                                 .out_BK   = scores};
    BR_TRY(st, br_op_score_pairs(job->dev, &args));
    BR_TRY(st, br_download(job->dev, scores, t->score_BK));
done:
    br_dev_free(&items);
    br_dev_free(&scores);
    return st;
}

static void rank_tile(const pair_tile *t, int64_t *rank_B)
{
    for (int64_t b = 0; b < t->n_rows; b++) {
        const float *score_K = t->score_BK + b * t->n_cols;
        int64_t      rank    = 0;

        for (int64_t j = 1; j < t->n_cols; j++)
            rank += score_K[j] > score_K[0];
        rank_B[t->row + b] = t->item_BK[b * t->n_cols] < 0 ? -1 : rank;
    }
}

static br_status rank_tiles(br_job *job, const br_batch *batch, br_matrix *negatives,
                            const char *path, const int32_t *target_B, int64_t *rank_B)
{
    br_status st = BR_OK;
    pair_tile t  = {.n_cols = br_matrix_n_cols(negatives) + 1};

    BR_ALLOC(st, t.number_BN, TILE_ROWS * (t.n_cols - 1), "negatives");
    BR_ALLOC(st, t.item_BK, TILE_ROWS * t.n_cols, "negatives");
    BR_ALLOC(st, t.score_BK, TILE_ROWS * t.n_cols, "negatives");
    for (t.row = 0; t.row < batch->n_rows; t.row += TILE_ROWS) {
        t.n_rows = batch->n_rows - t.row < TILE_ROWS ? batch->n_rows - t.row : TILE_ROWS;
        BR_TRY(st, br_matrix_read(negatives, batch->first_row + t.row, t.n_rows, t.number_BN));
        BR_TRY(st, fill_tile(job, batch, path, target_B, &t));
        BR_TRY(st, score_tile(job, batch, &t));
        rank_tile(&t, rank_B);
    }
done:
    tile_free(&t);
    return st;
}

br_status br_rank_among_negatives(br_job *job, br_batch *batch, const char *path,
                                  const int32_t *target_B, int64_t *rank_B)
{
    br_status  st        = BR_OK;
    br_matrix *negatives = NULL;
    double     cpu_s     = 0.0;

    BR_TRY(st, br_matrix_open(path, &negatives));
    if (br_matrix_n_rows(negatives) != br_customers_info_of(job->setup->customers)->n_customers)
        BR_FAIL(st, BR_E_INPUT, "%s: found %lld rows, expected %lld, one per customer of %s", path,
                (long long)br_matrix_n_rows(negatives),
                (long long)br_customers_info_of(job->setup->customers)->n_customers,
                job->config->input_customers);
    BR_TRY(st, br_stage_encode(job, batch, &cpu_s));
    BR_TRY(st, br_stage_fuse(job, batch, &cpu_s));
    BR_TRY(st, rank_tiles(job, batch, negatives, path, target_B, rank_B));
done:
    br_matrix_close(&negatives);
    return st;
}
