/* SPDX-License-Identifier: Apache-2.0
 *
 * One table of the columns of both files. Called when a job opens its inputs. */
#include "host/io/columns/input_columns.h"

#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/h5/access.h"

const char *const br_input_whose[BR_N_INPUTS] = {"customer", "item"};

#define AGGREGATE "/aggregate"

static const br_column_place places[] = {
    {BR_INPUT_CUSTOMERS, "static.", {"/static/", "/static_key/"}, true, NULL},
    {BR_INPUT_CUSTOMERS, "aggregate.", {AGGREGATE, NULL}, true, NULL},
    {BR_INPUT_CUSTOMERS, "timeline.", {"/timeline/", "/state/"}, true, NULL},
    {BR_INPUT_CUSTOMERS, "consent.", {"/consent/", NULL}, false, NULL},
    {BR_INPUT_CUSTOMERS, "segment", {"/segment", NULL}, false, NULL},
    {BR_INPUT_CUSTOMERS, "contact", {"/contact", NULL}, false, NULL},
    {BR_INPUT_CUSTOMERS, "vector", {"/vector", NULL}, false, NULL},
    {BR_INPUT_CUSTOMERS,
     "exclude",
     {"/exclude", NULL},
     false,
     "it says which items customers are never to be shown"},
    {BR_INPUT_CUSTOMERS, "key", {"/customer/key", NULL}, false, "lists are made out to it"},
    {BR_INPUT_CATALOGUE, "group.", {"/item/group/", "/item/group_key/"}, true, NULL},
    {BR_INPUT_CATALOGUE, "value.", {"/item/value/", NULL}, true, NULL},
    {BR_INPUT_CATALOGUE, "name", {"/item/name", NULL}, false, NULL},
    {BR_INPUT_CATALOGUE, "capacity", {"/item/capacity", NULL}, false, NULL},
    {BR_INPUT_CATALOGUE, "vector", {"/item/vector", NULL}, false, NULL},
    {BR_INPUT_CATALOGUE, "bias", {"/item/bias", NULL}, false, NULL},
    {BR_INPUT_CATALOGUE,
     "segment",
     {"/item/segment", NULL},
     false,
     "it says which customers may be shown an item"},
    {BR_INPUT_CATALOGUE,
     "valid",
     {"/item/valid", NULL},
     false,
     "it says when an item may be listed"},
    {BR_INPUT_CATALOGUE, "key", {"/item/key", NULL}, false, "it says what is listed"},
};

#define N_PLACES ((int32_t)(sizeof places / sizeof *places))

static bool is_named(const br_column_place *place)
{
    return place->word[strlen(place->word) - 1] == '.';
}

/* Links have no '/' in their names; what /aggregate calls its columns is free. */
static bool is_name(const br_column_place *place, const char *name)
{
    return name[0] != '\0' && (strcmp(place->object[0], AGGREGATE) == 0 || !strchr(name, '/'));
}

const br_column_place *br_input_column_place(br_input input, const char *column)
{
    for (int32_t i = 0; i < N_PLACES; i++) {
        size_t n = strlen(places[i].word);

        if (places[i].input != input || strncmp(column, places[i].word, n) != 0)
            continue;
        if (is_named(&places[i]) ? is_name(&places[i], column + n) : column[n] == '\0')
            return &places[i];
    }
    return NULL;
}

br_status br_input_column_objects(br_input input, const char *column, br_names *out)
{
    br_status              st    = BR_OK;
    const br_column_place *place = br_input_column_place(input, column);
    char                   object[BR_COLUMN_NAME_BYTES + 32];

    if (place == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "no %s column is called '%s'", br_input_whose[input], column);
    for (int32_t i = 0; i < 2 && place->object[i] != NULL; i++) {
        const char *name = column + strlen(place->word);

        if (strcmp(place->object[i], AGGREGATE) == 0)
            (void)snprintf(object, sizeof object, AGGREGATE "[%s]", name);
        else
            (void)snprintf(object, sizeof object, "%s%s", place->object[i], name);
        BR_TRY(st, br_names_add(out, object));
    }
done:
    return st;
}

static br_status add_column(const char *word, const char *name, br_names *out)
{
    char column[BR_COLUMN_NAME_BYTES];

    (void)snprintf(column, sizeof column, "%s%s", word, name);
    return br_names_add(out, column);
}

static br_status add_aggregates(const br_h5_file *file, const char *word, br_names *out)
{
    br_status st    = BR_OK;
    br_keys   names = {0};
    char      name[BR_COLUMN_NAME_BYTES];

    BR_TRY(st, br_h5_attr_texts(file, AGGREGATE, "names", -1, &names));
    for (int64_t i = 0; i < names.n_keys; i++) {
        (void)snprintf(name, sizeof name, "%.*s", (int)names.width_bytes,
                       (const char *)names.data + i * names.width_bytes);
        if (name[0] != '\0') /* the reader refuses the file */
            BR_TRY(st, add_column(word, name, out));
    }
done:
    br_keys_free(&names);
    return st;
}

/* "/item/group/" -> the folder that its links are in: "/item", and its own name, "group". */
static const char *split(const char *object, char folder[BR_COLUMN_NAME_BYTES],
                         char group[BR_COLUMN_NAME_BYTES])
{
    char *last;

    (void)snprintf(group, BR_COLUMN_NAME_BYTES, "%s", object);
    if (group[strlen(group) - 1] == '/')
        group[strlen(group) - 1] = '\0';
    last = strrchr(group, '/');
    (void)snprintf(folder, BR_COLUMN_NAME_BYTES, "%.*s", last == group ? 1 : (int)(last - group),
                   group);
    return last + 1;
}

static br_status add_columns(const br_h5_file *file, const br_column_place *place, br_names *out)
{
    br_status   st    = BR_OK;
    br_names    links = {0};
    char        folder[BR_COLUMN_NAME_BYTES], group[BR_COLUMN_NAME_BYTES];
    const char *own = split(place->object[0], folder, group);

    BR_TRY(st, br_h5_links(file, folder, &links));
    if (!br_names_has(&links, own))
        goto done;
    if (!is_named(place)) {
        BR_TRY(st, br_names_add(out, place->word));
        goto done;
    }
    if (strcmp(place->object[0], AGGREGATE) == 0) {
        BR_TRY(st, add_aggregates(file, place->word, out));
        goto done;
    }
    br_names_free(&links);
    BR_TRY(st, br_h5_links(file, group, &links));
    for (int32_t i = 0; i < links.n; i++)
        BR_TRY(st, add_column(place->word, links.name[i], out));
done:
    br_names_free(&links);
    return st;
}

br_status br_input_columns(br_input input, const char *path, br_names *out)
{
    br_status   st   = BR_OK;
    br_h5_file *file = NULL;

    BR_TRY(st, br_h5_open(path, &file));
    for (int32_t i = 0; i < N_PLACES; i++)
        if (places[i].input == input)
            BR_TRY(st, add_columns(file, &places[i], out));
done:
    br_h5_close(&file);
    return st;
}

br_status br_input_feature_columns(br_input input, const char *name, br_names *out)
{
    br_status st = BR_OK;
    char      column[BR_COLUMN_NAME_BYTES];

    for (int32_t i = 0; i < N_PLACES; i++) {
        const br_column_place *place = &places[i];

        if (place->input != input || !place->is_feature || !is_name(place, name) ||
            snprintf(column, sizeof column, "%s%s", place->word, name) >= (int)sizeof column)
            continue;
        BR_TRY(st, br_names_add(out, column));
    }
done:
    return st;
}
