/* SPDX-License-Identifier: Apache-2.0
 *
 * Folds an objective's linear terms into one query and one bias: everything in fp64, rounded once.
 * Opened once per job; br_rank_query once per chunk of customers. */
#include "host/pipeline/objective/rank.h"

#include "host/base/memory.h"
#include "host/pipeline/job.h"

/* Adds weight x W_k (or the identity) to a block [D, D] of the fold. */
static br_status add_term(br_job *job, const br_term *term, float *weight_DD, double *block_DD)
{
    br_status st = BR_OK;
    int32_t   D  = job->setup->dim;

    if (term->head < 0) {
        for (int32_t d = 0; d < D; d++)
            block_DD[d * D + d] += term->weight;
        return BR_OK;
    }
    BR_TRY(st, br_download(job->dev, br_model_head_weight(job->model, term->head), weight_DD));
    for (int64_t i = 0; i < (int64_t)D * D; i++)
        block_DD[i] += term->weight * (double)weight_DD[i];
done:
    return st;
}

static br_status fold_queries(br_job *job)
{
    br_status           st   = BR_OK;
    const br_objective *o    = &job->setup->objective;
    br_rank            *rank = &job->rank;
    int64_t             D = job->setup->dim, n_block = D * D;
    double             *block_DD  = NULL;
    float              *weight_DD = NULL, *fold_QD = NULL;

    BR_ALLOC(st, block_DD, n_block, "a block of the objective");
    BR_ALLOC(st, weight_DD, n_block, "a head's weights");
    BR_ALLOC(st, fold_QD, o->width * D, "the objective's weights");
    for (int32_t b = 0; b < o->n_blocks; b++) {
        for (int64_t i = 0; i < n_block; i++)
            block_DD[i] = 0.0;
        for (int32_t t = 0; t < o->n_terms; t++)
            if (!o->term[t].is_pair && o->term[t].value == o->block_value[b])
                BR_TRY(st, add_term(job, &o->term[t], weight_DD, block_DD));
        for (int64_t i = 0; i < n_block; i++)
            fold_QD[b * n_block + i] = (float)(block_DD[i] * o->block_scale[b]);
    }
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, o->width, D, &rank->fold_QD));
    BR_TRY(st, br_upload(job->dev, rank->fold_QD, fold_QD));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&block_DD);
    br_free(&weight_DD);
    br_free(&fold_QD);
    return st;
}

/* Adds weight x value x (b_{k,i} + c_k) of every item held. */
static br_status add_bias(br_job *job, const br_term *term, float *column_N, double *bias_N)
{
    br_status       st   = BR_OK;
    const br_setup *s    = job->setup;
    br_mat          mine = {0};
    br_mat          from = job->bias_N;
    double          c    = 0.0;

    if (term->head >= 0) {
        BR_TRY(st,
               br_job_gather_listed(job, br_model_head_item_bias(job->model, term->head), &mine));
        from = mine;
        c    = (double)br_model_head_bias(job->model, term->head);
    }
    if (from.buf != NULL)
        BR_TRY(st, br_download(job->dev, from, column_N));
    for (int64_t i = 0; i < s->held.n; i++) {
        double factor =
            term->weight * br_objective_value(s, term->value, s->catalogue_row[s->held.first + i]);

        bias_N[i] += factor * ((from.buf != NULL ? (double)column_N[i] : 0.0) + c);
    }
done:
    br_dev_free(&mine);
    return st;
}

static bool has_low_value(const br_objective *o)
{
    for (int32_t p = 0; p < o->n_penalties; p++)
        if (o->penalty[p].type == BR_PENALTY_LOW_VALUE)
            return true;
    return false;
}

static br_status fold_bias(br_job *job)
{
    br_status           st       = BR_OK;
    const br_setup     *s        = job->setup;
    const br_objective *o        = &s->objective;
    const br_term       plain    = {.head = -1, .weight = 1.0, .value = -1};
    double             *bias_N   = NULL;
    float              *column_N = NULL;

    BR_ALLOC(st, bias_N, s->held.n, "the objective's bias");
    BR_ALLOC(st, column_N, s->held.n, "item bias");
    for (int32_t t = 0; t < o->n_terms; t++)
        if (!o->term[t].is_pair)
            BR_TRY(st, add_bias(job, &o->term[t], column_N, bias_N));
    if (o->n_linear == 0)
        BR_TRY(st, add_bias(job, &plain, column_N, bias_N));
    for (int64_t i = 0; i < s->held.n; i++) {
        for (int32_t p = 0; p < o->n_penalties; p++)
            if (o->penalty[p].type == BR_PENALTY_LOW_VALUE)
                bias_N[i] -=
                    br_objective_low_value(s, &o->penalty[p], s->catalogue_row[s->held.first + i]);
        column_N[i] = (float)bias_N[i];
    }
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, s->held.n, 1, &job->rank.bias_N));
    job->rank.owns_bias = true;
    BR_TRY(st, br_upload(job->dev, job->rank.bias_N, column_N));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&bias_N);
    br_free(&column_N);
    return st;
}

/* The bias less the prices. */
static br_status fold_prices(br_job *job)
{
    br_status       st       = BR_OK;
    const br_setup *s        = job->setup;
    float          *column_N = NULL;

    BR_ALLOC(st, column_N, s->held.n, "priced bias");
    if (job->rank.bias_N.buf != NULL)
        BR_TRY(st, br_download(job->dev, job->rank.bias_N, column_N));
    for (int64_t i = 0; i < s->held.n; i++)
        column_N[i] -= s->config->price_N[s->catalogue_row[s->held.first + i]];
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, s->held.n, 1, &job->rank.select_N));
    job->rank.owns_select = true;
    BR_TRY(st, br_upload(job->dev, job->rank.select_N, column_N));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&column_N);
    return st;
}

/* [z_i, value x z_i, ...]: one block per value column. */
static br_status fold_items(br_job *job)
{
    br_status           st      = BR_OK;
    const br_setup     *s       = job->setup;
    const br_objective *o       = &s->objective;
    int64_t             D       = s->dim;
    float              *item_ND = NULL, *item_NQ = NULL;

    BR_ALLOC(st, item_ND, s->held.n * D, "item vectors");
    BR_ALLOC(st, item_NQ, s->held.n * o->width, "ranking vectors of items");
    BR_TRY(st, br_download(job->dev, job->item_ND, item_ND));
    for (int64_t i = 0; i < s->held.n; i++)
        for (int32_t b = 0; b < o->n_blocks; b++) {
            double value =
                br_objective_value(s, o->block_value[b], s->catalogue_row[s->held.first + i]) /
                o->block_scale[b];

            for (int64_t d = 0; d < D; d++)
                item_NQ[i * o->width + b * D + d] = (float)(value * (double)item_ND[i * D + d]);
        }
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, s->held.n, o->width, &job->rank.item_NQ));
    job->rank.owns_item = true;
    BR_TRY(st, br_upload(job->dev, job->rank.item_NQ, item_NQ));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&item_ND);
    br_free(&item_NQ);
    return st;
}

br_status br_rank_open(br_job *job)
{
    br_status           st = BR_OK;
    const br_objective *o  = &job->setup->objective;

    job->rank = (br_rank){.item_NQ = job->item_ND, .bias_N = job->bias_N};
    if (o->n_linear > 0)
        BR_TRY(st, fold_queries(job));
    if (o->n_blocks > 1 || o->block_value[0] >= 0)
        BR_TRY(st, fold_items(job));
    if (o->n_linear > 0 || has_low_value(o))
        BR_TRY(st, fold_bias(job));
    job->rank.select_N = job->rank.bias_N;
    if (job->config->price_N != NULL)
        BR_TRY(st, fold_prices(job));
done:
    return st;
}

br_status br_rank_open_like(br_job *job, const br_rank *base)
{
    br_status st = BR_OK;

    job->rank = (br_rank){.item_NQ = base->item_NQ, .bias_N = base->bias_N};
    if (job->setup->objective.n_linear > 0) {
        BR_TRY(st, fold_queries(job));
        BR_TRY(st, fold_bias(job));
    }
    job->rank.select_N = job->rank.bias_N;
done:
    return st;
}

br_status br_rank_open_columns(br_job *job, int64_t n_rows)
{
    br_status st        = BR_OK;
    int64_t   Q         = job->rank.fold_QD.n_rows;
    int32_t  *column_BQ = NULL;

    if (job->rank.fold_QD.buf == NULL)
        return BR_OK;
    BR_ALLOC(st, column_BQ, n_rows * Q, "columns of the objective");
    for (int64_t i = 0; i < n_rows * Q; i++)
        column_BQ[i] = (int32_t)(i % Q);
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, n_rows, Q, &job->rank.column_BQ));
    job->rank.owns_column = true;
    BR_TRY(st, br_upload(job->dev, job->rank.column_BQ, column_BQ));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&column_BQ);
    return st;
}

void br_rank_close(br_rank *rank)
{
    br_dev_free(&rank->fold_QD);
    if (rank->owns_column)
        br_dev_free(&rank->column_BQ);
    if (rank->owns_item)
        br_dev_free(&rank->item_NQ);
    if (rank->owns_bias)
        br_dev_free(&rank->bias_N);
    if (rank->owns_select)
        br_dev_free(&rank->select_N);
}

br_status br_rank_project(const br_rank *rank, br_dev *lane, br_mat weight_OD, br_mat x_BD,
                          br_mat out_BO)
{
    br_mat                    column = br_mat_rows(rank->column_BQ, 0, x_BD.n_rows);
    const br_score_pairs_args args   = {.query_BD = x_BD,
                                        .item_ND  = weight_OD,
                                        .item_BK  = br_mat_cols(column, 0, weight_OD.n_rows),
                                        .out_BK   = out_BO};

    return br_op_score_pairs(lane, &args);
}

br_status br_rank_query(const br_rank *rank, br_dev *lane, br_mat x_BD, br_mat *query_BQ)
{
    br_status st = BR_OK;

    *query_BQ = x_BD;
    if (rank->fold_QD.buf == NULL)
        return BR_OK;
    BR_TRY(st, br_dev_scratch(lane, BR_F32, x_BD.n_rows, rank->fold_QD.n_rows, query_BQ));
    BR_TRY(st, br_rank_project(rank, lane, rank->fold_QD, x_BD, *query_BQ));
done:
    return st;
}
