/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an item stands in a customer's catalogue: every listed item is scored and ranked anew, and
 * the stored list must be the head of it. Called once per explanation. */
#include <math.h>
#include <stdlib.h>

#include "host/base/memory.h"
#include "host/pipeline/choose/choose.h"
#include "host/pipeline/look/explain/facts.h"

/* The whole catalogue for this customer; N listed rows. */
typedef struct catalogue {
    br_explained *x;
    int64_t       n; /* N */
    int32_t      *row_N;
    uint8_t      *is_eligible_N;
    uint8_t      *is_candidate_N; /* ranked by score_N; else behind those, by linear_N */
    float        *penalty_N;      /* NULL: nothing is taken off */
    float        *score_N;
    float        *linear_N; /* NULL: not expected values */
    int32_t      *order_E;  /* eligible rows, best first */
    int64_t       n_eligible;
    int64_t       n_candidates; /* of the eligible */
} catalogue;

static bool needs_candidates(const catalogue *c)
{
    return c->x->setup->objective.n_candidates > 0 && c->linear_N != NULL;
}

static bool has_bits(const br_setup *s, const br_batch *batch, int32_t row)
{
    uint64_t require = s->require_N == NULL ? 0 : s->require_N[s->catalogue_row[row]];

    return require == 0 || (batch->have_B[0] & require) == require;
}

/* By what the run itself looked at: bits, never-list, extras. */
static void find_eligible(catalogue *c)
{
    const br_batch *batch = &c->x->batch;

    for (int64_t i = 0; i < c->n; i++) {
        c->row_N[i]          = (int32_t)i;
        c->is_eligible_N[i]  = has_bits(c->x->setup, batch, (int32_t)i);
        c->is_candidate_N[i] = 1;
    }
    for (int64_t i = batch->never_offset_B1[0]; i < batch->never_offset_B1[1]; i++)
        c->is_eligible_N[batch->never_item_S[i]] = 0;
    if (batch->extra_offset_B1 == NULL)
        return;
    for (int64_t i = batch->extra_offset_B1[0]; i < batch->extra_offset_B1[1]; i++) {
        c->is_eligible_N[batch->extra_item_P[i]] = 1;
        c->penalty_N[batch->extra_item_P[i]]     = batch->extra_penalty_P[i];
    }
}

static br_status alloc(catalogue *c)
{
    br_status           st = BR_OK;
    const br_objective *o  = &c->x->setup->objective;

    BR_ALLOC(st, c->row_N, c->n, "rows of the catalogue");
    BR_ALLOC(st, c->is_eligible_N, c->n, "eligible items");
    BR_ALLOC(st, c->is_candidate_N, c->n, "candidates");
    BR_ALLOC(st, c->score_N, c->n, "scores of the catalogue");
    BR_ALLOC(st, c->order_E, c->n, "order of the catalogue");
    if (o->n_repetitions > 0)
        BR_ALLOC(st, c->penalty_N, c->n, "penalties of the catalogue");
    if (o->type == BR_OBJECTIVE_EXPECTED_VALUE)
        BR_ALLOC(st, c->linear_N, c->n, "linear scores of the catalogue");
done:
    return st;
}

static void close_catalogue(catalogue *c)
{
    br_free(&c->row_N);
    br_free(&c->is_eligible_N);
    br_free(&c->is_candidate_N);
    br_free(&c->penalty_N);
    br_free(&c->score_N);
    br_free(&c->linear_N);
    br_free(&c->order_E);
}

/* score descending, then row. */
static int compare_by(const float *score_N, int32_t a, int32_t b)
{
    if (score_N[a] != score_N[b])
        return score_N[a] > score_N[b] ? -1 : 1;
    return (a > b) - (a < b);
}

static int compare_linear(const void *a, const void *b, void *context)
{
    return compare_by(((const catalogue *)context)->linear_N, *(const int32_t *)a,
                      *(const int32_t *)b);
}

static int compare_rank(const void *a, const void *b, void *context)
{
    const catalogue *c = context;
    int32_t          i = *(const int32_t *)a, j = *(const int32_t *)b;

    if (c->is_candidate_N[i] != c->is_candidate_N[j])
        return c->is_candidate_N[i] ? -1 : 1;
    return compare_by(c->is_candidate_N[i] ? c->score_N : c->linear_N, i, j);
}

/* The n_candidates best by the linear score; what has a penalty joins them (choose.c). */
static void find_candidates(catalogue *c, const br_item_facts *item, br_pair_facts *out)
{
    const br_batch *batch = &c->x->batch;
    int64_t         m = br_choose_n_candidates(c->x->job), n = 0;

    for (int64_t i = 0; i < c->n; i++)
        if (c->is_eligible_N[i] && br_batch_extra(batch, 0, (int32_t)i) < 0)
            c->order_E[n++] = (int32_t)i;
    qsort_r(c->order_E, (size_t)n, sizeof(int32_t), compare_linear, c);
    out->linear      = c->linear_N[item->listed];
    out->linear_rank = 1;
    for (int64_t i = 0; i < n; i++)
        out->linear_rank += compare_linear(&c->order_E[i], &item->listed, c) < 0;
    for (int64_t i = 0; i < c->n; i++)
        c->is_candidate_N[i] = br_batch_extra(batch, 0, (int32_t)i) >= 0;
    for (int64_t i = 0; i < n && i < m; i++)
        c->is_candidate_N[c->order_E[i]] = 1;
    if (n > m)
        out->last_candidate = c->linear_N[c->order_E[m - 1]];
    if (!item->is_eligible && out->linear_rank <= m) /* it would be one */
        c->is_candidate_N[item->listed] = 1;
    out->is_candidate = c->is_candidate_N[item->listed];
}

static br_status score_by_model(catalogue *c, const br_item_facts *item, br_scorer *scorer,
                                br_pair_facts *out)
{
    br_status      st   = BR_OK;
    br_scorer_rows rows = {c->n, c->row_N, c->penalty_N};

    BR_TRY(st, br_scorer_rank(scorer, rows, c->score_N));
    if (c->linear_N == NULL)
        goto done;
    rows.penalty_N = NULL;
    BR_TRY(st, br_scorer_linear(scorer, rows, c->linear_N));
    if (needs_candidates(c))
        find_candidates(c, item, out);
done:
    return st;
}

static void score_by_popularity(catalogue *c)
{
    for (int64_t i = 0; i < c->n; i++)
        c->score_N[i] = (float)c->x->job->popularity.count_N[i];
}

static void sort_eligible(catalogue *c)
{
    for (int64_t i = 0; i < c->n; i++)
        if (c->is_eligible_N[i]) {
            c->order_E[c->n_eligible++] = (int32_t)i;
            c->n_candidates += c->is_candidate_N[i];
        }
    qsort_r(c->order_E, (size_t)c->n_eligible, sizeof(int32_t), compare_rank, c);
}

/* Is the list the head of the order? Nothing but the rules may stand between scores and lists. */
static bool is_plain_order(const br_explained *x)
{
    return x->config->policy_type == BR_POLICY_GREEDY && !x->is_allocated && !x->setup->shape.is_on;
}

/* The source whose scores the item's is compared with. */
static uint8_t source_of(const br_pair_facts *pair)
{
    return pair->is_by_popularity ? BR_SOURCE_POPULARITY : BR_SOURCE_MODEL;
}

/* Slots of other sources than the scores' (pins, fillings) hold eligible items at least. */
static br_status check_slot(const catalogue *c, uint8_t source, int32_t j)
{
    const br_lists *part   = &c->x->part;
    int64_t         slot   = c->x->at * part->k + j;
    int32_t         listed = c->x->setup->listed_row[part->item_BK[slot]];
    bool            is_due = listed >= 0 && c->is_eligible_N[listed];

    if (!is_due || (part->source_BK[slot] == source && c->score_N[listed] != part->score_BK[slot]))
        return br_fail(br_explain_differs(c->x),
                       "%s: customer of row %lld: slot %d is listed with %.9g; item row %d is %s "
                       "and scores %.9g",
                       c->x->path, (long long)c->x->row, j + 1, (double)part->score_BK[slot],
                       part->item_BK[slot], is_due ? "eligible" : "not eligible",
                       listed >= 0 ? (double)c->score_N[listed] : NAN);
    if (is_plain_order(c->x) && c->order_E[j] != listed)
        return br_fail(
            br_explain_differs(c->x),
            "%s: customer of row %lld: slot %d holds item row %d; of all items %d is due "
            "there",
            c->x->path, (long long)c->x->row, j + 1, part->item_BK[slot],
            c->x->setup->catalogue_row[c->order_E[j]]);
    return BR_OK;
}

static br_status check_list(const catalogue *c, uint8_t source)
{
    br_status       st   = BR_OK;
    const br_lists *part = &c->x->part;
    int32_t         n    = part->n_B[c->x->at];
    int64_t         due  = c->n_candidates < part->k ? c->n_candidates : part->k;

    if (c->x->batch.rule_B[0] >= 0 || c->x->batch.arm_B[0] < 0)
        due = 0;
    if (!c->x->is_allocated && !c->x->setup->shape.is_on &&
        (n > due || (n < due && c->x->setup->shape.shape.n_quotas == 0)))
        BR_FAIL(st, br_explain_differs(c->x),
                "%s: customer of row %lld: the list has %d items, %lld are due", c->x->path,
                (long long)c->x->row, n, (long long)due);
    for (int32_t j = 0; j < n; j++)
        BR_TRY(st, check_slot(c, source, j));
done:
    return st;
}

/* The last listed whose score is of the same kind. */
static float last_listed(const br_explained *x, uint8_t source)
{
    for (int32_t j = x->part.n_B[x->at] - 1; j >= 0; j--)
        if (x->part.source_BK[x->at * x->part.k + j] == source)
            return x->part.score_BK[x->at * x->part.k + j];
    return NAN;
}

static void find_rank(const catalogue *c, const br_item_facts *item, br_pair_facts *out)
{
    out->n_eligible = c->n_eligible;
    out->rank       = 1;
    for (int64_t i = 0; i < c->n_eligible; i++)
        out->rank += c->order_E[i] != item->listed &&
                     compare_rank(&c->order_E[i], &item->listed, (void *)c) < 0;
    out->last   = last_listed(c->x, source_of(out));
    out->margin = (double)out->last - (double)out->score;
}

/* How many take part in a draw: the best of those that may be listed. */
static int64_t n_drawn(const catalogue *c)
{
    int64_t most = c->x->config->policy_shortlist;

    return most > 0 && most < c->n_eligible ? most : c->n_eligible;
}

static double plackett_luce(const catalogue *c, double score, double temperature)
{
    double most, sum = 0.0;

    if (c->n_eligible == 0)
        return NAN;
    most = (double)c->score_N[c->order_E[0]] / temperature;
    for (int64_t i = 0; i < n_drawn(c); i++)
        sum += exp((double)c->score_N[c->order_E[i]] / temperature - most);
    return score / temperature - most - log(sum);
}

/* The probability of slot 1, ln; NaN for an item that is not drawn from. */
static void find_propensity(const catalogue *c, const br_item_facts *item, br_pair_facts *out)
{
    double heat;

    out->log_propensity_1 = NAN;
    out->is_drawn         = c->x->batch.heat_B != NULL && !out->is_by_popularity;
    if (!out->is_drawn)
        return;
    out->heat = c->x->batch.heat_B[0];
    heat      = (double)out->heat;
    if (!item->is_eligible || out->rank > n_drawn(c))
        return;
    if (c->x->config->policy_type == BR_POLICY_PLACKETT_LUCE)
        out->log_propensity_1 = plackett_luce(c, (double)out->score, heat);
    else
        out->log_propensity_1 =
            log((out->rank == 1 ? 1.0 - heat : 0.0) + heat / (double)c->n_eligible);
}

/* An item that may not be listed has its penalties too. */
static br_status score_forbidden(catalogue *c, const br_item_facts *item, br_scorer *scorer)
{
    double         penalty_P[BR_MAX_PENALTIES];
    float          penalty = br_explain_repetitions(c->x, penalty_P);
    br_scorer_rows one     = {1, &item->listed, &penalty};

    return br_scorer_rank(scorer, one, &c->score_N[item->listed]);
}

static br_status rank_item(catalogue *c, const br_item_facts *item, br_scorer *scorer,
                           br_pair_facts *out)
{
    br_status st = BR_OK;

    find_eligible(c);
    if (c->is_eligible_N[item->listed] != item->is_eligible)
        BR_FAIL(st, BR_E_SELFCHECK,
                "customer of row %lld, item row %lld: one by one the rules say that it is %s, the "
                "job's bits say the contrary",
                (long long)c->x->row, (long long)c->x->item,
                item->is_eligible ? "eligible" : "not eligible");
    if (out->is_by_popularity) {
        score_by_popularity(c);
    } else {
        BR_TRY(st, score_by_model(c, item, scorer, out));
        if (!item->is_eligible && c->penalty_N != NULL)
            BR_TRY(st, score_forbidden(c, item, scorer));
    }
    sort_eligible(c);
    out->score = c->score_N[item->listed];
    BR_TRY(st, check_list(c, source_of(out)));
    find_rank(c, item, out);
    find_propensity(c, item, out);
done:
    return st;
}

br_status br_explain_pair(br_explained *x, const br_item_facts *item, br_scorer *scorer,
                          br_pair_facts *out)
{
    br_status st = BR_OK;
    catalogue c  = {.x = x, .n = x->setup->n_listed};

    *out                  = (br_pair_facts){.is_candidate     = true,
                                            .linear           = NAN,
                                            .last_candidate   = NAN,
                                            .log_propensity_1 = NAN,
                                            .last             = NAN,
                                            .margin           = NAN};
    out->has_score        = item->listed >= 0;
    out->is_by_popularity = (x->part.flags_B[x->at] & BR_FLAG_FALLBACK) != 0;
    if (!out->has_score)
        goto done;
    BR_TRY(st, alloc(&c));
    BR_TRY(st, rank_item(&c, item, scorer, out));
    if (!out->is_by_popularity)
        BR_TRY(st, br_explain_terms(x, item, out));
done:
    close_catalogue(&c);
    return st;
}
