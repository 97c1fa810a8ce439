/* SPDX-License-Identifier: Apache-2.0
 *
 * The golden batch. Looked at when a run begins, every detect.golden_units units, and at its end.
 */
#include "host/pipeline/detect/golden_batch.h"

#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/pipeline/choose/choose.h"
#include "host/pipeline/detect/agree.h"
#include "host/pipeline/stages.h"

/* The job as one lane has it, and the batch that it computes. */
typedef struct golden_lane {
    br_job   job;
    br_batch batch;
    float   *x_BD;
    int32_t *item_BK;
    float   *score_BK;
} golden_lane;

struct br_golden_batch {
    br_config    config; /* the job's: vectors are made, whatever a first pass left */
    br_setup     setup;
    int32_t      n_lanes;
    bool         is_alone; /* lanes share what shapes lists: one after the other */
    int64_t      n_rows;
    int64_t      first_row;
    golden_lane *lane;
    float       *x_BD; /* what is expected */
    int32_t     *item_BK;
    float       *score_BK;
};

/* ---- opening ---- */

/* By the job's own setup, which has what reading needs of room. */
static br_status read_rows(br_golden_batch *g, br_setup *setup, golden_lane *l)
{
    const br_config *own = setup->config;
    br_status        st;

    setup->config = &g->config;
    l->job.setup  = setup;
    st            = br_stage_read(&l->job, &l->batch);
    l->job.setup  = &g->setup;
    setup->config = own;
    return st;
}

static br_status open_lane(br_golden_batch *g, br_job *job, int32_t at)
{
    br_status    st = BR_OK;
    golden_lane *l  = &g->lane[at];
    int64_t      n  = g->n_rows;

    l->job            = *job;
    l->job.config     = &g->config;
    l->job.setup      = &g->setup;
    l->job.n_lanes    = 1;
    l->job.dev        = job->lane[at]; /* lanes look at once, and a device is one thread's */
    l->job.lane[0]    = job->lane[at];
    l->job.max_rows   = n;
    l->job.weightings = NULL;
    l->job.raw        = (br_unit){0};
    if (job->choose_room != NULL)
        l->job.choose_room = job->choose_room + at;
    BR_TRY(st, br_job_alloc_batch(&l->job, &l->batch));
    BR_ALLOC(st, l->x_BD, n * g->setup.dim, "golden vectors");
    BR_ALLOC(st, l->item_BK, n * job->k, "golden lists");
    BR_ALLOC(st, l->score_BK, n * job->k, "golden scores");
    l->batch.first_row = g->first_row;
    l->batch.n_rows    = n;
    BR_TRY(st, read_rows(g, job->setup, l));
done:
    return st;
}

static void close_lane(golden_lane *l)
{
    br_batch_free(&l->batch);
    br_unit_free(&l->job.raw);
    br_free(&l->x_BD);
    br_free(&l->item_BK);
    br_free(&l->score_BK);
}

/* ---- computing ---- */

static br_status compute(golden_lane *l)
{
    br_status st    = BR_OK;
    double    cpu_s = 0.0;
    br_batch *b     = &l->batch;
    br_dev   *lane  = l->job.lane[0];

    BR_TRY(st, br_stage_encode(&l->job, b, &cpu_s));
    BR_TRY(st, br_stage_fuse(&l->job, b, &cpu_s));
    BR_TRY(st, br_stage_score(&l->job, b, &cpu_s));
    BR_TRY(st, br_download(lane, br_mat_rows(b->x_BD, 0, b->n_rows), l->x_BD));
    BR_TRY(st, br_download(lane, br_mat_rows(b->item_BK, 0, b->n_rows), l->item_BK));
    BR_TRY(st, br_download(lane, br_mat_rows(b->score_BK, 0, b->n_rows), l->score_BK));
done:
    return st;
}

/* The first place where n values of 4 bytes differ; -1: none. */
static int64_t first_difference(const void *a, const void *b, int64_t n)
{
    const char *x = a, *y = b;

    if (memcmp(a, b, (size_t)n * 4) == 0)
        return -1;
    for (int64_t i = 0; i < n; i++)
        if (memcmp(x + 4 * i, y + 4 * i, 4) != 0)
            return i;
    return -1;
}

static br_status fail_at(const br_golden_batch *g, int32_t at, int64_t row, const char *what)
{
    const golden_lane *l = &g->lane[at];
    char               customer[BR_KEY_TEXT_BYTES];

    return br_fail(BR_E_SELFCHECK, "device %s, lane %d: golden batch: customer %s (row %lld): %s",
                   br_dev_description(l->job.dev), (int)at,
                   br_keys_text(&l->batch.key, row, customer), (long long)(g->first_row + row),
                   what);
}

static br_status check_lane(void *context, int thread, int64_t task)
{
    br_status        st = BR_OK;
    br_golden_batch *g  = context;
    golden_lane     *l  = &g->lane[task];
    int32_t          D = g->setup.dim, k = l->job.k;
    int64_t          at;
    char             what[160];

    (void)thread;
    BR_TRY(st, compute(l));
    if ((at = first_difference(g->x_BD, l->x_BD, g->n_rows * D)) >= 0) {
        (void)snprintf(what, sizeof what, "x_u[%lld]: found %.9g, expected %.9g",
                       (long long)(at % D), (double)l->x_BD[at], (double)g->x_BD[at]);
        return fail_at(g, (int32_t)task, at / D, what);
    }
    if ((at = first_difference(g->item_BK, l->item_BK, g->n_rows * k)) >= 0) {
        (void)snprintf(what, sizeof what, "slot %lld: found item %d, expected %d",
                       (long long)(at % k), l->item_BK[at], g->item_BK[at]);
        return fail_at(g, (int32_t)task, at / k, what);
    }
    if ((at = first_difference(g->score_BK, l->score_BK, g->n_rows * k)) >= 0) {
        (void)snprintf(what, sizeof what, "slot %lld: found score %.9g, expected %.9g",
                       (long long)(at % k), (double)l->score_BK[at], (double)g->score_BK[at]);
        return fail_at(g, (int32_t)task, at / k, what);
    }
done:
    return st;
}

br_status br_golden_batch_look(br_golden_batch *golden)
{
    return br_parallel_for(golden->is_alone ? 1 : golden->n_lanes, golden->n_lanes, check_lane,
                           golden, NULL);
}

/* What is expected, which the reference agrees with. */
static br_status expect(br_golden_batch *g, br_reference *reference)
{
    br_status       st = BR_OK;
    golden_lane    *l  = &g->lane[0];
    const br_lists *again;
    const char     *what;
    double          off, allowed = br_agree_tolerance(g->config.run_precision);
    br_agree_report report = {0};

    BR_TRY(st, compute(l));
    memcpy(g->x_BD, l->x_BD, (size_t)(g->n_rows * g->setup.dim) * 4);
    memcpy(g->item_BK, l->item_BK, (size_t)(g->n_rows * l->job.k) * 4);
    memcpy(g->score_BK, l->score_BK, (size_t)(g->n_rows * l->job.k) * 4);
    if (reference == NULL)
        goto done;
    BR_TRY(st, br_stage_policy(&l->job, &l->batch));
    for (int64_t b = 0; b < g->n_rows; b++) {
        const float *x_D = g->x_BD + b * g->setup.dim;

        BR_TRY(st, br_reference_list(reference, &l->batch, b, x_D, &again, &off));
        what = br_reference_agree(reference, &l->batch.lists, b, &report);
        if (what == NULL && !(off <= allowed))
            what = "x_u";
        if (what == NULL && report.largest_share > 1.0)
            what = "probabilities or survival";
        if (what != NULL) {
            char text[96];

            (void)snprintf(text, sizeof text, "%s differ from the reference", what);
            return fail_at(g, 0, b, text);
        }
    }
done:
    return st;
}

br_status br_golden_batch_open(br_job *job, uint64_t seed, int64_t n_rows, br_reference *reference,
                               br_golden_batch **out)
{
    br_status        st = BR_OK;
    br_golden_batch *g  = NULL;
    int64_t          n  = br_customers_info_of(job->setup->customers)->n_customers;

    *out = NULL;
    BR_ALLOC(st, g, 1, "golden batch");
    g->config              = *job->config;
    g->config.vectors_from = NULL;
    g->setup               = *job->setup;
    g->setup.config        = &g->config;
    g->setup.n_weightings  = 0;
    g->n_lanes             = job->n_lanes;
    g->is_alone            = job->shaping != NULL;
    g->n_rows              = n_rows;
    g->first_row           = (int64_t)(seed % (uint64_t)(n - n_rows + 1));
    BR_ALLOC(st, g->lane, g->n_lanes, "golden lanes");
    for (int32_t i = 0; i < g->n_lanes; i++)
        BR_TRY(st, open_lane(g, job, i));
    BR_ALLOC(st, g->x_BD, n_rows * g->setup.dim, "golden vectors");
    BR_ALLOC(st, g->item_BK, n_rows * job->k, "golden lists");
    BR_ALLOC(st, g->score_BK, n_rows * job->k, "golden scores");
    BR_TRY(st, expect(g, reference));
    BR_TRY(st, br_golden_batch_look(g));
    *out = g;
    g    = NULL;
done:
    br_golden_batch_close(&g);
    return st;
}

void br_golden_batch_close(br_golden_batch **golden)
{
    br_golden_batch *g = *golden;

    if (g == NULL)
        return;
    for (int32_t i = 0; g->lane != NULL && i < g->n_lanes; i++)
        close_lane(&g->lane[i]);
    br_free(&g->lane);
    br_free(&g->x_BD);
    br_free(&g->item_BK);
    br_free(&g->score_BK);
    br_free(golden);
}
