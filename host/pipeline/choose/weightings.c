/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists by other weights. Opened once per job; br_weightings_rows once per chunk of customers. */
#include "host/pipeline/choose/weightings.h"

#include <math.h>

#include "host/base/memory.h"
#include "host/pipeline/choose/choose.h"
#include "host/pipeline/choose/floor.h"

/* The job as it would be with other weights. */
typedef struct alternative {
    br_setup setup; /* the job's, but for the weights */
    br_job   job;   /* the job, but for setup, rank and items */
} alternative;

struct br_weightings {
    int32_t     n;
    alternative of[];
};

static br_status open_alternative(const br_job *job, const br_weighting *weighting, alternative *a)
{
    br_status st = BR_OK;

    a->setup          = *job->setup;
    a->job            = *job;
    a->job.setup      = &a->setup;
    a->job.rank       = (br_rank){0};
    a->job.items      = NULL;
    a->job.weightings = NULL;
    for (int32_t t = 0; t < a->setup.objective.n_terms; t++)
        a->setup.objective.term[t].weight = weighting->weight_T[t];
    BR_TRY(st, br_rank_open_like(&a->job, &job->rank));
    BR_TRY(st, br_job_prepare_items(&a->job));
done:
    return st;
}

br_status br_weightings_open(br_job *job)
{
    br_status st = BR_OK;
    int32_t   n  = job->setup->n_weightings;

    if (n == 0)
        return BR_OK;
    BR_TRY(st, br_alloc(1, sizeof(br_weightings) + (size_t)n * sizeof(alternative), "weightings",
                        (void **)&job->weightings));
    for (int32_t v = 0; v < n; v++) {
        job->weightings->n = v + 1;
        BR_TRY(st, open_alternative(job, &job->setup->weighting[v], &job->weightings->of[v]));
    }
    BR_TRY(st, br_dev_sync(job->dev)); /* the lanes read it */
done:
    return st;
}

void br_weightings_bind(br_job *job)
{
    for (int32_t v = 0; job->weightings != NULL && v < job->weightings->n; v++) {
        alternative *a     = &job->weightings->of[v];
        br_rank      rank  = a->job.rank;
        br_items    *items = a->job.items;

        rank.column_BQ    = job->rank.column_BQ;
        a->job            = *job;
        a->job.setup      = &a->setup;
        a->job.rank       = rank;
        a->job.items      = items;
        a->job.weightings = NULL;
    }
}

void br_weightings_close(br_job *job)
{
    for (int32_t v = 0; job->weightings != NULL && v < job->weightings->n; v++) {
        br_rank_close(&job->weightings->of[v].job.rank);
        br_items_free(&job->weightings->of[v].job.items);
    }
    br_free(&job->weightings);
}

/* ---- a batch ---- */

static br_status alloc_weighted(br_job *job, br_weighted *w)
{
    br_status st      = BR_OK;
    int32_t   n_terms = job->setup->is_sweep ? job->setup->objective.n_terms : 0;

    BR_ALLOC(st, w->view, 1, "view of a batch");
    if (job->shaping != NULL) {
        BR_ALLOC(st, w->source_BK, job->max_rows * job->k, "sources of shaped lists");
        BR_ALLOC(st, w->short_B, job->max_rows, "shaped lists");
    }
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, job->max_rows, job->k, &w->item_BK));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, job->max_rows, job->k, &w->score_BK));
    for (int32_t t = 0; t < n_terms; t++)
        BR_TRY(st, br_dev_alloc(job->dev, BR_F32, job->max_rows, job->k, &w->term_BK[t]));
done:
    return st;
}

/* Shadows are written with the batch's own lists. */
static br_status alloc_shadows(const br_job *job, br_lists *lists)
{
    br_status st = BR_OK;

    if (job->setup->is_sweep)
        return BR_OK;
    lists->n_shadows = job->setup->n_weightings;
    for (int32_t v = 0; v < lists->n_shadows; v++) {
        br_shadow *shadow = &lists->shadow[v];

        (void)snprintf(shadow->name, sizeof shadow->name, "%s", job->setup->weighting[v].name);
        BR_ALLOC(st, shadow->item_BK, job->max_rows * job->k, "items of a shadow");
        BR_ALLOC(st, shadow->score_BK, job->max_rows * job->k, "scores of a shadow");
    }
done:
    return st;
}

br_status br_weightings_alloc_batch(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;
    int32_t   n  = job->setup->n_weightings;

    if (n == 0)
        return BR_OK;
    BR_ALLOC(st, batch->weighted_V, n, "lists by other weights");
    batch->n_weighted = n;
    for (int32_t v = 0; v < n; v++)
        BR_TRY(st, alloc_weighted(job, &batch->weighted_V[v]));
    BR_ALLOC(st, batch->seed_score_BK, job->max_rows * job->k, "scores by other weights");
    BR_ALLOC(st, batch->floor_B, job->max_rows, "floors of lists");
    BR_TRY(st, alloc_shadows(job, &batch->lists));
done:
    return st;
}

void br_weightings_free_batch(br_batch *batch)
{
    for (int32_t v = 0; v < batch->n_weighted; v++) {
        br_weighted *w = &batch->weighted_V[v];

        br_dev_free(&w->item_BK);
        br_dev_free(&w->score_BK);
        for (int t = 0; t < BR_MAX_TERMS; t++)
            br_dev_free(&w->term_BK[t]);
        br_free(&w->source_BK);
        br_free(&w->short_B);
        br_free(&w->view);
    }
    br_free(&batch->weighted_V);
    br_free(&batch->seed_score_BK);
    br_free(&batch->floor_B);
    batch->n_weighted = 0;
}

/* ---- a unit ---- */

/* The lists by the weighting before, which is most like this one in a file that goes up or down. */
static br_mat seed_of(const br_job *job, const br_batch *batch, int32_t v)
{
    if (!br_floor_helps(job, batch))
        return (br_mat){0};
    return v > 0 ? batch->weighted_V[v - 1].item_BK : batch->item_BK;
}

void br_weightings_begin(const br_job *job, br_batch *batch)
{
    for (int32_t v = 0; job->weightings != NULL && v < batch->n_weighted; v++) {
        br_weighted *w = &batch->weighted_V[v];

        *w->view            = *batch;
        w->view->item_BK    = w->item_BK;
        w->view->score_BK   = w->score_BK;
        w->view->source_BK  = w->source_BK;
        w->view->short_B    = w->short_B;
        w->view->n_slow     = 0;
        w->view->n_rescored = 0;
        w->view->seed_BK    = seed_of(job, batch, v);
    }
}

void br_weightings_end(const br_job *job, br_batch *batch)
{
    for (int32_t v = 0; job->weightings != NULL && v < batch->n_weighted; v++) {
        batch->n_slow += batch->weighted_V[v].view->n_slow;
        batch->n_rescored += batch->weighted_V[v].view->n_rescored;
    }
}

br_status br_weightings_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;

    for (int32_t v = 0; job->weightings != NULL && v < job->weightings->n; v++) {
        size_t mark = br_dev_mark(lane);

        BR_TRY(st,
               br_choose_rows(&job->weightings->of[v].job, batch->weighted_V[v].view, lane, rows));
        br_dev_rewind(lane, mark);
    }
done:
    return st;
}

/* ---- shadows ---- */

bool br_weightings_apply_to(const br_job *job, const br_batch *batch, int64_t b)
{
    return batch->rule_B[b] < 0 && batch->arm_B[b] >= 0 &&
           (job->config->list_fallback != BR_FALLBACK_POPULARITY ||
            br_batch_has_events(batch, job->setup->n_encoders, b));
}

/* Of a customer whose list is not by scores, a shadow has the same list. */
static void keep_shadow(const br_job *job, const br_batch *batch, br_shadow *shadow, int64_t b)
{
    const br_lists *lists   = &batch->lists;
    bool            is_ours = br_weightings_apply_to(job, batch, b);
    int32_t        *item_K  = shadow->item_BK + b * lists->k;
    float          *score_K = shadow->score_BK + b * lists->k;

    for (int32_t j = 0; j < lists->k; j++) {
        if (is_ours && item_K[j] >= 0) {
            item_K[j] = job->setup->catalogue_row[item_K[j]];
        } else if (is_ours) {
            item_K[j]  = -1;
            score_K[j] = NAN;
        } else {
            item_K[j]  = lists->item_BK[b * lists->k + j];
            score_K[j] = lists->score_BK[b * lists->k + j];
        }
    }
}

br_status br_weightings_fetch(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    for (int32_t v = 0; v < batch->lists.n_shadows; v++) {
        br_shadow   *shadow = &batch->lists.shadow[v];
        br_weighted *w      = &batch->weighted_V[v];

        BR_TRY(st, br_download(batch->out_lane, br_mat_rows(w->item_BK, 0, batch->n_rows),
                               shadow->item_BK));
        BR_TRY(st, br_download(batch->out_lane, br_mat_rows(w->score_BK, 0, batch->n_rows),
                               shadow->score_BK));
        for (int64_t b = 0; b < batch->n_rows; b++)
            keep_shadow(job, batch, shadow, b);
    }
done:
    return st;
}
