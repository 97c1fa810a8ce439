/* SPDX-License-Identifier: Apache-2.0
 *
 * Adds up what each weighting lists. Units come in row order and sums are taken in row order, so
 * that no unit size and no thread count shows. Called once per process. */
#include "host/pipeline/sweep/sweep.h"

#include <string.h>

#include "host/base/memory.h"
#include "host/decide/compare.h"
#include "host/pipeline/choose/weightings.h"
#include "host/pipeline/flow/flow.h"
#include "host/pipeline/objective/terms.h"

#define LISTS_BYTES ((double)(512 << 20))
#define LEAST_ROWS  64

typedef struct tally {
    br_sweep   *sweep;
    br_comparer comparer;
    int32_t    *own_BK; /* the configuration's lists of a unit, listed rows */
    int32_t    *item_BK;
    float      *term_BK[BR_MAX_TERMS];
} tally;

int64_t br_sweep_unit_customers(const br_config *config, int32_t n_weightings)
{
    double  per_slot = 8.0 + 4.0 * config->objective_terms.n;
    double  per_row  = per_slot * (double)config->list_k * (1 + n_weightings) * br_flow_slots(1);
    int64_t n        = (int64_t)(LISTS_BYTES / per_row);

    n = n > LEAST_ROWS ? n : LEAST_ROWS;
    return n < config->run_unit_customers ? n : config->run_unit_customers;
}

/* ---- one unit ---- */

static br_status fetch(const tally *t, br_job *job, const br_batch *batch, int32_t v)
{
    br_status          st   = BR_OK;
    const br_weighted *w    = v == 0 ? NULL : &batch->weighted_V[v - 1];
    const br_mat       item = w == NULL ? batch->item_BK : w->item_BK;

    BR_TRY(st, br_download(batch->out_lane, br_mat_rows(item, 0, batch->n_rows), t->item_BK));
    for (int32_t i = 0; i < job->setup->objective.n_terms; i++) {
        br_mat term = w == NULL ? batch->term_BK[i] : w->term_BK[i];

        BR_TRY(st,
               br_download(batch->out_lane, br_mat_rows(term, 0, batch->n_rows), t->term_BK[i]));
    }
done:
    return st;
}

static void add_list(const tally *t, const br_job *job, const br_batch *batch, int64_t b,
                     br_sweep_row *row)
{
    const int32_t *item_K              = t->item_BK + b * job->k;
    int32_t        n_terms             = job->setup->objective.n_terms;
    double         sum_T[BR_MAX_TERMS] = {0.0}, penalty = 0.0;

    for (int32_t j = 0; j < job->k && item_K[j] >= 0; j++) {
        for (int32_t i = 0; i < n_terms; i++)
            sum_T[i] += br_terms_unweighted(job, i, item_K[j], t->term_BK[i][b * job->k + j]);
        penalty += br_terms_penalty(job, batch, b, item_K[j]);
        row->exposure_N[item_K[j]]++;
    }
    for (int32_t i = 0; i < n_terms; i++)
        row->term_T[i] += sum_T[i];
    row->penalty += penalty;
    row->n_lists++;
}

static br_status take_unit(void *context, br_job *job, br_batch *batch)
{
    br_status st = BR_OK;
    tally    *t  = context;

    t->sweep->n_customers += batch->n_rows;
    for (int32_t v = 0; v < t->sweep->n_rows; v++) {
        br_sweep_row *row = &t->sweep->row[v];

        BR_TRY(st, fetch(t, job, batch, v));
        if (v == 0)
            memcpy(t->own_BK, t->item_BK, (size_t)(batch->n_rows * job->k) * sizeof *t->own_BK);
        for (int64_t b = 0; b < batch->n_rows; b++) {
            if (!br_weightings_apply_to(job, batch, b) || t->item_BK[b * job->k] < 0)
                continue;
            add_list(t, job, batch, b, row);
            row->common += br_compare_lists(&t->comparer, t->own_BK + b * job->k,
                                            t->item_BK + b * job->k, job->k)
                               .share;
        }
    }
done:
    return st;
}

/* ---- all of them ---- */

static br_status open_rows(br_sweep *sweep, const br_setup *s)
{
    br_status st = BR_OK;

    sweep->setup = s;
    for (int32_t v = 0; v <= s->n_weightings; v++) {
        br_sweep_row *row = &sweep->row[v];

        row->name = v == 0 ? BR_SWEEP_CONFIGURATION : s->weighting[v - 1].name;
        for (int32_t i = 0; i < s->objective.n_terms; i++)
            row->weight_T[i] =
                v == 0 ? s->objective.term[i].weight : s->weighting[v - 1].weight_T[i];
        sweep->n_rows = v + 1;
        BR_ALLOC(st, row->exposure_N, s->n_listed, "exposure of a weighting");
    }
done:
    return st;
}

static br_status open_tally(tally *t, const br_job *job)
{
    br_status st      = BR_OK;
    int64_t   n_slots = job->max_rows * job->k;

    BR_TRY(st, br_comparer_open(job->setup->n_listed, &t->comparer));
    BR_ALLOC(st, t->own_BK, n_slots, "lists of a unit");
    BR_ALLOC(st, t->item_BK, n_slots, "lists of a unit");
    for (int32_t i = 0; i < job->setup->objective.n_terms; i++)
        BR_ALLOC(st, t->term_BK[i], n_slots, "terms of a unit");
done:
    return st;
}

static void close_tally(tally *t)
{
    br_comparer_close(&t->comparer);
    br_free(&t->own_BK);
    br_free(&t->item_BK);
    for (int i = 0; i < BR_MAX_TERMS; i++)
        br_free(&t->term_BK[i]);
}

/* Sums become means, exposures their measures. */
static void finish_row(br_sweep_row *row, const br_setup *s)
{
    double n = row->n_lists > 0 ? (double)row->n_lists : 1.0;

    for (int32_t i = 0; i < s->objective.n_terms; i++)
        row->term_T[i] /= n;
    row->penalty /= n;
    row->common /= n;
    for (int64_t i = 0; i < s->n_listed; i++)
        row->n_items += row->exposure_N[i] > 0;
    row->gini = br_gini(row->exposure_N, s->n_listed);
}

static br_status find_efficient(br_sweep *sweep)
{
    br_status           st = BR_OK;
    const br_objective *o  = &sweep->setup->objective;
    bool                is_less_T[BR_MAX_TERMS], efficient_V[BR_SWEEP_MAX + 1];
    double             *mean_VT = NULL;

    BR_ALLOC(st, mean_VT, sweep->n_rows * o->n_terms, "means of terms");
    for (int32_t i = 0; i < o->n_terms; i++) {
        is_less_T[i] = o->term[i].weight < 0.0;
        for (int32_t v = 0; v < sweep->n_rows; v++)
            mean_VT[v * o->n_terms + i] = sweep->row[v].term_T[i];
    }
    br_pareto(mean_VT, sweep->n_rows, o->n_terms, is_less_T, efficient_V);
    for (int32_t v = 0; v < sweep->n_rows; v++)
        sweep->row[v].is_efficient = efficient_V[v];
done:
    br_free(&mean_VT);
    return st;
}

br_status br_sweep_run(br_job *job, br_sweep **out)
{
    br_status st    = BR_OK;
    br_sweep *sweep = NULL;
    tally     t     = {0};

    *out = NULL;
    BR_ALLOC(st, sweep, 1, "sweep");
    t.sweep = sweep;
    BR_TRY(st, open_rows(sweep, job->setup));
    BR_TRY(st, open_tally(&t, job));
    BR_TRY(st, br_job_pass(job, take_unit, &t));
    for (int32_t v = 0; v < sweep->n_rows; v++)
        finish_row(&sweep->row[v], job->setup);
    BR_TRY(st, find_efficient(sweep));
    *out  = sweep;
    sweep = NULL;
done:
    close_tally(&t);
    br_sweep_close(&sweep);
    return st;
}

void br_sweep_close(br_sweep **sweep)
{
    for (int v = 0; *sweep != NULL && v <= BR_SWEEP_MAX; v++)
        br_free(&(*sweep)->row[v].exposure_N);
    br_free(sweep);
}
