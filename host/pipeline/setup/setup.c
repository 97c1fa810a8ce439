/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a job's inputs and joins them. Called once per job. */
#include "host/pipeline/setup/setup.h"

#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/allocate/constraints.h"
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/setup/setup_feeds.h"

/* Items of the catalogue that have a vector and are valid at as_of. */
static br_status list_items(br_setup *s, const int32_t *table_row)
{
    br_status           st = BR_OK;
    const br_catalogue *c  = &s->catalogue;

    BR_ALLOC(st, s->catalogue_row, c->n_items, "listed items");
    BR_ALLOC(st, s->listed_row, c->n_items, "listed rows");
    if (table_row != NULL)
        BR_ALLOC(st, s->table_row, c->n_items, "item table rows");
    for (int64_t i = 0; i < c->n_items; i++) {
        bool is_valid = c->valid_N2 == NULL || s->as_of == INT64_MAX ||
                        (c->valid_N2[2 * i] <= s->as_of && s->as_of < c->valid_N2[2 * i + 1]);

        s->listed_row[i] = -1;
        if (table_row != NULL && table_row[i] < 0) {
            s->n_unscorable++;
            continue;
        }
        if (!is_valid) {
            s->n_invalid++;
            continue;
        }
        if (s->rulebook.reason_N != NULL && s->rulebook.reason_N[i] > 0)
            continue;
        if (table_row != NULL)
            s->table_row[s->n_listed] = table_row[i];
        s->catalogue_row[s->n_listed] = (int32_t)i;
        s->listed_row[i]              = (int32_t)s->n_listed++;
    }
    if (s->n_listed == 0)
        BR_FAIL(st, BR_E_INPUT,
                "%s: none of its %lld items can be listed: %lld have no vector in the model, "
                "%lld are not valid at run.as_of, %lld are forbidden to everyone by rules",
                s->config->input_catalogue, (long long)c->n_items, (long long)s->n_unscorable,
                (long long)s->n_invalid, (long long)s->rulebook.n_forbidden);
    if (s->n_unscorable > 0)
        br_log(BR_LOG_WARN, "setup",
               "%lld of %lld catalogue items have no vector in the model: "
               "they are never listed",
               (long long)s->n_unscorable, (long long)c->n_items);
    if (s->config->list_k > s->n_listed)
        br_log(BR_LOG_WARN, "setup",
               "list.k is %lld, but %lld items can be listed: lists are short",
               (long long)s->config->list_k, (long long)s->n_listed);
done:
    return st;
}

static br_status join_items(br_setup *s)
{
    br_status st        = BR_OK;
    br_keys   keys      = {0};
    int32_t  *table_row = NULL;
    int64_t  *row_of    = NULL;
    char      place[2][1024]; /* for messages */

    if (s->spec == NULL || s->spec->item_table[0] == '\0') {
        BR_TRY(st, br_governance_allow(s, "input.catalogue", BR_INPUT_CATALOGUE, "vector", ""));
        BR_TRY(st, br_governance_allow(s, "input.catalogue", BR_INPUT_CATALOGUE, "bias", ""));
        if (s->catalogue.vector_dim == 0)
            BR_FAIL(st, BR_E_INPUT, "%s: /item/vector is missing: it is required when %s",
                    s->config->input_catalogue,
                    s->spec == NULL ? "no model is given" : "the model has no item table");
        if (s->catalogue.vector_dim != s->dim)
            BR_FAIL(st, BR_E_INPUT, "%s: /item/vector: found %d columns, expected %d as x_u has",
                    s->config->input_catalogue, s->catalogue.vector_dim, s->dim);
        BR_TRY(st, list_items(s, NULL));
        goto done;
    }
    BR_TRY(st, br_bundle_vocabulary(s->bundle, s->spec->item_vocabulary, &keys));
    BR_ALLOC(st, row_of, s->catalogue.n_items, "item join");
    BR_ALLOC(st, table_row, s->catalogue.n_items, "item join");
    (void)snprintf(place[0], sizeof place[0], "%s: vocabulary %s", s->config->input_model,
                   s->spec->item_vocabulary);
    (void)snprintf(place[1], sizeof place[1], "%s: /item/key", s->config->input_catalogue);
    BR_TRY(st, br_keys_join(&keys, place[0], &s->catalogue.key, place[1], row_of));
    for (int64_t i = 0; i < s->catalogue.n_items; i++)
        table_row[i] = (int32_t)row_of[i];
    BR_TRY(st, list_items(s, table_row));
done:
    br_keys_free(&keys);
    br_free(&row_of);
    br_free(&table_row);
    return st;
}

static br_status open_model(br_setup *s)
{
    br_status st = BR_OK;

    if (s->config->input_model[0] == '\0')
        return BR_OK;
    BR_TRY(st, br_bundle_open(s->config->input_model, &s->bundle));
    s->spec = br_bundle_spec(s->bundle);
    s->dim  = s->spec->dim;
done:
    return st;
}

/* x_u that the customers bring. */
static br_status join_vectors(br_setup *s)
{
    br_status                st   = BR_OK;
    const br_customers_info *info = br_customers_info_of(s->customers);

    if (s->spec != NULL && s->spec->n_encoders > 0)
        return BR_OK;
    BR_TRY(st, br_governance_allow(s, "input.customers", BR_INPUT_CUSTOMERS, "vector", ""));
    if (s->spec == NULL && info->vector_dim == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: /vector is missing: without input.model it must hold x_u",
                s->config->input_customers);
    if (s->spec != NULL && info->vector_dim != s->dim)
        BR_FAIL(st, BR_E_INPUT,
                "%s: /vector: found %d columns, expected %d: the model %s has no encoder and "
                "takes x_u from the customers",
                s->config->input_customers, info->vector_dim, s->dim, s->config->input_model);
    s->dim                  = info->vector_dim;
    s->request.wants_vector = true;
done:
    return st;
}

/* Files without what is denied. */
static br_status open_inputs(br_setup *s)
{
    br_status        st     = BR_OK;
    const br_config *config = s->config;
    br_governance   *g      = &s->governance;

    BR_TRY(st, br_governance_open(config, s->bundle, g));
    BR_TRY(st, br_catalogue_read(config->input_catalogue, &g->object[BR_INPUT_CATALOGUE],
                                 &s->catalogue));
    BR_TRY(st, br_customers_open(config->input_customers, s->catalogue.n_items,
                                 &g->object[BR_INPUT_CUSTOMERS], &s->customers));
done:
    return st;
}

/* What the catalogue requires of customers must be there. */
static br_status join_segments(br_setup *s)
{
    br_status st       = BR_OK;
    bool      is_there = br_customers_info_of(s->customers)->has_segment;

    s->request.wants_segment |= is_there && s->catalogue.segment_N != NULL;
    s->require_N = s->rulebook.require_N != NULL ? s->rulebook.require_N : s->catalogue.segment_N;
    if (s->catalogue.segment_N == NULL)
        return BR_OK;
    BR_TRY(st, br_governance_allow(s, "input.catalogue has /item/segment", BR_INPUT_CUSTOMERS,
                                   "segment", ""));
    if (!is_there)
        BR_FAIL(st, BR_E_INPUT, "%s: /segment is missing: %s has /item/segment",
                s->config->input_customers, s->config->input_catalogue);
done:
    return st;
}

static br_status choose_heads(br_setup *s)
{
    br_status        st     = BR_OK;
    const br_config *config = s->config;

    if (s->spec == NULL || !config->list_probabilities)
        goto done;
    for (int32_t h = 0; h < s->spec->n_heads; h++) {
        const br_head_spec *head = &s->spec->head[h];

        if (config->list_heads.n > 0 && !br_config_has(&config->list_heads, head->name))
            continue;
        if (head->kind == BR_HEAD_SURVIVAL) {
            s->curve[s->n_curves++] = h;
            s->n_periods += head->n_periods;
        } else {
            s->head[s->n_heads++] = h;
        }
    }
    for (int32_t i = 0; i < config->list_heads.n; i++) {
        bool is_known = false;
        for (int32_t h = 0; h < s->spec->n_heads; h++)
            is_known |= strcmp(config->list_heads.item[i], s->spec->head[h].name) == 0;
        if (!is_known)
            BR_FAIL(st, BR_E_USAGE, "list.heads: the model has no head '%s'",
                    config->list_heads.item[i]);
    }
done:
    return st;
}

static br_status find_channel(br_setup *s)
{
    br_status                st   = BR_OK;
    const br_customers_info *info = br_customers_info_of(s->customers);

    s->request.channel = -1;
    if (s->config->list_channel[0] == '\0')
        return BR_OK;
    BR_TRY(st, br_governance_allow(s, "list.channel", BR_INPUT_CUSTOMERS, "consent.",
                                   s->config->list_channel));
    for (int32_t i = 0; i < info->n_channels; i++)
        if (strcmp(info->channel[i], s->config->list_channel) == 0)
            s->request.channel = i;
    if (s->request.channel < 0)
        return br_fail(BR_E_INPUT, "%s: /consent/%s is missing: list.channel asks for it",
                       s->config->input_customers, s->config->list_channel);
done:
    return st;
}

br_status br_setup_open(const br_config *config, br_setup **out)
{
    br_status st = BR_OK;
    br_setup *s  = NULL;

    *out = NULL;
    BR_ALLOC(st, s, 1, "setup");
    s->config = config;
    s->as_of  = config->run_as_of;
    BR_TRY(st, open_model(s));
    BR_TRY(st, open_inputs(s));
    BR_TRY(st, join_vectors(s));
    BR_TRY(st, find_channel(s));
    BR_TRY(st, br_setup_join_feeds(s));
    BR_TRY(st, br_setup_join_columns(s));
    BR_TRY(st, br_rulebook_open(s));
    BR_TRY(st, join_items(s));
    BR_TRY(st, choose_heads(s));
    BR_TRY(st, br_setup_join_objective(s));
    BR_TRY(st, br_setup_join_shape(s));
    BR_TRY(st, join_segments(s));
    s->request.wants_exclude = br_customers_info_of(s->customers)->has_exclude;
    BR_TRY(st, br_constraints_check(s));
    *out = s;
    s    = NULL;
done:
    br_setup_close(&s);
    return st;
}

br_status br_setup_plan_units(br_setup *s)
{
    br_status st    = BR_OK;
    int64_t  *start = NULL;

    BR_TRY(st, br_customers_plan(s->customers, s->config->run_unit_customers,
                                 s->config->run_unit_events, &start, &s->n_units));
    BR_ALLOC(st, s->unit_rows, s->n_units, "work units");
    for (int64_t u = 0; u < s->n_units; u++)
        s->unit_rows[u] = (br_rows){start[u], start[u + 1] - start[u]};
    BR_TRY(st, br_rulebook_scan(s));
done:
    br_free(&start);
    return st;
}

void br_setup_close(br_setup **setup)
{
    br_setup *s = *setup;

    if (s == NULL)
        return;
    for (int32_t i = 0; i < s->n_feeds; i++)
        br_free(&s->feed[i].row_of_token);
    for (int i = 0; i < BR_MAX_STATICS; i++)
        br_free(&s->static_row[i]);
    br_rulebook_close(&s->rulebook);
    br_shape_plan_free(&s->shape);
    br_free(&s->catalogue_row);
    br_free(&s->listed_row);
    br_free(&s->table_row);
    br_free(&s->weighting);
    br_free(&s->popular_N);
    br_free(&s->unit_rows);
    br_bundle_close(&s->bundle);
    br_customers_close(&s->customers);
    br_catalogue_free(&s->catalogue);
    br_governance_free(&s->governance);
    br_free(setup);
}
