/* SPDX-License-Identifier: Apache-2.0
 *
 * Single customers on the reference backend. Called for those of a sample. */
#include "host/pipeline/detect/reference.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"

struct br_reference {
    br_config     config; /* the job's, but for backend and threads; borrows what it points to */
    br_setup      setup;  /* the job's, but for the config and other weightings */
    br_job       *job;
    br_batch      batch;
    float        *x_D; /* the reference's own */
    br_roundings *roundings;
    /* of the one customer */
    int64_t       event_offset[BR_MAX_MODALITIES][2];
    int64_t       chunk_row[BR_MAX_MODALITIES][2];
    int64_t       never_offset[2];
    int64_t       extra_offset[2];
};

br_status br_reference_open(br_job *of, br_reference **out)
{
    br_status     st = BR_OK;
    br_reference *r  = NULL;

    *out = NULL;
    BR_ALLOC(st, r, 1, "reference job");
    r->config              = *of->config;
    r->config.run_backend  = BR_BACKEND_REF;
    r->config.run_threads  = 1;
    r->config.vectors_from = NULL; /* its x_u is made, or comes from the job */
    r->setup               = *of->setup;
    r->setup.config        = &r->config;
    r->setup.n_weightings  = 0;
    BR_TRY(st, br_job_open_like(&r->setup, of, &r->job));
    r->job->max_rows = 1;
    BR_TRY(st, br_job_alloc_batch(r->job, &r->batch));
    BR_ALLOC(st, r->x_D, of->setup->dim, "a customer's vector");
    BR_TRY(st, br_roundings_open(r->job, &r->roundings));
    *out = r;
    r    = NULL;
done:
    br_reference_close(&r);
    return st;
}

void br_reference_close(br_reference **reference)
{
    br_reference *r = *reference;

    if (r == NULL)
        return;
    br_roundings_close(&r->roundings);
    br_batch_free(&r->batch);
    br_job_close(&r->job);
    br_free(&r->x_D);
    br_free(reference);
}

/* ---- one customer of a batch ---- */

/* The address of row b of a column, n_cols wide; NULL stays. */
#define ROW(column, b, n_cols) ((column) == NULL ? NULL : (column) + (b) * (int64_t)(n_cols))

static void take_events(br_reference *r, const br_batch *from, int64_t b)
{
    for (int32_t m = 0; m < r->setup.n_encoders; m++) {
        const br_packed *p     = &from->packed[m];
        br_packed       *to    = &r->batch.packed[m];
        int64_t          first = p->offset_B1[b], n = p->offset_B1[b + 1] - first;

        r->event_offset[m][0] = r->chunk_row[m][0] = 0;
        r->event_offset[m][1]                      = n;
        r->chunk_row[m][1]                         = 1;
        memset(to, 0, sizeof *to);
        to->n_events  = n;
        to->n_chunks  = 1;
        to->offset_B1 = r->event_offset[m];
        to->chunk_row = r->chunk_row[m];
        to->item_E    = p->item_E + first;
        to->time_E    = p->time_E + first;
        to->type_E    = ROW(p->type_E, first, 1);
        to->weight_E  = ROW(p->weight_E, first, 1);
    }
}

static void take_columns(br_reference *r, const br_batch *from, int64_t b)
{
    br_batch            *to = &r->batch;
    const br_model_spec *s  = r->setup.spec;

    to->key            = from->key;
    to->key.n_keys     = 1;
    to->key.data       = from->key.data + b * from->key.width_bytes;
    to->present_BM     = ROW(from->present_BM, b, r->setup.n_encoders);
    to->confidence_BM  = ROW(from->confidence_BM, b, r->setup.n_encoders);
    to->static_BC      = s == NULL ? NULL : ROW(from->static_BC, b, s->n_statics);
    to->aggregate_BA   = s == NULL ? NULL : ROW(from->aggregate_BA, b, s->n_aggregates);
    to->vector_BD      = NULL;
    to->rule_B         = ROW(from->rule_B, b, 1);
    to->arm_B          = ROW(from->arm_B, b, 1);
    to->stratum_B      = ROW(from->stratum_B, b, 1);
    to->heat_B         = ROW(from->heat_B, b, 1);
    to->draw_stratum_B = ROW(from->draw_stratum_B, b, 1);
    to->customer_B     = ROW(from->customer_B, b, 1);
    to->category_B     = ROW(from->category_B, b, 1);
    to->wanted_B       = ROW(from->wanted_B, b, 1);
    to->have_B         = ROW(from->have_B, b, 1);
}

static br_status take_rules(br_reference *r, const br_batch *from, int64_t b)
{
    br_batch *to    = &r->batch;
    int64_t   first = from->never_offset_B1[b];

    r->never_offset[0]  = 0;
    r->never_offset[1]  = from->never_offset_B1[b + 1] - first;
    to->never_offset_B1 = r->never_offset;
    to->never_item_S    = ROW(from->never_item_S, first, 1);
    to->extra_offset_B1 = NULL;
    if (from->extra_offset_B1 != NULL) {
        first               = from->extra_offset_B1[b];
        r->extra_offset[0]  = 0;
        r->extra_offset[1]  = from->extra_offset_B1[b + 1] - first;
        to->extra_offset_B1 = r->extra_offset;
        to->extra_item_P    = ROW(from->extra_item_P, first, 1);
        to->extra_penalty_P = ROW(from->extra_penalty_P, first, 1);
        to->extra_part_PR   = ROW(from->extra_part_PR, first, r->setup.objective.n_repetitions);
    }
    return br_shards_hold(&r->setup, to);
}

/* x_u by the reference itself, where it is made and not read. */
static br_status encode_again(br_reference *r, const br_batch *from, const float *x_D, double *off)
{
    br_status st      = BR_OK;
    double    largest = 1.0, cpu_s = 0.0;
    int32_t   D = r->setup.dim;

    *off = 0.0;
    if (from->vector_BD != NULL)
        return BR_OK;
    BR_TRY(st, br_stage_encode(r->job, &r->batch, &cpu_s));
    BR_TRY(st, br_stage_fuse(r->job, &r->batch, &cpu_s));
    BR_TRY(st, br_download(r->job->dev, r->batch.x_BD, r->x_D));
    for (int32_t d = 0; d < D; d++)
        largest = fmax(largest, fabs((double)x_D[d]));
    for (int32_t d = 0; d < D; d++) {
        double apart = fabs((double)x_D[d] - (double)r->x_D[d]) / largest;

        *off = apart <= *off ? *off : apart; /* a NaN stays */
    }
done:
    return st;
}

br_status br_reference_list(br_reference *r, const br_batch *batch, int64_t b, const float *x_D,
                            const br_lists **list, double *off)
{
    br_status st    = BR_OK;
    double    cpu_s = 0.0;

    r->batch.unit      = batch->unit;
    r->batch.first_row = batch->first_row + b;
    r->batch.n_rows    = 1;
    take_events(r, batch, b);
    take_columns(r, batch, b);
    BR_TRY(st, take_rules(r, batch, b));
    BR_TRY(st, encode_again(r, batch, x_D, off));
    BR_TRY(st, br_upload(r->job->dev, r->batch.x_BD, x_D));
    BR_TRY(st, br_stage_score(r->job, &r->batch, &cpu_s));
    BR_TRY(st, br_stage_policy(r->job, &r->batch));
    BR_TRY(st, br_roundings_take(r->roundings, x_D, &r->batch.lists));
    *list = &r->batch.lists;
done:
    return st;
}

const char *br_reference_agree(const br_reference *r, const br_lists *lists, int64_t at,
                               br_agree_report *report)
{
    return br_agree_lists(lists, at, &r->batch.lists, r->roundings, report);
}
