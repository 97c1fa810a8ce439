/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranks of held-out targets. One pass over the customers, unit by unit. */
#include "host/pipeline/look/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists.h"
#include "host/pipeline/look/rank_negatives.h"
#include "host/pipeline/popularity.h"
#include "host/pipeline/stages.h"

#define UNIT_CUSTOMERS 65536 /* of the truth file, read at a time */
#define UNIT_EVENTS    8000000

/* The first held-out item of each customer of the truth file. */
typedef struct truth {
    br_keys  key;
    int32_t *item_U; /* catalogue row, -1: no event */
} truth;

static void truth_free(truth *t)
{
    br_keys_free(&t->key);
    br_free(&t->item_U);
}

static br_status find_modality(br_customers *c, const br_evaluation *e,
                               br_customers_request *request)
{
    const br_customers_info *info = br_customers_info_of(c);

    for (int32_t i = 0; i < info->n_modalities; i++) {
        if (strcmp(info->modality[i].name, e->modality) != 0)
            continue;
        if (strcmp(info->modality[i].vocabulary, "catalogue") != 0)
            return br_fail(BR_E_INPUT,
                           "%s: /timeline/%s: found vocabulary '%s', expected "
                           "'catalogue': targets are catalogue items",
                           e->truth_path, e->modality, info->modality[i].vocabulary);
        request->n_modalities = 1;
        request->modality[0]  = i;
        return BR_OK;
    }
    return br_fail(BR_E_INPUT, "%s: /timeline/%s is missing", e->truth_path, e->modality);
}

/* The first held-out item of each customer of one unit of the truth. */
static void take_targets(const br_unit *unit, truth *out)
{
    const br_timeline *t = &unit->timeline[0];

    memcpy(out->key.data + unit->first_row * out->key.width_bytes, unit->key.data,
           (size_t)(unit->n_rows * out->key.width_bytes));
    for (int64_t b = 0; b < unit->n_rows; b++)
        out->item_U[unit->first_row + b] =
            t->offset_B1[b + 1] > t->offset_B1[b] ? t->item_E[t->offset_B1[b]] : -1;
}

static br_status read_truth(const br_job *job, const br_evaluation *e, truth *out)
{
    br_status                st      = BR_OK;
    br_customers            *c       = NULL;
    br_unit                  unit    = {0};
    int64_t                 *start   = NULL;
    br_customers_request     request = {.channel = -1};
    int64_t                  n_units = 0;
    const br_customers_info *info;

    BR_TRY(st, br_customers_open(e->truth_path, job->setup->catalogue.n_items,
                                 &job->setup->governance.held_out, &c));
    BR_TRY(st, br_governance_allow(job->setup, "evaluate", BR_INPUT_CUSTOMERS, "timeline.",
                                   e->modality));
    BR_TRY(st, find_modality(c, e, &request));
    info     = br_customers_info_of(c);
    out->key = (br_keys){info->key_is_number, info->key_width_bytes, info->n_customers, NULL};
    BR_ALLOC(st, out->key.data, info->n_customers * info->key_width_bytes, "held-out keys");
    BR_ALLOC(st, out->item_U, info->n_customers, "held-out targets");
    BR_TRY(st, br_customers_plan(c, UNIT_CUSTOMERS, UNIT_EVENTS, &start, &n_units));
    for (int64_t u = 0; u < n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_customers_read(c, &request, start[u], start[u + 1] - start[u], &unit));
        take_targets(&unit, out);
    }
done:
    br_unit_free(&unit);
    br_free(&start);
    br_customers_close(&c);
    return st;
}

static void add_rank(const br_evaluation *e, br_ranking *r, int64_t rank)
{
    r->n_customers++;
    for (int32_t i = 0; i < e->n_cutoffs; i++) {
        if (rank < 0 || rank >= e->cutoff[i])
            continue;
        r->n_hits[i]++;
        r->gain[i] += 1.0 / log2((double)rank + 2.0);
    }
}

static int64_t place_of(int32_t item, const int32_t *item_K, int32_t n)
{
    for (int32_t j = 0; j < n; j++)
        if (item_K[j] == item)
            return j;
    return -1;
}

static br_status judge_lists(const br_job *job, br_evaluation *e, const br_batch *batch,
                             const int32_t *target_B, br_ranking *r)
{
    br_status st    = BR_OK;
    br_lists  lists = {0};
    char      path[4096];

    (void)snprintf(path, sizeof path, "%s/parts/part-%05lld.h5", e->run_path,
                   (long long)batch->unit);
    BR_TRY(st, br_lists_read(path, &lists));
    if (lists.n_rows != batch->n_rows || lists.first_row != batch->first_row)
        BR_FAIL(st, BR_E_INPUT, "%s: found rows %lld..%lld, expected %lld..%lld of %s", path,
                (long long)lists.first_row, (long long)(lists.first_row + lists.n_rows - 1),
                (long long)batch->first_row, (long long)(batch->first_row + batch->n_rows - 1),
                job->config->input_customers);
    for (int32_t i = 0; i < e->n_cutoffs; i++)
        if (e->cutoff[i] > lists.k)
            BR_FAIL(st, BR_E_USAGE, "evaluate: --at %d: the lists of %s have %d places",
                    e->cutoff[i], e->run_path, lists.k);
    for (int64_t b = 0; b < batch->n_rows; b++)
        if (target_B[b] >= 0)
            add_rank(e, r, place_of(target_B[b], lists.item_BK + b * lists.k, lists.n_B[b]));
done:
    br_lists_free(&lists);
    return st;
}

static void judge_popularity(const br_job *job, br_evaluation *e, const br_batch *batch,
                             const int32_t *target_B, br_ranking *r)
{
    int32_t row_K[BR_MAX_K];

    for (int64_t b = 0; b < batch->n_rows; b++) {
        int32_t n;

        if (target_B[b] < 0)
            continue;
        n = br_popularity_list(job, batch, b, false, row_K);
        for (int32_t j = 0; j < n; j++)
            row_K[j] = job->setup->catalogue_row[row_K[j]];
        add_rank(e, r, place_of(target_B[b], row_K, n));
    }
}

static br_status find_targets(const truth *t, const br_batch *batch, int64_t *row_of_B,
                              int32_t *target_B)
{
    br_status st = BR_OK;

    BR_TRY(st, br_keys_join(&t->key, "the held-out /customer/key", &batch->key,
                            "the run's /customer/key", row_of_B));
    for (int64_t b = 0; b < batch->n_rows; b++)
        target_B[b] = row_of_B[b] < 0 ? -1 : t->item_U[row_of_B[b]];
done:
    return st;
}

static br_status judge_negatives(br_job *job, br_evaluation *e, br_batch *batch,
                                 const int32_t *target_B, br_ranking *r)
{
    br_status st     = BR_OK;
    int64_t  *rank_B = NULL;

    BR_ALLOC(st, rank_B, batch->n_rows, "ranks");
    BR_TRY(st, br_rank_among_negatives(job, batch, e->negatives_path, target_B, rank_B));
    for (int64_t b = 0; b < batch->n_rows; b++)
        if (target_B[b] >= 0)
            add_rank(e, r, rank_B[b]);
done:
    br_free(&rank_B);
    return st;
}

static br_ranking *next_ranking(br_evaluation *e, const char *name, bool is_wanted)
{
    br_ranking *r = &e->ranking[e->n_rankings];

    if (!is_wanted)
        return NULL;
    r->name = name;
    e->n_rankings++;
    return r;
}

br_status br_evaluate(br_job *job, br_evaluation *e)
{
    br_status   st         = BR_OK;
    truth       t          = {0};
    br_batch    batch      = {0};
    int64_t    *row_of_B   = NULL;
    int32_t    *target_B   = NULL;
    br_ranking *lists      = next_ranking(e, "lists", e->run_path != NULL);
    br_ranking *popularity = next_ranking(e, "popularity", e->wants_popularity);
    br_ranking *negatives  = next_ranking(e, "negatives", e->negatives_path != NULL);

    BR_TRY(st, read_truth(job, e, &t));
    BR_ALLOC(st, row_of_B, job->max_rows, "target rows");
    BR_ALLOC(st, target_B, job->max_rows, "targets");
    if (negatives != NULL)
        BR_TRY(st, br_job_alloc_batch(job, &batch));
    for (int64_t u = 0; u < job->setup->n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        br_batch_take_unit(&batch, job->setup, u);
        BR_TRY(st, br_stage_read(job, &batch));
        BR_TRY(st, find_targets(&t, &batch, row_of_B, target_B));
        if (lists != NULL)
            BR_TRY(st, judge_lists(job, e, &batch, target_B, lists));
        if (popularity != NULL)
            judge_popularity(job, e, &batch, target_B, popularity);
        if (negatives != NULL)
            BR_TRY(st, judge_negatives(job, e, &batch, target_B, negatives));
    }
done:
    truth_free(&t);
    br_batch_free(&batch);
    br_free(&row_of_B);
    br_free(&target_B);
    return st;
}
