/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening customers.h5: which objects it has, and that each has the right type and shape. Runs
 * once per job; no value is read but names. */
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/customers/inner.h"

#define MAX_DIM 1024 /* of score_topk */

/* Opens /<group>/<name>; NULL when it is optional and absent. */
static br_status open_set(br_customers *c, const char *group, const char *name,
                          const br_h5_want *like, br_h5_dataset **out)
{
    br_h5_want want = *like;
    char       path[BR_H5_OBJECT_PATH_BYTES];

    if (snprintf(path, sizeof path, "%s/%s", group, name) >= (int)sizeof path)
        return br_fail(BR_E_INPUT, "%s: %s: path too long for %s", br_h5_path(c->file), group,
                       name);
    want.path = path;
    (void)br_h5_find(c->file, path);
    return br_h5_dataset_open(c->file, &want, out);
}

static bool has(br_customers *c, const char *group, const char *name)
{
    char path[BR_H5_OBJECT_PATH_BYTES];

    return snprintf(path, sizeof path, "%s/%s", group, name) < (int)sizeof path &&
           br_h5_find(c->file, path) != NULL;
}

static br_h5_want rows_like(const br_customers *c, br_h5_type type)
{
    return (br_h5_want){
        .type = type, .rank = 1, .n_rows = c->info.n_customers, .rows_of = "/customer/key"};
}

static br_status copy_name(const br_customers *c, const br_h5_object *object, char *to)
{
    const char *name = object->path + object->name_at;

    if (strlen(name) >= BR_CUSTOMERS_NAME_BYTES)
        return br_fail(BR_E_INPUT, "%s: %s: name of %zu bytes; at most %d", br_h5_path(c->file),
                       object->path, strlen(name), BR_CUSTOMERS_NAME_BYTES - 1);
    strcpy(to, name);
    return BR_OK;
}

static br_status check_count(const br_customers *c, const char *path, int32_t n, int32_t max)
{
    if (n >= max)
        return br_fail(BR_E_INPUT, "%s: %s: more than %d columns", br_h5_path(c->file), path, max);
    return BR_OK;
}

static br_status open_keys(br_customers *c)
{
    br_status  st   = BR_OK;
    br_h5_want want = {.type = BR_H5_KEY, .rank = 1, .n_rows = -1};

    (void)br_h5_find(c->file, "/customer");
    BR_TRY(st, open_set(c, "/customer", "key", &want, &c->key));
    if (c->key->n_rows == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: /customer/key: 0 rows; expected at least one customer",
                br_h5_path(c->file));
    c->info.n_customers     = c->key->n_rows;
    c->info.key_is_number   = c->key->is_number;
    c->info.key_width_bytes = c->key->value_bytes;
done:
    return st;
}

/* offset u64[U+1], item i32[E], and the arrays as long as item. */
static br_status open_ragged(br_customers *c, const char *group, br_customers_sets *sets)
{
    br_status  st     = BR_OK;
    br_h5_want offset = {.type    = BR_H5_U64,
                         .rank    = 1,
                         .n_rows  = c->info.n_customers + 1,
                         .rows_of = "/customer/key and the end"};
    br_h5_want item   = {.type = BR_H5_I32, .rank = 1, .n_rows = -1};

    (void)br_h5_find(c->file, group);
    BR_TRY(st, open_set(c, group, "offset", &offset, &sets->offset));
    BR_TRY(st, open_set(c, group, "item", &item, &sets->item));
done:
    return st;
}

static br_status open_beside_item(br_customers *c, const char *group, const char *name,
                                  br_h5_type type, br_customers_sets *sets, br_h5_dataset **out)
{
    br_h5_want want = {
        .type = type, .rank = 1, .n_rows = sets->item->n_rows, .rows_of = "the group's item"};

    return open_set(c, group, name, &want, out);
}

/* The tokens a modality's events count in. */
static br_status open_vocabulary(br_customers *c, const char *group, const char *name,
                                 int64_t *n_tokens)
{
    br_status      st   = BR_OK;
    br_h5_want     want = {.type = BR_H5_KEY, .rank = 1, .n_rows = -1, .max_rows = INT32_MAX};
    br_h5_dataset *set  = NULL;
    char           path[BR_H5_OBJECT_PATH_BYTES];

    *n_tokens = c->n_items;
    if (strcmp(name, "catalogue") == 0)
        goto done;
    snprintf(path, sizeof path, "/vocabulary/%s", name);
    if (name[0] == '\0' || strchr(name, '/') != NULL || !has(c, path, "key"))
        BR_FAIL(st, BR_E_INPUT,
                "%s: %s: attribute 'vocabulary' is '%s'; expected 'catalogue' or a group of "
                "/vocabulary that has a key",
                br_h5_path(c->file), group, name);
    BR_TRY(st, open_set(c, path, "key", &want, &set));
    *n_tokens = set->n_rows;
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status open_modality(br_customers *c, const br_h5_object *object)
{
    br_status              st    = BR_OK;
    br_customers_modality *info  = &c->info.modality[c->info.n_modalities];
    br_customers_sets     *sets  = &c->modality[c->info.n_modalities];
    const char            *group = object->path;

    c->info.n_modalities++;
    BR_TRY(st, copy_name(c, object, info->name));
    BR_TRY(st, br_h5_check_group(c->file, group));
    BR_TRY(st, br_h5_attr_text(c->file, group, "vocabulary", info->vocabulary,
                               sizeof info->vocabulary));
    BR_TRY(st, open_vocabulary(c, group, info->vocabulary, &sets->n_tokens));
    BR_TRY(st, open_ragged(c, group, sets));
    BR_TRY(st, open_beside_item(c, group, "time", BR_H5_I64, sets, &sets->time));
    info->has_type   = has(c, group, "type");
    info->has_weight = has(c, group, "weight");
    if (info->has_type)
        BR_TRY(st, open_beside_item(c, group, "type", BR_H5_U8, sets, &sets->type));
    if (info->has_weight)
        BR_TRY(st, open_beside_item(c, group, "weight", BR_H5_F32, sets, &sets->weight));
    info->n_events = sets->item->n_rows;
done:
    return st;
}

static br_status open_modalities(br_customers *c)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    const br_h5_object *object;

    BR_TRY(st, br_h5_check_group(c->file, "/timeline"));
    while ((object = br_h5_child(c->file, "/timeline", &cursor)) != NULL) {
        BR_TRY(st, check_count(c, "/timeline", c->info.n_modalities, BR_CUSTOMERS_MAX_MODALITIES));
        BR_TRY(st, open_modality(c, object));
    }
    /* A vocabulary that no modality uses does no harm. */
    BR_TRY(st, br_h5_check_group(c->file, "/vocabulary"));
    cursor = 0;
    while ((object = br_h5_child(c->file, "/vocabulary", &cursor)) != NULL) {
        BR_TRY(st, br_h5_check_group(c->file, object->path));
        (void)has(c, object->path, "key");
    }
done:
    return st;
}

static br_status open_statics(br_customers *c)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    br_h5_want          want   = rows_like(c, BR_H5_I32);
    br_h5_want          keys = {.type = BR_H5_KEY, .rank = 1, .n_rows = -1, .max_rows = INT32_MAX};
    br_h5_dataset      *categories = NULL;
    const br_h5_object *object;

    BR_TRY(st, br_h5_check_group(c->file, "/static"));
    BR_TRY(st, br_h5_check_group(c->file, "/static_key"));
    while ((object = br_h5_child(c->file, "/static", &cursor)) != NULL) {
        int32_t n = c->info.n_statics;
        BR_TRY(st, check_count(c, "/static", n, BR_CUSTOMERS_MAX_COLUMNS));
        BR_TRY(st, copy_name(c, object, c->info.static_name[n]));
        BR_TRY(st, open_set(c, "/static", c->info.static_name[n], &want, &c->statics[n]));
        c->info.n_statics++;
        BR_TRY(st, open_set(c, "/static_key", c->info.static_name[n], &keys, &categories));
        c->n_categories[n] = categories->n_rows;
        br_h5_dataset_close(&categories);
    }
done:
    br_h5_dataset_close(&categories);
    return st;
}

static br_status open_channels(br_customers *c)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    br_h5_want          want   = rows_like(c, BR_H5_U8);
    const br_h5_object *object;

    BR_TRY(st, br_h5_check_group(c->file, "/consent"));
    while ((object = br_h5_child(c->file, "/consent", &cursor)) != NULL) {
        int32_t n = c->info.n_channels;
        BR_TRY(st, check_count(c, "/consent", n, BR_CUSTOMERS_MAX_COLUMNS));
        BR_TRY(st, copy_name(c, object, c->info.channel[n]));
        BR_TRY(st, open_set(c, "/consent", c->info.channel[n], &want, &c->consent[n]));
        c->info.n_channels++;
    }
done:
    return st;
}

static br_status open_rest(br_customers *c)
{
    br_status  st      = BR_OK;
    br_h5_want segment = rows_like(c, BR_H5_U64);
    br_h5_want vector  = rows_like(c, BR_H5_F32);

    vector.rank     = 2;
    vector.n_cols   = -1;
    vector.max_cols = MAX_DIM;
    if (has(c, "", "segment"))
        BR_TRY(st, open_set(c, "", "segment", &segment, &c->segment));
    c->info.has_segment = c->segment != NULL;
    if (has(c, "", "vector")) {
        BR_TRY(st, open_set(c, "", "vector", &vector, &c->vector));
        c->info.vector_dim = (int32_t)c->vector->n_cols;
    }
    if (has(c, "", "exclude"))
        BR_TRY(st, open_ragged(c, "/exclude", &c->exclude));
    c->info.has_exclude = c->exclude.item != NULL;
    if (has(c, "", "contact")) {
        BR_TRY(st, open_ragged(c, "/contact", &c->contact));
        BR_TRY(st,
               open_beside_item(c, "/contact", "time", BR_H5_I64, &c->contact, &c->contact.time));
        c->contact.n_tokens = c->n_items;
        c->info.has_contact = true;
    }
done:
    return st;
}

static br_status open_layout(br_customers *c)
{
    br_status st = BR_OK;

    BR_TRY(st, br_h5_check_format(c->file, "batchrank-customers", 1));
    BR_TRY(st, br_h5_walk(c->file));
    BR_TRY(st, open_keys(c));
    BR_TRY(st, open_modalities(c));
    BR_TRY(st, open_statics(c));
    BR_TRY(st, open_channels(c));
    BR_TRY(st, br_customers_open_aggregates(c));
    BR_TRY(st, open_rest(c));
    BR_TRY(st, br_customers_check_states(c));
    BR_TRY(st, br_h5_check_all_known(c->file));
done:
    return st;
}

br_status br_customers_open(const char *path, int64_t n_items, const br_names *denied,
                            br_customers **out)
{
    br_status     st = BR_OK;
    br_customers *c  = NULL;

    *out = NULL;
    BR_ALLOC(st, c, 1, "customers reader");
    c->n_items = n_items;
    BR_TRY(st, br_h5_open(path, &c->file));
    if (denied != NULL)
        BR_TRY(st, br_h5_deny(c->file, denied));
    BR_TRY(st, open_layout(c));
    *out = c;
    c    = NULL;
done:
    br_customers_close(&c);
    return st;
}

static void close_sets(br_customers_sets *sets)
{
    br_h5_dataset_close(&sets->offset);
    br_h5_dataset_close(&sets->item);
    br_h5_dataset_close(&sets->time);
    br_h5_dataset_close(&sets->type);
    br_h5_dataset_close(&sets->weight);
}

void br_customers_close(br_customers **customers)
{
    br_customers *c = *customers;

    if (c == NULL)
        return;
    br_h5_dataset_close(&c->key);
    for (int i = 0; i < BR_CUSTOMERS_MAX_MODALITIES; i++)
        close_sets(&c->modality[i]);
    close_sets(&c->exclude);
    close_sets(&c->contact);
    for (int i = 0; i < BR_CUSTOMERS_MAX_COLUMNS; i++) {
        br_h5_dataset_close(&c->statics[i]);
        br_h5_dataset_close(&c->consent[i]);
    }
    br_h5_dataset_close(&c->aggregate);
    br_h5_dataset_close(&c->segment);
    br_h5_dataset_close(&c->vector);
    br_h5_close(&c->file);
    br_free(&c->scratch);
    br_free(customers);
}

const br_customers_info *br_customers_info_of(const br_customers *customers)
{
    return &customers->info;
}

const br_names *br_customers_opened(const br_customers *customers)
{
    return br_h5_opened(customers->file);
}

void br_customers_limit_types(br_customers *customers, int32_t modality, int32_t n_types)
{
    customers->modality[modality].n_types = n_types;
}

static br_status read_all_keys(br_customers *c, const char *path, br_keys *out)
{
    br_status      st   = BR_OK;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {
            .path = path, .type = BR_H5_KEY, .rank = 1, .n_rows = -1, .max_rows = INT32_MAX};

    memset(out, 0, sizeof *out);
    BR_TRY(st, br_h5_dataset_open(c->file, &want, &set));
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, out));
done:
    br_h5_dataset_close(&set);
    return st;
}

br_status br_customers_vocabulary(br_customers *customers, const char *name, br_keys *out)
{
    char path[BR_H5_OBJECT_PATH_BYTES];

    if (snprintf(path, sizeof path, "/vocabulary/%s/key", name) >= (int)sizeof path)
        return br_fail(BR_E_INPUT, "%s: no such vocabulary", name);
    return read_all_keys(customers, path, out);
}

br_status br_customers_static_keys(br_customers *customers, const char *name, br_keys *out)
{
    char path[BR_H5_OBJECT_PATH_BYTES];

    if (snprintf(path, sizeof path, "/static_key/%s", name) >= (int)sizeof path)
        return br_fail(BR_E_INPUT, "%s: no such static column", name);
    return read_all_keys(customers, path, out);
}
