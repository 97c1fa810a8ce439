/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ranked lists back from a part or a `topk` file. Everything is checked before it is used:
 * plain hard links, plain storage, types, shapes, row numbers. Called once per part. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists/lists_dataset.h"

/* The shape of a dataset whose width says something (k, dim, gates). */
static br_status shape_of(const br_lists_reader *r, const char *path, hsize_t dims[2])
{
    br_status st;
    hid_t     dataset = H5I_INVALID_HID;

    st = br_lists_open_dataset(r, path, &dataset, dims);
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

static br_status read_keys(const br_lists_reader *r)
{
    br_status st      = BR_OK;
    br_keys  *key     = &r->lists->key;
    hid_t     dataset = H5I_INVALID_HID, type = H5I_INVALID_HID;
    hsize_t   dims[2];

    BR_TRY(st, br_lists_open_dataset(r, "/customer/key", &dataset, dims));
    type           = H5Dget_type(dataset);
    key->is_number = type >= 0 && H5Tequal(type, H5T_STD_U64LE) > 0;
    if (dims[1] != 0 || type < 0 ||
        (!key->is_number && (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0)))
        BR_FAIL(st, BR_E_INPUT, "%s: /customer/key: expected S<n> or u64 [U]", r->path);
    key->width_bytes = (int32_t)H5Tget_size(type);
    key->n_keys      = (int64_t)dims[0];
    r->lists->n_rows = key->n_keys;
    if (key->width_bytes < 1 || key->width_bytes > 4096)
        BR_FAIL(st, BR_E_INPUT, "%s: /customer/key: keys of %d bytes, expected 1 to 4096", r->path,
                key->width_bytes);
    BR_TRY(st,
           br_alloc(key->n_keys, (size_t)key->width_bytes, "customer keys", (void **)&key->data));
    if (key->n_keys > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, key->data) < 0) {
        st = br_lists_refuse(r, "/customer/key", "cannot be read");
        goto done;
    }
done:
    if (type >= 0)
        (void)H5Tclose(type);
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

static br_status read_rows(const br_lists_reader *r)
{
    br_status st    = BR_OK;
    int64_t  *row_B = NULL;

    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/customer/row", H5T_STD_I64LE, 0},
                                   (void **)&row_B));
    r->lists->first_row = r->lists->n_rows > 0 ? row_B[0] : 0;
    if (r->lists->first_row < 0)
        BR_FAIL(st, BR_E_INPUT, "%s: /customer/row: starts at %" PRId64, r->path, row_B[0]);
    for (int64_t b = 0; b < r->lists->n_rows; b++)
        if (row_B[b] != row_B[0] + b)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /customer/row: row %" PRId64 " is %" PRId64 ", expected %" PRId64, r->path,
                    b, row_B[b], row_B[0] + b);
done:
    br_free(&row_B);
    return st;
}

static br_status read_customers(const br_lists_reader *r)
{
    br_status st = BR_OK;
    br_lists *l  = r->lists;
    bool      has_rules;

    BR_TRY(st, read_keys(r));
    BR_TRY(st, read_rows(r));
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/customer/n", H5T_STD_I32LE, 0},
                                   (void **)&l->n_B));
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/customer/flags", H5T_STD_U32LE, 0},
                                   (void **)&l->flags_B));
    BR_TRY(st, br_lists_has(r, "/customer/rule", &has_rules));
    if (has_rules)
        BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/customer/rule", H5T_STD_I32LE, 0},
                                       (void **)&l->rule_B));
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/customer/arm", H5T_STD_I32LE, 0},
                                   (void **)&l->arm_B));
    BR_TRY(st,
           br_lists_read_array(r, (br_lists_wanted){"/customer/arm_probability", H5T_IEEE_F32LE, 0},
                               (void **)&l->arm_probability_B));
done:
    return st;
}

static br_status read_lists(const br_lists_reader *r)
{
    br_status st = BR_OK;
    br_lists *l  = r->lists;
    hsize_t   dims[2];

    BR_TRY(st, shape_of(r, "/list/item", dims));
    if (dims[1] < 1)
        BR_FAIL(st, BR_E_INPUT, "%s: /list/item: expected rank 2 with k >= 1", r->path);
    l->k = (int32_t)dims[1];
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/list/item", H5T_STD_I32LE, l->k},
                                   (void **)&l->item_BK));
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/list/score", H5T_IEEE_F32LE, l->k},
                                   (void **)&l->score_BK));
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){"/list/source", H5T_STD_U8LE, l->k},
                                   (void **)&l->source_BK));
    for (int64_t b = 0; b < l->n_rows; b++)
        if (l->n_B[b] < 0 || l->n_B[b] > l->k)
            BR_FAIL(st, BR_E_INPUT, "%s: /customer/n: row %" PRId64 " has %d, expected 0 to %d",
                    r->path, b, l->n_B[b], l->k);
done:
    return st;
}

/* A group of f32 [U, k] columns, if it is there. */
static br_status read_columns(const br_lists_reader *r, const char *group, br_lists_names *list,
                              float **column)
{
    br_status st = BR_OK;

    BR_TRY(st, br_lists_members(r, group, list));
    for (int h = 0; h < list->n; h++) {
        char path[BR_H5_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%.63s", group, list->name[h]);
        BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){path, H5T_IEEE_F32LE, r->lists->k},
                                       (void **)&column[h]));
    }
done:
    return st;
}

static br_status read_scores(const br_lists_reader *r)
{
    br_status      st    = BR_OK;
    br_lists      *l     = r->lists;
    br_lists_names heads = {.name = l->head_name}, terms = {.name = l->term_name};

    BR_TRY(st, read_columns(r, "/probability", &heads, l->probability_BK));
    l->n_heads = heads.n;
    BR_TRY(st, read_columns(r, "/objective", &terms, l->term_BK));
    l->n_terms = terms.n;
done:
    return st;
}

static br_status read_shadows(const br_lists_reader *r)
{
    br_status      st = BR_OK;
    char           name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    br_lists_names list = {.name = name};

    BR_TRY(st, br_lists_members(r, "/shadow", &list));
    if (list.n > BR_LISTS_MAX_SHADOWS)
        BR_FAIL(st, BR_E_INPUT, "%s: /shadow: %d members, expected at most %d", r->path, list.n,
                BR_LISTS_MAX_SHADOWS);
    for (int s = 0; s < list.n; s++) {
        br_shadow *shadow = &r->lists->shadow[s];
        char       path[BR_H5_PATH_BYTES];

        memcpy(shadow->name, name[s], sizeof shadow->name);
        (void)snprintf(path, sizeof path, "/shadow/%.63s/item", name[s]);
        BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){path, H5T_STD_I32LE, r->lists->k},
                                       (void **)&shadow->item_BK));
        (void)snprintf(path, sizeof path, "/shadow/%.63s/score", name[s]);
        BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){path, H5T_IEEE_F32LE, r->lists->k},
                                       (void **)&shadow->score_BK));
    }
    r->lists->n_shadows = list.n;
done:
    return st;
}

static br_status read_survival(const br_lists_reader *r)
{
    br_status st = BR_OK;
    br_lists *l  = r->lists;

    BR_TRY(st, br_lists_read_curves(r, l->curve, &l->n_curves));
    for (int h = 0; h < l->n_curves; h++) {
        char path[BR_H5_PATH_BYTES];
        (void)snprintf(path, sizeof path, "/survival/%.63s", l->curve[h].name);
        BR_TRY(st, br_lists_read_array(
                       r, (br_lists_wanted){path, H5T_IEEE_F32LE, l->curve[h].n_periods},
                       (void **)&l->curve[h].survival_BP));
    }
done:
    return st;
}

static br_status read_counts(const br_lists_reader *r)
{
    br_status      st = BR_OK;
    char           name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    br_lists_names list    = {.name = name};
    hid_t          dataset = H5I_INVALID_HID;

    BR_TRY(st, br_lists_members(r, "/stats", &list));
    r->lists->n_counts = list.n;
    for (int c = 0; c < list.n; c++) {
        br_counts *counts = &r->lists->counts[c];
        char       path[BR_H5_PATH_BYTES];
        hsize_t    dims[2];
        (void)snprintf(path, sizeof path, "/stats/%.63s", name[c]);
        memcpy(counts->name, name[c], sizeof counts->name);
        BR_TRY(st, br_lists_open_dataset(r, path, &dataset, dims));
        counts->n = (int64_t)dims[0];
        if (dims[1] != 0 || !br_lists_has_type(dataset, H5T_STD_I64LE))
            BR_FAIL(st, BR_E_INPUT, "%s: %s: expected i64 of rank 1", r->path, path);
        BR_TRY(st, br_alloc(counts->n, sizeof(int64_t), "counts", (void **)&counts->count));
        if (counts->n > 0 &&
            H5Dread(dataset, H5T_STD_I64LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, counts->count) < 0) {
            st = br_lists_refuse(r, path, "cannot be read");
            goto done;
        }
        (void)H5Dclose(dataset);
        dataset = H5I_INVALID_HID;
    }
done:
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

static br_status read_logging(const br_lists_reader *r)
{
    br_status st = BR_OK;
    br_lists *l  = r->lists;
    bool      is_there;

    BR_TRY(st, br_lists_has(r, "/logging", &is_there));
    if (!is_there)
        return BR_OK;
    BR_TRY(st, br_lists_has(r, "/logging/log_propensity", &is_there));
    if (is_there)
        BR_TRY(st, br_lists_read_array(
                       r, (br_lists_wanted){"/logging/log_propensity", H5T_IEEE_F32LE, l->k},
                       (void **)&l->log_propensity_BK));
    BR_TRY(st, br_lists_has(r, "/logging/log_normaliser", &is_there));
    if (is_there)
        BR_TRY(st, br_lists_read_array(
                       r, (br_lists_wanted){"/logging/log_normaliser", H5T_IEEE_F32LE, 0},
                       (void **)&l->log_normaliser_B));
    BR_TRY(st, br_lists_has(r, "/logging/log_remaining", &is_there));
    if (is_there)
        BR_TRY(st, br_lists_read_array(
                       r, (br_lists_wanted){"/logging/log_remaining", H5T_IEEE_F32LE, 0},
                       (void **)&l->log_remaining_B));
done:
    return st;
}

static br_status read_gate(const br_lists_reader *r, const char *path, float **out)
{
    br_status st = BR_OK;
    hsize_t   dims[2];
    bool      is_there;

    BR_TRY(st, br_lists_has(r, path, &is_there));
    if (!is_there)
        return BR_OK;
    BR_TRY(st, shape_of(r, path, dims));
    if (dims[1] < 1 || dims[1] > BR_LISTS_MAX_COLUMNS)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %" PRIu64 " columns, expected 1 to %d", r->path, path,
                (uint64_t)dims[1], BR_LISTS_MAX_COLUMNS);
    r->lists->n_gates = (int32_t)dims[1];
    BR_TRY(st, br_lists_read_array(r, (br_lists_wanted){path, H5T_IEEE_F32LE, r->lists->n_gates},
                                   (void **)out));
    BR_TRY(st, br_lists_read_names(r, path, r->lists->n_gates, r->lists->gate_name[0]));
done:
    return st;
}

static br_status read_vectors(const br_lists_reader *r)
{
    br_status st = BR_OK;
    hsize_t   dims[2];
    bool      is_there;

    BR_TRY(st, br_lists_has(r, "/vector", &is_there));
    if (!is_there)
        return BR_OK;
    BR_TRY(st, shape_of(r, "/vector", dims));
    r->lists->vector_dim = (int32_t)dims[1];
    BR_TRY(st, br_lists_read_array(
                   r, (br_lists_wanted){"/vector", H5T_IEEE_F32LE, r->lists->vector_dim},
                   (void **)&r->lists->vector_BD));
done:
    return st;
}

static br_status read_options(const br_lists_reader *r)
{
    br_status st = BR_OK;
    bool      is_there;

    BR_TRY(st, read_logging(r));
    BR_TRY(st, read_vectors(r));
    BR_TRY(st, br_lists_has(r, "/gate", &is_there));
    if (is_there) {
        BR_TRY(st, read_gate(r, "/gate/alpha", &r->lists->alpha_BM));
        BR_TRY(st, read_gate(r, "/gate/gate", &r->lists->gate_BM));
    }
done:
    return st;
}

static br_status read_all(const br_lists_reader *r)
{
    br_status st = BR_OK;

    BR_TRY(st, read_customers(r));
    BR_TRY(st, read_lists(r));
    BR_TRY(st, read_scores(r));
    BR_TRY(st, read_shadows(r));
    BR_TRY(st, read_survival(r));
    BR_TRY(st, read_options(r));
    BR_TRY(st, read_counts(r));
done:
    return st;
}

static br_status read_keys_and_vectors(const br_lists_reader *r)
{
    br_status st = BR_OK;

    BR_TRY(st, read_keys(r));
    BR_TRY(st, read_rows(r));
    BR_TRY(st, read_vectors(r));
done:
    return st;
}

static br_status read_file(const char *path, br_status (*read)(const br_lists_reader *),
                           br_lists   *out)
{
    br_status       st = BR_OK;
    br_lists_reader r  = {.path = path, .file = H5I_INVALID_HID, .lists = out};

    br_h5_enter();
    memset(out, 0, sizeof *out);
    BR_TRY(st, br_lists_open_file(path, BR_LISTS_FORMAT, &r.file));
    BR_TRY(st, read(&r));
done:
    br_lists_close_file(&r.file);
    br_h5_leave();
    if (st != BR_OK)
        br_lists_free(out);
    return st;
}

br_status br_lists_read_vectors(const char *path, br_lists *out)
{
    return read_file(path, read_keys_and_vectors, out);
}

br_status br_lists_read(const char *path, br_lists *out)
{
    return read_file(path, read_all, out);
}
