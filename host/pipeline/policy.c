/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 5: what may be listed, and why a list is as it is: consent, popularity for customers
 * without usable events, short lists explained; hazards become survival. What was drawn keeps its
 * log-propensities, other lists have 0. Runs in the writing thread, once per work unit. */
#include <math.h>
#include <string.h>

#include "host/decide/assign.h"
#include "host/io/lists/slots.h"
#include "host/pipeline/choose/weightings.h"
#include "host/pipeline/objective/terms.h"
#include "host/pipeline/popularity.h"
#include "host/pipeline/stages.h"

static br_status download(const br_batch *batch, br_mat from, void *to)
{
    return br_download(batch->out_lane, br_mat_rows(from, 0, batch->n_rows), to);
}

/* What was logged of the draws; of greedy lists 0. */
static br_status fetch_draws(br_job *job, br_batch *b)
{
    br_status st    = BR_OK;
    br_lists *lists = &b->lists;
    int64_t   n     = b->n_rows;

    if (job->config->policy_type == BR_POLICY_GREEDY) {
        memset(lists->log_propensity_BK, 0, (size_t)(n * lists->k) * sizeof(float));
        memset(lists->log_normaliser_B, 0, (size_t)n * sizeof(float));
        return BR_OK;
    }
    BR_TRY(st, download(b, b->log_propensity_BK, lists->log_propensity_BK));
    BR_TRY(st, download(b, b->log_normaliser_B, lists->log_normaliser_B));
    BR_TRY(st, download(b, b->log_remaining_B, lists->log_remaining_B));
done:
    return st;
}

static br_status fetch_lists(br_job *job, br_batch *b)
{
    br_status st    = BR_OK;
    br_lists *lists = &b->lists;
    int64_t   n     = b->n_rows;

    lists->first_row = b->first_row;
    lists->n_rows    = n;
    lists->key       = b->key;
    BR_TRY(st, download(b, b->item_BK, lists->item_BK));
    BR_TRY(st, download(b, b->score_BK, lists->score_BK));
    for (int32_t h = 0; h < lists->n_heads; h++)
        BR_TRY(st, download(b, b->probability_BK[h], lists->probability_BK[h]));
    BR_TRY(st, fetch_draws(job, b));
    for (int32_t h = 0; h < lists->n_curves; h++) /* hazards so far */
        BR_TRY(st, download(b, b->hazard_BP[h], lists->curve[h].survival_BP));
    BR_TRY(st, br_terms_fetch(job, b));
    BR_TRY(st, download(b, b->square_B, b->host_square_B));
    if (lists->vector_BD != NULL)
        BR_TRY(st, download(b, b->x_BD, lists->vector_BD));
    if (b->alpha_BM.buf != NULL) {
        BR_TRY(st, download(b, b->alpha_BM, lists->alpha_BM));
        BR_TRY(st, download(b, b->gate_BM, lists->gate_BM));
    }
done:
    return st;
}

/* Items are listed rows, then -1: what comes from a device is not believed before it is used. */
static br_status check_items(const br_job *job, const br_batch *batch)
{
    const br_lists *lists = &batch->lists;
    char            customer[BR_KEY_TEXT_BYTES];

    for (int64_t b = 0; b < batch->n_rows; b++)
        for (int32_t j = 0, before = 0; j < lists->k; j++) {
            int32_t item = lists->item_BK[b * lists->k + j];

            if (item < -1 || item >= job->setup->n_listed || (before == -1 && item != -1))
                return br_fail(BR_E_SELFCHECK,
                               "device %s: customer %s (row %lld): slot %d: found item %d, "
                               "expected %s",
                               br_dev_description(job->dev), br_keys_text(&batch->key, b, customer),
                               (long long)(batch->first_row + b), j, item,
                               before == -1 ? "-1: the slot before is empty"
                                            : "a listed row, or -1 for none");
            before = item;
        }
    return BR_OK;
}

/* Empties slots [from, k) of customer b. */
static void clear_slots(br_lists *lists, int64_t b, int32_t from)
{
    br_slots_clear(lists, b * lists->k + from, (b + 1) * lists->k);
}

static void keep_model_list(const br_job *job, br_lists *lists, int64_t b)
{
    int32_t n = 0;

    while (n < lists->k && lists->item_BK[b * lists->k + n] >= 0) {
        int64_t at           = b * lists->k + n++;
        lists->item_BK[at]   = job->setup->catalogue_row[lists->item_BK[at]];
        lists->source_BK[at] = BR_SOURCE_MODEL;
    }
    lists->n_B[b] = n;
    clear_slots(lists, b, n);
}

/* Popularity has no probability: NaN. The score is the number of events counted. */
static void fill_by_popularity(const br_job *job, const br_batch *batch, int64_t b)
{
    br_lists *lists = (br_lists *)&batch->lists;
    int32_t   row_K[BR_MAX_K];
    int32_t   n = br_popularity_list(job, batch, b, true, row_K);

    clear_slots(lists, b, 0);
    for (int32_t j = 0; j < n; j++) {
        int64_t at                   = b * lists->k + j;
        lists->item_BK[at]           = job->setup->catalogue_row[row_K[j]];
        lists->score_BK[at]          = (float)job->popularity.count_N[row_K[j]];
        lists->source_BK[at]         = BR_SOURCE_POPULARITY;
        lists->log_propensity_BK[at] = 0.0f;
    }
    lists->n_B[b] = n;
}

/* Items that no score chose have no probability, whatever the heads say. */
static void keep_shaped_list(const br_job *job, br_batch *batch, int64_t b, bool is_by_model)
{
    br_lists *lists = &batch->lists;
    int32_t   n     = 0;

    for (; n < lists->k && lists->item_BK[b * lists->k + n] >= 0; n++) {
        int64_t at                   = b * lists->k + n;
        uint8_t source               = batch->source_BK[at];
        lists->item_BK[at]           = job->setup->catalogue_row[lists->item_BK[at]];
        lists->source_BK[at]         = source;
        lists->log_propensity_BK[at] = 0.0f;
        if (!is_by_model || (source != BR_SOURCE_MODEL && source != BR_SOURCE_PINNED))
            br_slots_forget_scores(lists, at);
    }
    lists->n_B[b] = n;
    clear_slots(lists, b, n);
}

static uint32_t shape_flags(const br_job *job, const br_batch *batch, int64_t b)
{
    uint32_t flags = 0;

    if (batch->short_B[b] & BR_SHORT_QUOTA)
        flags |= BR_FLAG_GROUPS_FULL;
    if (job->setup->shape.shape.lambda < 1.0 && br_lists_is_by_model(&batch->lists, b))
        flags |= BR_FLAG_DIVERSE;
    return flags;
}

/* Lists are by quotas without any other shape: is an eligible item left out? */
static bool has_full_groups(const br_job *job, const br_batch *batch, int64_t b)
{
    const br_setup *s     = job->setup;
    const br_lists *lists = &batch->lists;

    if (s->shape.shape.n_quotas == 0 || lists->n_B[b] == lists->k)
        return false;
    for (int32_t i = 0; i < s->n_listed; i++) {
        bool is_out = br_popularity_may_show(s, batch, b, i);

        for (int32_t j = 0; j < lists->n_B[b] && is_out; j++)
            is_out = lists->item_BK[b * lists->k + j] != s->catalogue_row[i];
        if (is_out)
            return true;
    }
    return false;
}

/* A list that was not drawn has no probability among the draws. */
static void forget_draws(br_lists *lists, int64_t b)
{
    if (lists->log_remaining_B != NULL)
        lists->log_normaliser_B[b] = lists->log_remaining_B[b] = NAN;
}

/* The rule that holds the customer back and the arm, whatever becomes of the list. */
static void note_verdict(const br_job *job, br_batch *batch, int64_t b)
{
    const br_rulebook *book  = &job->setup->rulebook;
    br_lists          *lists = &batch->lists;
    int32_t            arm   = batch->arm_B[b];
    int32_t            first = arm < 0 ? 0 : book->first_A[arm];
    int32_t            end   = book->first_A[arm < 0 ? 0 : arm + 1];

    if (lists->rule_B != NULL)
        lists->rule_B[b] = batch->rule_B[b];
    lists->arm_B[b]             = arm;
    lists->arm_probability_B[b] = (float)((double)(end - first) / BR_ASSIGN_BUCKETS);
}

/* Rules come before the hold-out: it is made of customers who would have got a list. */
static void hold_back(const br_job *job, br_batch *batch, int64_t b)
{
    br_lists *lists = &batch->lists;
    int32_t   rule  = batch->rule_B[b];

    lists->n_B[b] = 0;
    clear_slots(lists, b, 0);
    forget_draws(lists, b);
    if (rule < 0)
        lists->flags_B[b] = BR_FLAG_HELD_OUT;
    else if (job->setup->rulebook.hold[rule].kind == BR_HOLD_CONSENT)
        lists->flags_B[b] = BR_FLAG_NO_CONSENT;
    else
        lists->flags_B[b] = BR_FLAG_HELD_BACK;
}

static void decide(const br_job *job, br_batch *batch, int64_t b)
{
    br_lists *lists = &batch->lists;
    uint32_t  flags = 0;
    bool      falls_back;

    note_verdict(job, batch, b);
    if (batch->rule_B[b] >= 0 || batch->arm_B[b] < 0) {
        hold_back(job, batch, b);
        return;
    }
    if (!br_batch_has_events(batch, job->setup->n_encoders, b))
        flags |= BR_FLAG_NO_EVENTS;
    falls_back =
        (flags & BR_FLAG_NO_EVENTS) && job->config->list_fallback == BR_FALLBACK_POPULARITY;
    if (falls_back)
        flags |= BR_FLAG_FALLBACK;
    if (job->shaping != NULL) {
        keep_shaped_list(job, batch, b, !falls_back);
        flags |= shape_flags(job, batch, b);
    } else if (falls_back) {
        forget_draws(lists, b);
        fill_by_popularity(job, batch, b);
    } else {
        keep_model_list(job, lists, b);
    }
    if (job->shaping == NULL && has_full_groups(job, batch, b))
        flags |= BR_FLAG_GROUPS_FULL;
    if (lists->n_B[b] == 0)
        flags |= BR_FLAG_NOTHING_ALLOWED;
    else if (lists->n_B[b] < lists->k)
        flags |= BR_FLAG_SHORT;
    lists->flags_B[b] = flags;
}

/* Vectors and weights may be finite and their products not. */
static br_status fail_survival(const br_job *job, const br_batch *batch, int64_t b,
                               const char *head)
{
    char customer[BR_KEY_TEXT_BYTES];

    return br_fail(
        BR_E_INPUT,
        "%s: the survival '%s' of customer %s (row %lld) is not a number: the vectors or "
        "the head's weights are too large",
        job->config->input_model, head, br_keys_text(&batch->key, b, customer),
        (long long)(batch->first_row + b));
}

/* Of customers whose list is the model's; like probabilities, NaN for the others. */
static br_status survive(const br_job *job, br_batch *batch, br_curve *s)
{
    int32_t P = s->n_periods;

    br_survival_of_hazards(batch->n_rows, P, s->survival_BP);
    for (int64_t b = 0; b < batch->n_rows; b++) {
        float *s_P = s->survival_BP + b * P;

        if (!br_lists_is_by_model(&batch->lists, b))
            for (int32_t p = 0; p < P; p++)
                s_P[p] = NAN;
        else if (isnan(s_P[P - 1]))
            return fail_survival(job, batch, b, s->name);
    }
    return BR_OK;
}

br_status br_stage_policy(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, fetch_lists(job, batch));
    BR_TRY(st, check_items(job, batch));
    for (int64_t b = 0; b < batch->n_rows; b++)
        decide(job, batch, b);
    BR_TRY(st, br_weightings_fetch(job, batch));
    for (int32_t h = 0; h < batch->lists.n_curves; h++)
        BR_TRY(st, survive(job, batch, &batch->lists.curve[h]));
done:
    return st;
}
