/* SPDX-License-Identifier: Apache-2.0
 *
 * catalogue.h5 read whole and checked, once per job. */
#include "host/io/catalogue.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/h5/access.h"

#define MAX_ITEMS 10000000
#define MAX_DIM   1024 /* of score_topk */

static br_status find_column(br_h5_file *file, br_h5_want *want, br_h5_dataset **set)
{
    *set = NULL;
    if (br_h5_find(file, want->path) == NULL)
        return BR_OK;
    return br_h5_dataset_open(file, want, set);
}

/* An optional dataset of one row per item, whole; *to stays NULL when it is absent. */
static br_status read_column(br_h5_file *file, const char *path, br_h5_type type,
                             const br_catalogue *catalogue, void **to)
{
    br_status      st   = BR_OK;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {.path    = path,
                           .type    = type,
                           .rank    = 1,
                           .n_rows  = catalogue->n_items,
                           .rows_of = "/item/key"};

    BR_TRY(st, find_column(file, &want, &set));
    if (set == NULL)
        goto done;
    BR_TRY(st, br_alloc(set->n_rows, (size_t)set->value_bytes, path, to));
    BR_TRY(st, br_h5_read(set, 0, set->n_rows, *to));
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status check_finite(const br_h5_file *file, const char *path, const float *value,
                              int64_t n_rows, int64_t n_cols)
{
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        if (!isfinite(value[i]))
            return br_fail(BR_E_INPUT, "%s: %s: row %lld, column %lld: %f; expected a finite value",
                           br_h5_path(file), path, (long long)(i / n_cols), (long long)(i % n_cols),
                           (double)value[i]);
    return BR_OK;
}

static br_status read_keys(br_h5_file *file, br_catalogue *out)
{
    br_status      st   = BR_OK;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {
            .path = "/item/key", .type = BR_H5_KEY, .rank = 1, .n_rows = -1, .max_rows = MAX_ITEMS};
    char name[BR_ERROR_TEXT_BYTES / 2];

    (void)br_h5_find(file, "/item");
    (void)br_h5_find(file, want.path);
    BR_TRY(st, br_h5_dataset_open(file, &want, &set));
    if (set->n_rows == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: /item/key: 0 rows; expected at least one item",
                br_h5_path(file));
    out->n_items = set->n_rows;
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, &out->key));
    snprintf(name, sizeof name, "%s: /item/key", br_h5_path(file));
    BR_TRY(st, br_keys_check_unique(&out->key, name, 0));
done:
    br_h5_dataset_close(&set);
    return st;
}

/* Names for people: UTF-8. n_rows -1: any number. */
static br_status read_texts(br_h5_file *file, const char *path, int64_t n_rows, br_keys *out)
{
    br_status      st   = BR_OK;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {.path     = path,
                           .type     = BR_H5_TEXT,
                           .rank     = 1,
                           .n_rows   = n_rows,
                           .max_rows = MAX_ITEMS,
                           .rows_of  = "/item/key"};

    BR_TRY(st, find_column(file, &want, &set));
    if (set == NULL)
        goto done;
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, out));
    for (int64_t i = 0; i < out->n_keys; i++) {
        const char *text = (const char *)out->data + i * out->width_bytes;
        if (!br_keys_is_utf8(text, strnlen(text, (size_t)out->width_bytes)))
            BR_FAIL(st, BR_E_INPUT, "%s: %s: row %lld: no UTF-8 text (cut within a character?)",
                    br_h5_path(file), path, (long long)i);
    }
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status copy_name(const br_h5_file *file, const br_h5_object *object, char *to)
{
    const char *name = object->path + object->name_at;

    if (strlen(name) >= BR_CATALOGUE_NAME_BYTES)
        return br_fail(BR_E_INPUT, "%s: %s: name of %zu bytes; at most %d", br_h5_path(file),
                       object->path, strlen(name), BR_CATALOGUE_NAME_BYTES - 1);
    strcpy(to, name);
    return BR_OK;
}

static br_status check_count(const br_h5_file *file, const char *path, int32_t n)
{
    if (n >= BR_CATALOGUE_MAX_COLUMNS)
        return br_fail(BR_E_INPUT, "%s: %s: more than %d columns", br_h5_path(file), path,
                       BR_CATALOGUE_MAX_COLUMNS);
    return BR_OK;
}

static br_status read_group(br_h5_file *file, const char *path, br_catalogue *out)
{
    br_status st       = BR_OK;
    int32_t   g        = out->n_groups;
    int64_t   n_groups = INT32_MAX;
    char      key_path[BR_H5_OBJECT_PATH_BYTES];

    BR_TRY(st, read_column(file, path, BR_H5_I32, out, (void **)&out->group_N[g]));
    snprintf(key_path, sizeof key_path, "/item/group_key/%s", out->group_name[g]);
    BR_TRY(st, read_texts(file, key_path, -1, &out->group_key[g]));
    if (br_h5_find(file, key_path) != NULL)
        n_groups = out->group_key[g].n_keys;
    for (int64_t i = 0; i < out->n_items; i++)
        if (out->group_N[g][i] < -1 || out->group_N[g][i] >= n_groups)
            BR_FAIL(st, BR_E_INPUT, "%s: %s: row %lld: group %d; expected -1 to %lld",
                    br_h5_path(file), path, (long long)i, out->group_N[g][i],
                    (long long)n_groups - 1);
    out->n_groups++;
done:
    return st;
}

static br_status read_groups(br_h5_file *file, br_catalogue *out)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    const br_h5_object *object;

    BR_TRY(st, br_h5_check_group(file, "/item/group"));
    BR_TRY(st, br_h5_check_group(file, "/item/group_key"));
    while ((object = br_h5_child(file, "/item/group", &cursor)) != NULL) {
        BR_TRY(st, check_count(file, "/item/group", out->n_groups));
        BR_TRY(st, copy_name(file, object, out->group_name[out->n_groups]));
        BR_TRY(st, read_group(file, object->path, out));
    }
done:
    return st;
}

static br_status read_values(br_h5_file *file, br_catalogue *out)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    const br_h5_object *object;

    BR_TRY(st, br_h5_check_group(file, "/item/value"));
    while ((object = br_h5_child(file, "/item/value", &cursor)) != NULL) {
        int32_t v = out->n_values;
        BR_TRY(st, check_count(file, "/item/value", v));
        BR_TRY(st, copy_name(file, object, out->value_name[v]));
        BR_TRY(st, read_column(file, object->path, BR_H5_F32, out, (void **)&out->value_N[v]));
        BR_TRY(st, check_finite(file, object->path, out->value_N[v], out->n_items, 1));
        out->n_values++;
    }
done:
    return st;
}

static br_status read_matrix(br_h5_file *file, br_h5_want *want, int64_t *n_cols, void **to)
{
    br_status      st  = BR_OK;
    br_h5_dataset *set = NULL;

    BR_TRY(st, find_column(file, want, &set));
    if (set == NULL)
        goto done;
    BR_TRY(st, br_alloc(set->n_rows * set->n_cols, (size_t)set->value_bytes, want->path, to));
    BR_TRY(st, br_h5_read(set, 0, set->n_rows, *to));
    *n_cols = set->n_cols;
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status read_rules(br_h5_file *file, br_catalogue *out)
{
    br_status  st     = BR_OK;
    int64_t    n_cols = 0;
    br_h5_want valid  = {.path    = "/item/valid",
                         .type    = BR_H5_I64,
                         .rank    = 2,
                         .n_rows  = out->n_items,
                         .n_cols  = 2,
                         .rows_of = "/item/key"};

    BR_TRY(st, read_column(file, "/item/segment", BR_H5_U64, out, (void **)&out->segment_N));
    BR_TRY(st, read_column(file, "/item/capacity", BR_H5_I64, out, (void **)&out->capacity_N));
    BR_TRY(st, read_matrix(file, &valid, &n_cols, (void **)&out->valid_N2));
    for (int64_t i = 0; out->capacity_N != NULL && i < out->n_items; i++)
        if (out->capacity_N[i] < -1)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /item/capacity: row %lld: %lld; expected -1 (none) or more",
                    br_h5_path(file), (long long)i, (long long)out->capacity_N[i]);
    for (int64_t i = 0; out->valid_N2 != NULL && i < out->n_items; i++)
        if (out->valid_N2[2 * i] > out->valid_N2[2 * i + 1])
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /item/valid: row %lld: from %lld to %lld; expected from <= to",
                    br_h5_path(file), (long long)i, (long long)out->valid_N2[2 * i],
                    (long long)out->valid_N2[2 * i + 1]);
done:
    return st;
}

static br_status read_vectors(br_h5_file *file, br_catalogue *out)
{
    br_status  st     = BR_OK;
    int64_t    n_cols = 0;
    br_h5_want vector = {.path     = "/item/vector",
                         .type     = BR_H5_F32,
                         .rank     = 2,
                         .n_rows   = out->n_items,
                         .n_cols   = -1,
                         .max_cols = MAX_DIM,
                         .rows_of  = "/item/key"};

    BR_TRY(st, read_matrix(file, &vector, &n_cols, (void **)&out->vector_ND));
    out->vector_dim = (int32_t)n_cols;
    if (out->vector_ND != NULL)
        BR_TRY(st, check_finite(file, vector.path, out->vector_ND, out->n_items, n_cols));
    BR_TRY(st, read_column(file, "/item/bias", BR_H5_F32, out, (void **)&out->bias_N));
    if (out->bias_N != NULL)
        BR_TRY(st, check_finite(file, "/item/bias", out->bias_N, out->n_items, 1));
done:
    return st;
}

br_status br_catalogue_read(const char *path, const br_names *denied, br_catalogue *out)
{
    br_status   st   = BR_OK;
    br_h5_file *file = NULL;

    memset(out, 0, sizeof *out);
    BR_TRY(st, br_h5_open(path, &file));
    if (denied != NULL)
        BR_TRY(st, br_h5_deny(file, denied));
    BR_TRY(st, br_h5_check_format(file, "batchrank-catalogue", 1));
    BR_TRY(st, br_h5_walk(file));
    BR_TRY(st, read_keys(file, out));
    BR_TRY(st, read_texts(file, "/item/name", out->n_items, &out->name));
    BR_TRY(st, read_groups(file, out));
    BR_TRY(st, read_values(file, out));
    BR_TRY(st, read_rules(file, out));
    BR_TRY(st, read_vectors(file, out));
    BR_TRY(st, br_h5_check_all_known(file));
    BR_TRY(st, br_names_add_all(&out->opened, br_h5_opened(file)));
done:
    br_h5_close(&file);
    if (st != BR_OK)
        br_catalogue_free(out);
    return st;
}

br_status br_catalogue_find(const br_catalogue *catalogue, const char *path, const char *key,
                            int64_t *row)
{
    br_status st                      = BR_OK;
    char      best[BR_KEY_TEXT_BYTES] = "";

    BR_TRY(st, br_keys_find_text(&catalogue->key, key, row));
    if (*row >= 0)
        goto done;
    BR_TRY(st, br_keys_nearest(&catalogue->key, key, best));
    BR_FAIL(st, BR_E_USAGE, "%s: no item has the key '%.64s'%s%s", path, key,
            best[0] == '\0' ? "" : ", did you mean ", best);
done:
    return st;
}

void br_catalogue_free(br_catalogue *catalogue)
{
    br_keys_free(&catalogue->key);
    br_keys_free(&catalogue->name);
    for (int32_t i = 0; i < BR_CATALOGUE_MAX_COLUMNS; i++) {
        br_free(&catalogue->group_N[i]);
        br_keys_free(&catalogue->group_key[i]);
        br_free(&catalogue->value_N[i]);
    }
    br_free(&catalogue->segment_N);
    br_free(&catalogue->valid_N2);
    br_free(&catalogue->capacity_N);
    br_free(&catalogue->vector_ND);
    br_free(&catalogue->bias_N);
    br_names_free(&catalogue->opened);
    memset(catalogue, 0, sizeof *catalogue);
}
