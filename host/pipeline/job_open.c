/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a job ready: weights and catalogue on the device. All memory of the batch loop is taken
 * here. Called once per job. */
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/comm/nccl/nccl.h"
#include "host/pipeline/choose/choose.h"
#include "host/pipeline/choose/shaping.h"
#include "host/pipeline/choose/weightings.h"
#include "host/pipeline/job.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/popularity.h"
#include "host/pipeline/shards/shards.h"

static br_status open_model(br_job *job)
{
    br_status         st      = BR_OK;
    const br_setup   *s       = job->setup;
    br_shards_tensors tensors = {0};

    if (s->bundle == NULL)
        return BR_OK;
    BR_TRY(st, br_shards_take_tensors(s, &tensors));
    BR_TRY(st, br_model_create(job->dev, s->spec, tensors.tensor, tensors.n,
                               (br_precision)job->config->run_precision, &job->model));
done:
    br_shards_free_tensors(&tensors);
    return st;
}

br_status br_job_gather_listed(br_job *job, br_mat table, br_mat *out)
{
    br_status           st    = BR_OK;
    const br_setup     *s     = job->setup;
    br_mat              rows  = {0};
    int32_t            *row_N = NULL;
    br_gather_rows_args args;

    *out = (br_mat){0};
    if (table.buf == NULL)
        return BR_OK;
    BR_ALLOC(st, row_N, s->held.n, "rows of items");
    for (int64_t i = 0; i < s->held.n; i++)
        row_N[i] = br_shards_cut_tables(s) ? (int32_t)i : s->table_row[s->held.first + i];
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, s->held.n, 1, &rows));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, s->held.n, table.n_cols, out));
    BR_TRY(st, br_upload(job->dev, rows, row_N));
    args = (br_gather_rows_args){.table_VD = table, .row_B = rows, .out_BD = *out};
    BR_TRY(st, br_op_gather_rows(job->dev, &args));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&row_N);
    br_dev_free(&rows);
    return st;
}

static br_status upload_rows(br_job *job, const void *column, br_mat to)
{
    br_status       st    = BR_OK;
    const br_setup *s     = job->setup;
    size_t          bytes = br_dtype_bytes(to.dtype) * (size_t)to.n_cols;
    char           *dense = NULL;

    BR_TRY(st, br_alloc(s->held.n, bytes, "catalogue column", (void **)&dense));
    for (int64_t i = 0; i < s->held.n; i++)
        memcpy(dense + (size_t)i * bytes,
               (const char *)column + (size_t)s->catalogue_row[s->held.first + i] * bytes, bytes);
    BR_TRY(st, br_upload(job->dev, to, dense));
done:
    br_free(&dense);
    return st;
}

typedef struct listed {
    const char *what; /* for messages */
    br_dtype    dtype;
    const void *column; /* [n_items, n_cols]; NULL: there is none */
    int64_t     n_cols;
} listed;

/* The held rows of a catalogue column, on the device. */
static br_status place_listed(br_job *job, const listed *l, br_mat *out)
{
    br_status st = BR_OK;

    *out = (br_mat){0};
    if (l->column == NULL)
        return BR_OK;
    BR_TRY(st, br_dev_alloc(job->dev, l->dtype, job->setup->held.n, l->n_cols, out));
    if (br_dev_is_source(job->dev))
        BR_TRY(st, upload_rows(job, l->column, *out));
    BR_TRY(st, br_dev_share(job->dev, l->what, *out));
done:
    return st;
}

br_status br_job_prepare_items(br_job *job)
{
    const br_items_args items = {.item_ND      = job->rank.item_NQ,
                                 .bias_N       = job->rank.select_N,
                                 .require_N    = job->require_N,
                                 .k            = br_choose_n_candidates(job),
                                 .is_witnessed = job->config->detect_checksums};

    return br_items_prepare(job->dev, &items, &job->items);
}

static br_status place_catalogue(br_job *job)
{
    br_status           st      = BR_OK;
    const br_setup     *s       = job->setup;
    const br_catalogue *c       = &s->catalogue;
    const listed        vector  = {"/item/vector", BR_F32, c->vector_ND, s->dim};
    const listed        bias    = {"/item/bias", BR_F32, c->bias_N, 1};
    const listed        require = {"segments of items", BR_U64, s->require_N, 1};

    if (s->table_row != NULL) {
        BR_TRY(st, br_job_gather_listed(job, br_model_item_table(job->model), &job->item_ND));
        BR_TRY(st, br_job_gather_listed(job, br_model_item_bias(job->model), &job->bias_N));
        for (int32_t i = 0; i < s->n_heads; i++)
            BR_TRY(st, br_job_gather_listed(job, br_model_head_item_bias(job->model, s->head[i]),
                                            &job->head_bias_N[i]));
    } else {
        BR_TRY(st, place_listed(job, &vector, &job->item_ND));
        if (s->n_shards > 1) { /* nobody needs the others' any more */
            BR_TRY(st, br_dev_sync(job->dev));
            br_free(&job->setup->catalogue.vector_ND);
        }
        BR_TRY(st, place_listed(job, &bias, &job->bias_N));
    }
    BR_TRY(st, place_listed(job, &require, &job->require_N));
    for (int32_t t = 0; t < s->objective.n_terms; t++)
        if (s->objective.term[t].head >= 0)
            BR_TRY(st, br_job_gather_listed(
                           job, br_model_head_item_bias(job->model, s->objective.term[t].head),
                           &job->term_bias_N[t]));
    BR_TRY(st, br_rank_open(job));
    BR_TRY(st, br_job_prepare_items(job));
    BR_TRY(st, br_weightings_open(job));
    BR_TRY(st, br_dev_sync(job->dev)); /* the lanes read it */
done:
    return st;
}

static void find_largest_unit(br_job *job)
{
    const br_setup *s = job->setup;

    for (int64_t u = 0; u < s->n_units; u++) {
        int64_t n = s->unit_rows[u].n;
        if (n > job->max_rows)
            job->max_rows = n;
    }
}

/* Weights and catalogue, from rank 0 by NCCL where run.nccl says so and all hold the same. comm
 * NULL: no others. */
static br_status fill_device(br_job *job, br_comm *comm)
{
    br_status st   = BR_OK;
    br_nccl  *nccl = NULL;

    if (job->setup->n_shards > 1 && job->config->run_nccl == BR_NCCL_ON)
        BR_FAIL(st, BR_E_USAGE,
                "run.nccl: found on, expected auto or off with run.catalogue_shards: every rank "
                "uploads its own part of the catalogue");
    if (comm != NULL && job->setup->n_shards == 1)
        BR_TRY(st, br_nccl_open(comm, job->dev, (br_nccl_use)job->config->run_nccl, &nccl));
    st = open_model(job);
    if (st == BR_OK)
        st = place_catalogue(job);
    BR_TRY(st, br_nccl_close(&nccl, st));
done:
    return st;
}

static br_status copy_popularity(const br_job *like, br_job *job)
{
    br_status st = BR_OK;
    int64_t   n  = job->setup->n_listed;

    if (like->popularity.count_N == NULL)
        return BR_OK;
    BR_ALLOC(st, job->popularity.count_N, n, "popularity");
    BR_ALLOC(st, job->popularity.order_N, n, "popularity");
    memcpy(job->popularity.count_N, like->popularity.count_N, (size_t)n * sizeof(int64_t));
    memcpy(job->popularity.order_N, like->popularity.order_N, (size_t)n * sizeof(int32_t));
done:
    return st;
}

/* The first of a team decides. */
static br_status find_popular(const br_job *like, br_job *job)
{
    if (!br_popularity_is_wanted(job->setup) || job->setup->shard != 0)
        return BR_OK;
    return like != NULL ? copy_popularity(like, job) : br_popularity_count(job);
}

static br_status open_job(br_setup *setup, br_comm *comm, const br_job *like, br_job **out)
{
    br_status st  = BR_OK;
    br_job   *job = NULL;

    *out = NULL;
    BR_ALLOC(st, job, 1, "job");
    job->config = setup->config;
    job->setup  = setup;
    job->k      = (int32_t)setup->config->list_k;
    find_largest_unit(job);
    BR_TRY(st, br_lanes_open_device(job));
    BR_TRY(st, fill_device(job, comm));
    BR_TRY(st, br_lanes_open(job));
    BR_TRY(st, br_rank_open_columns(job, job->score_rows));
    BR_TRY(st, br_choose_open(job));
    BR_TRY(st, find_popular(like, job));
    BR_TRY(st, br_shaping_open(job));
    br_weightings_bind(job); /* the last: it copies what is there */
    BR_TRY(st, br_stats_create(setup, &job->stats));
    *out = job;
    job  = NULL;
done:
    br_job_close(&job);
    return st;
}

br_status br_job_open(br_setup *setup, br_job **out)
{
    return open_job(setup, NULL, NULL, out);
}

br_status br_job_open_shared(br_setup *setup, br_comm *comm, br_job **out)
{
    return open_job(setup, comm, NULL, out);
}

br_status br_job_open_like(br_setup *setup, const br_job *like, br_job **out)
{
    return open_job(setup, NULL, like, out);
}

void br_job_close(br_job **job_at)
{
    br_job *job = *job_at;

    if (job == NULL)
        return;
    br_stats_free(&job->stats);
    br_shards_close(&job->shards);
    br_unit_free(&job->raw);
    br_free(&job->popularity.count_N);
    br_free(&job->popularity.order_N);
    br_shaping_close(job);
    br_weightings_close(job);
    br_choose_close(job);
    br_items_free(&job->items);
    br_rank_close(&job->rank);
    br_dev_free(&job->item_ND);
    br_dev_free(&job->bias_N);
    br_dev_free(&job->require_N);
    for (int i = 0; i < BR_MAX_HEADS; i++)
        br_dev_free(&job->head_bias_N[i]);
    for (int i = 0; i < BR_MAX_TERMS; i++)
        br_dev_free(&job->term_bias_N[i]);
    br_model_destroy(&job->model);
    br_lanes_close(job);
    br_free(job_at);
}
