/* SPDX-License-Identifier: Apache-2.0
 *
 * May the customer see the item? Every verdict, each computed by itself. Called once per
 * explanation. */
#include <stdlib.h>

#include "host/base/memory.h"
#include "host/pipeline/look/explain/facts.h"
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/setup/setup_feeds.h"

/* An item that the model has no row for: asked of the vocabulary, as the job does. */
static br_status find_vector(const br_explained *x, br_item_facts *out)
{
    br_status       st     = BR_OK;
    const br_setup *s      = x->setup;
    br_keys         table  = {0};
    br_keys         wanted = s->catalogue.key;
    int64_t         row    = 0;

    wanted.n_keys = 1;
    wanted.data += x->item * wanted.width_bytes;
    if (s->table_row == NULL)
        return BR_OK;
    BR_TRY(st, br_bundle_vocabulary(s->bundle, s->spec->item_vocabulary, &table));
    BR_TRY(st,
           br_keys_join(&table, s->config->input_model, &wanted, s->config->input_catalogue, &row));
    out->has_no_vector = row < 0;
done:
    br_keys_free(&table);
    return st;
}

static void find_validity(const br_explained *x, br_item_facts *out)
{
    const br_setup *s       = x->setup;
    const int64_t  *valid_2 = s->catalogue.valid_N2;

    if (valid_2 != NULL && s->as_of != INT64_MAX)
        out->is_invalid = s->as_of < valid_2[2 * x->item] || s->as_of >= valid_2[2 * x->item + 1];
    out->forbidden_by =
        s->rulebook.reason_N == NULL ? -1 : (int32_t)s->rulebook.reason_N[x->item] - 1;
}

static void add_never(br_item_facts *out, br_never_kind kind, const char *name)
{
    out->never[out->n_never++] = (br_never_fact){kind, name};
}

static void find_history(const br_explained *x, br_item_facts *out)
{
    const br_setup *s = x->setup;

    for (int32_t f = 0; f < s->n_feeds; f++) {
        const br_timeline *t    = &x->job->raw.timeline[s->feed[f].place];
        bool               does = false;

        if (!s->feed[f].is_excluded)
            continue;
        for (int64_t e = 0; e < t->n_events; e++)
            does |= t->item_E[e] == x->item && t->time_E[e] <= s->as_of;
        if (does)
            add_never(out, BR_NEVER_HISTORY, s->feed[f].name);
    }
}

static void find_recent(const br_explained *x, br_item_facts *out)
{
    const br_rulebook *book = &x->setup->rulebook;

    for (int32_t r = 0; r < book->n_recent; r++) {
        int64_t n    = br_rulebook_recent_of(x->setup, &x->job->raw, 0, r, book->scratch.item_S);
        bool    does = false;

        for (int64_t i = 0; i < n; i++)
            does |= book->scratch.item_S[i] == x->item;
        if (does)
            add_never(out, BR_NEVER_RECENT, book->recent[r].name);
    }
}

static void find_never(const br_explained *x, br_item_facts *out)
{
    const br_unit *raw  = &x->job->raw;
    bool           does = false;

    for (int64_t i = 0; raw->exclude_offset_B1 != NULL && i < raw->exclude_offset_B1[1]; i++)
        does |= raw->exclude_item_S[i] == x->item;
    if (does)
        add_never(out, BR_NEVER_EXCLUDE, "");
    find_history(x, out);
    find_recent(x, out);
}

static void find_slot(const br_explained *x, br_item_facts *out)
{
    out->slot = -1;
    for (int32_t j = 0; j < x->part.n_B[x->at]; j++)
        if (x->part.item_BK[x->at * x->part.k + j] == x->item)
            out->slot = j;
    if (out->slot >= 0)
        out->source = x->part.source_BK[x->at * x->part.k + out->slot];
}

br_status br_explain_item(br_explained *x, br_item_facts *out)
{
    br_status          st   = BR_OK;
    const br_setup    *s    = x->setup;
    const br_rulebook *book = &s->rulebook;

    *out = (br_item_facts){.listed = s->listed_row[x->item]};
    BR_TRY(st, find_vector(x, out));
    find_validity(x, out);
    if (out->listed < 0 && !out->has_no_vector && !out->is_invalid && out->forbidden_by < 0)
        BR_FAIL(st, BR_E_SELFCHECK, "item row %lld cannot be listed, for no reason",
                (long long)x->item);
    if (book->rules != NULL)
        out->forbid = br_rules_forbid(book->rules, &book->customers.columns, 0,
                                      &book->items.columns, x->item);
    if (s->catalogue.segment_N != NULL) {
        out->required = s->catalogue.segment_N[x->item];
        out->had      = x->job->raw.segment_B[0];
    }
    find_never(x, out);
    out->is_eligible = out->listed >= 0 && out->forbid == 0 && out->n_never == 0 &&
                       (out->had & out->required) == out->required;
    find_slot(x, out);
done:
    return st;
}
