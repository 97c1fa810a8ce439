/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins timelines, tokens and columns of the customers to the model by name and key. Called once
 * per job. */
#include "host/pipeline/setup/setup_feeds.h"

#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"

static int32_t find_timeline(const br_customers_info *info, const char *name)
{
    for (int32_t i = 0; i < info->n_modalities; i++)
        if (strcmp(info->modality[i].name, name) == 0)
            return i;
    return -1;
}

static bool is_denied(const br_setup *s, const char *word, const char *name)
{
    char column[BR_COLUMN_NAME_BYTES];

    (void)snprintf(column, sizeof column, "%s%s", word, name);
    return br_governance_denier(&s->governance, BR_INPUT_CUSTOMERS, column) != NULL;
}

static br_feed *find_feed(br_setup *s, const char *name)
{
    for (int32_t i = 0; i < s->n_feeds; i++)
        if (strcmp(s->feed[i].name, name) == 0)
            return &s->feed[i];
    return NULL;
}

/* Adds a timeline to the request. One that the file lacks stays at place -1. */
static br_feed *add_feed(br_setup *s, const char *name)
{
    const br_customers_info *info  = br_customers_info_of(s->customers);
    int32_t                  found = find_timeline(info, name);
    br_feed                 *feed  = &s->feed[s->n_feeds++];

    (void)snprintf(feed->name, sizeof feed->name, "%s", name);
    feed->place = -1;
    if (found >= 0) {
        feed->place        = s->request.n_modalities;
        feed->is_catalogue = strcmp(info->modality[found].vocabulary, "catalogue") == 0;
        s->request.modality[feed->place] = found;
        s->request.n_modalities++;
    }
    return feed;
}

static br_status token_keys(br_setup *s, const br_feed *feed, br_keys *copy, const br_keys **keys)
{
    const br_customers_info *info = br_customers_info_of(s->customers);

    if (feed->is_catalogue) {
        *keys = &s->catalogue.key;
        return BR_OK;
    }
    *keys = copy;
    return br_customers_vocabulary(
        s->customers, info->modality[s->request.modality[feed->place]].vocabulary, copy);
}

/* "FILE: /a/b/c", for messages. */
#define PLACE_BYTES 1024
static const char *place_text(char text[PLACE_BYTES], const char *file, const char *before,
                              const char *name, const char *after)
{
    (void)snprintf(text, PLACE_BYTES, "%s: %s%s%s", file, before, name, after);
    return text;
}

static const char *tokens_place(const br_setup *s, const br_feed *feed, char text[PLACE_BYTES])
{
    const br_customers_info *info = br_customers_info_of(s->customers);

    if (feed->is_catalogue)
        return place_text(text, s->config->input_catalogue, "/item/key", "", "");
    return place_text(text, s->config->input_customers, "/vocabulary/",
                      info->modality[s->request.modality[feed->place]].vocabulary, "/key");
}

/* The embedding row of every token of one encoder's timeline. */
static br_status join_tokens(br_setup *s, const br_encoder_spec *encoder, br_feed *feed)
{
    br_status      st     = BR_OK;
    br_keys        table  = {0};
    br_keys        copy   = {0};
    int64_t       *row_of = NULL;
    const br_keys *tokens;
    int64_t        n_known = 0;
    char           place[2][PLACE_BYTES];

    BR_TRY(st, br_bundle_vocabulary(s->bundle, encoder->vocabulary, &table));
    BR_TRY(st, token_keys(s, feed, &copy, &tokens));
    feed->n_tokens = tokens->n_keys;
    BR_ALLOC(st, row_of, tokens->n_keys, "token join");
    BR_ALLOC(st, feed->row_of_token, tokens->n_keys, "token rows");
    BR_TRY(st, br_keys_join(&table,
                            place_text(place[0], s->config->input_model, "vocabulary ",
                                       encoder->vocabulary, ""),
                            tokens, tokens_place(s, feed, place[1]), row_of));
    for (int64_t i = 0; i < tokens->n_keys; i++) {
        feed->row_of_token[i] = (int32_t)row_of[i];
        n_known += row_of[i] >= 0;
    }
    if (n_known == 0 && tokens->n_keys > 0)
        BR_FAIL(st, BR_E_INPUT,
                "%s: /timeline/%s: none of its %lld tokens has a row in the model's vocabulary "
                "'%s' (%lld keys): are these the files the model was made for?",
                s->config->input_customers, encoder->name, (long long)tokens->n_keys,
                encoder->vocabulary, (long long)table.n_keys);
done:
    br_keys_free(&table);
    br_keys_free(&copy);
    br_free(&row_of);
    return st;
}

static br_status add_encoders(br_setup *s)
{
    br_status st = BR_OK;

    s->n_encoders = s->spec == NULL ? 0 : s->spec->n_encoders;
    for (int32_t m = 0; m < s->n_encoders; m++) {
        const br_encoder_spec *encoder = &s->spec->encoder[m];
        br_feed               *feed    = add_feed(s, encoder->name);

        if (feed->place < 0) {
            if (!is_denied(s, "timeline.", encoder->name)) /* then it was said */
                br_log(BR_LOG_WARN, "setup", "%s: /timeline/%s is missing: no customer has it",
                       s->config->input_customers, encoder->name);
            continue;
        }
        BR_TRY(st, join_tokens(s, encoder, feed));
        br_customers_limit_types(s->customers, s->request.modality[feed->place], encoder->n_types);
    }
done:
    return st;
}

static br_status add_exclusions(br_setup *s)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < s->config->list_exclude_history.n; i++) {
        const char *name = s->config->list_exclude_history.item[i];
        br_feed    *feed = find_feed(s, name);

        BR_TRY(st, br_governance_allow(s, "list.exclude_history", BR_INPUT_CUSTOMERS, "timeline.",
                                       name));
        if (feed == NULL)
            feed = add_feed(s, name);
        if (feed->place < 0 || !feed->is_catalogue)
            BR_FAIL(st, BR_E_INPUT, "list.exclude_history: %s: /timeline/%s %s",
                    s->config->input_customers, name,
                    feed->place < 0 ? "is missing" : "has no catalogue items");
        feed->is_excluded = true;
    }
done:
    return st;
}

br_status br_setup_catalogue_feed(br_setup *s, const char *where, const char *name, int32_t *out)
{
    br_status st   = BR_OK;
    br_feed  *feed = find_feed(s, name);

    BR_TRY(st, br_governance_allow(s, where, BR_INPUT_CUSTOMERS, "timeline.", name));
    if (feed == NULL)
        feed = add_feed(s, name);
    if (feed->place < 0 || !feed->is_catalogue)
        BR_FAIL(st, BR_E_USAGE, "%s: %s: /timeline/%s %s", where, s->config->input_customers, name,
                feed->place < 0 ? "is missing" : "has no catalogue items");
    *out = (int32_t)(feed - s->feed);
done:
    return st;
}

const br_timeline *br_setup_events_of(const br_setup *s, const br_unit *raw, int32_t feed)
{
    return feed < 0 ? &raw->contact : &raw->timeline[s->feed[feed].place];
}

/* Popularity counts one named timeline, or every timeline of catalogue items. */
static br_status add_popularity(br_setup *s)
{
    const br_customers_info *info  = br_customers_info_of(s->customers);
    const char              *named = s->config->list_fallback_modality;
    bool                     found = false;
    br_status                st    = BR_OK;

    BR_TRY(st, br_governance_allow(s, "list.fallback_modality", BR_INPUT_CUSTOMERS, "timeline.",
                                   named));
    for (int32_t i = 0; i < info->n_modalities; i++) {
        br_feed *feed;

        if (strcmp(info->modality[i].vocabulary, "catalogue") != 0)
            continue;
        if (named[0] != '\0' && strcmp(named, info->modality[i].name) != 0)
            continue;
        feed = find_feed(s, info->modality[i].name);
        if (feed == NULL)
            feed = add_feed(s, info->modality[i].name);
        feed->is_popular = true;
        found            = true;
    }
    if (named[0] != '\0' && !found)
        BR_FAIL(st, BR_E_INPUT, "list.fallback_modality: %s has no /timeline/%s of catalogue items",
                s->config->input_customers, named);
done:
    return st;
}

br_status br_setup_join_feeds(br_setup *s)
{
    br_status st = BR_OK;

    BR_TRY(st, add_encoders(s));
    BR_TRY(st, add_exclusions(s));
    if (s->config->list_fallback == BR_FALLBACK_POPULARITY)
        BR_TRY(st, add_popularity(s));
done:
    return st;
}

/* Categories of one static column -> rows of the model's table. */
static br_status join_categories(br_setup *s, int32_t column)
{
    br_status st         = BR_OK;
    br_keys   table      = {0};
    br_keys   categories = {0};
    int64_t  *row_of     = NULL;
    char      vocabulary[BR_NAME_BYTES + 8];
    char      place[2][PLACE_BYTES];

    (void)snprintf(vocabulary, sizeof vocabulary, "static.%s", s->spec->statics[column].name);
    BR_TRY(st, br_bundle_vocabulary(s->bundle, vocabulary, &table));
    BR_TRY(st, br_customers_static_keys(s->customers, s->spec->statics[column].name, &categories));
    s->n_categories[column] = categories.n_keys;
    BR_ALLOC(st, row_of, categories.n_keys, "category join");
    BR_ALLOC(st, s->static_row[column], categories.n_keys, "category rows");
    BR_TRY(st,
           br_keys_join(&table,
                        place_text(place[0], s->config->input_model, "vocabulary ", vocabulary, ""),
                        &categories,
                        place_text(place[1], s->config->input_customers, "/static_key/",
                                   s->spec->statics[column].name, ""),
                        row_of));
    for (int64_t i = 0; i < categories.n_keys; i++)
        s->static_row[column][i] = row_of[i] > 0 ? (int32_t)row_of[i] : 0;
done:
    br_keys_free(&table);
    br_keys_free(&categories);
    br_free(&row_of);
    return st;
}

static br_status join_aggregates(br_setup *s)
{
    const br_customers_info *info = br_customers_info_of(s->customers);

    for (int32_t i = 0; i < s->spec->n_aggregates; i++) {
        const char *name  = s->spec->aggregate[i].name;
        int32_t     found = -1;

        s->aggregate_place[i] = -1;
        if (is_denied(s, "aggregate.", name))
            continue;
        for (int32_t j = 0; j < info->n_aggregates; j++)
            if (strcmp(info->aggregate_name[j], name) == 0)
                found = j;
        if (found < 0)
            return br_fail(BR_E_INPUT, "%s: /aggregate has no column '%s': the model needs it",
                           s->config->input_customers, name);
        s->aggregate_place[i]                       = s->request.n_aggregates++;
        s->request.aggregate[s->aggregate_place[i]] = found;
    }
    return BR_OK;
}

br_status br_setup_join_columns(br_setup *s)
{
    br_status                st   = BR_OK;
    const br_customers_info *info = br_customers_info_of(s->customers);

    if (s->spec == NULL)
        goto done;
    for (int32_t i = 0; i < s->spec->n_statics; i++) {
        int32_t found = -1;

        s->static_place[i] = -1;
        if (is_denied(s, "static.", s->spec->statics[i].name))
            continue;
        for (int32_t j = 0; j < info->n_statics; j++)
            if (strcmp(info->static_name[j], s->spec->statics[i].name) == 0)
                found = j;
        if (found < 0)
            BR_FAIL(st, BR_E_INPUT, "%s: /static/%s is missing: the model needs it",
                    s->config->input_customers, s->spec->statics[i].name);
        s->static_place[i]                     = s->request.n_statics++;
        s->request.statics[s->static_place[i]] = found;
        BR_TRY(st, join_categories(s, i));
    }
    BR_TRY(st, join_aggregates(s));
done:
    return st;
}
