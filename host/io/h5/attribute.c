/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of an HDF5 input: fixed strings and whole numbers; and datasets of keys. */
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/h5/inner.h"

#define MAX_ATTR_BYTES (1 << 20)

/* An open attribute with its type and number of values. */
typedef struct held_attr {
    hid_t   id;
    hid_t   type;
    int     rank;
    int64_t n;
} held_attr;

static void attr_close(held_attr *attr)
{
    if (attr->type >= 0)
        H5Tclose(attr->type);
    if (attr->id >= 0)
        H5Aclose(attr->id);
}

static br_status attr_open(const br_h5_file *file, const char *path, const char *name,
                           held_attr *out)
{
    br_status   st    = BR_OK;
    br_h5_place place = {.group = -1};
    hid_t       space = -1;
    hsize_t     dim   = 1;
    htri_t      exists;

    *out = (held_attr){.id = -1, .type = -1};
    BR_TRY(st, br_h5_place_find(file, path, &place));
    exists = H5Aexists_by_name(place.group, place.name, name, H5P_DEFAULT);
    if (exists < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged attributes"));
    if (exists == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' is missing", file->path, path, name);
    out->id   = H5Aopen_by_name(place.group, place.name, name, H5P_DEFAULT, H5P_DEFAULT);
    out->type = out->id < 0 ? -1 : H5Aget_type(out->id);
    space     = out->id < 0 ? -1 : H5Aget_space(out->id);
    out->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    if (out->type < 0 || out->rank < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged attribute"));
    if (out->rank > 1 || H5Sget_simple_extent_type(space) == H5S_NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' has %d dimensions; expected 0 or 1",
                file->path, path, name, out->rank);
    if (out->rank == 1)
        H5Sget_simple_extent_dims(space, &dim, NULL);
    if (dim > MAX_ATTR_BYTES || dim * H5Tget_size(out->type) > MAX_ATTR_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' has %llu values; too many", file->path,
                path, name, (unsigned long long)dim);
    out->n = (int64_t)dim;
done:
    if (space >= 0)
        H5Sclose(space);
    if (place.group >= 0)
        H5Gclose(place.group);
    if (st != BR_OK) {
        attr_close(out);
        *out = (held_attr){.id = -1, .type = -1};
    }
    return st;
}

static br_status check_fixed_text(const br_h5_file *file, const char *path, const char *name,
                                  const held_attr *attr)
{
    char text[BR_H5_TYPE_TEXT_BYTES];

    if (H5Tget_class(attr->type) != H5T_STRING || H5Tis_variable_str(attr->type) != 0)
        return br_fail(BR_E_INPUT,
                       "%s: %s: attribute '%s' is %s; expected S<n> (fixed-length bytes)",
                       file->path, path, name, br_h5_type_text(attr->type, text));
    return BR_OK;
}

static br_status read_attr(const br_h5_file *file, const char *path, const held_attr *attr,
                           void *to)
{

    if (H5Aread(attr->id, attr->type, to) < 0)
        return br_h5_blame(file, path, "damaged attribute");
    return BR_OK;
}

br_status br_h5_attr_text(const br_h5_file *file, const char *path, const char *name, char *out,
                          size_t out_bytes)
{
    br_status st   = BR_OK;
    held_attr attr = {.id = -1, .type = -1};
    char     *text = NULL;
    size_t    bytes;

    br_h5_enter();
    BR_TRY(st, attr_open(file, path, name, &attr));
    BR_TRY(st, check_fixed_text(file, path, name, &attr));
    if (attr.n != 1)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' has %lld values; expected 1", file->path,
                path, name, (long long)attr.n);
    bytes = H5Tget_size(attr.type);
    BR_ALLOC(st, text, (int64_t)bytes + 1, "attribute");
    BR_TRY(st, read_attr(file, path, &attr, text));
    if (strlen(text) >= out_bytes)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' has %zu bytes; at most %zu", file->path,
                path, name, strlen(text), out_bytes - 1);
    strcpy(out, text);
done:
    br_free(&text);
    attr_close(&attr);
    br_h5_leave();
    return st;
}

br_status br_h5_attr_i64(const br_h5_file *file, const char *path, const char *name, int64_t *out)
{
    br_status st   = BR_OK;
    held_attr attr = {.id = -1, .type = -1};
    char      text[BR_H5_TYPE_TEXT_BYTES];

    br_h5_enter();
    BR_TRY(st, attr_open(file, path, name, &attr));
    if (H5Tequal(attr.type, H5T_STD_I64LE) <= 0 || attr.n != 1)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' is %lld of %s; expected one i64",
                file->path, path, name, (long long)attr.n, br_h5_type_text(attr.type, text));
    BR_TRY(st, read_attr(file, path, &attr, out));
done:
    attr_close(&attr);
    br_h5_leave();
    return st;
}

br_status br_h5_attr_texts(const br_h5_file *file, const char *path, const char *name,
                           int64_t n_wanted, br_keys *out)
{
    br_status st   = BR_OK;
    held_attr attr = {.id = -1, .type = -1};

    *out = (br_keys){0};
    br_h5_enter();
    BR_TRY(st, attr_open(file, path, name, &attr));
    BR_TRY(st, check_fixed_text(file, path, name, &attr));
    if (attr.rank != 1 || (n_wanted >= 0 && attr.n != n_wanted))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: attribute '%s' has %lld values; expected %lld", file->path,
                path, name, (long long)attr.n, (long long)n_wanted);
    out->width_bytes = (int32_t)H5Tget_size(attr.type);
    out->n_keys      = attr.n;
    BR_TRY(st, br_alloc(attr.n, (size_t)out->width_bytes, "names", (void **)&out->data));
    if (attr.n > 0)
        BR_TRY(st, read_attr(file, path, &attr, out->data));
done:
    if (st != BR_OK)
        br_keys_free(out);
    attr_close(&attr);
    br_h5_leave();
    return st;
}

br_status br_h5_check_format(const br_h5_file *file, const char *format, int64_t version)
{
    br_status st = BR_OK;
    char      found[64];
    int64_t   found_version = 0;

    BR_TRY(st, br_h5_attr_text(file, "/", "format", found, sizeof found));
    if (strcmp(found, format) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: /: format is '%s'; expected '%s'", file->path, found, format);
    BR_TRY(st, br_h5_attr_i64(file, "/", "version", &found_version));
    if (found_version != version)
        BR_FAIL(st, BR_E_INPUT,
                "%s: /: version %lld of format '%s'; this program reads version "
                "%lld",
                file->path, (long long)found_version, format, (long long)version);
done:
    return st;
}

br_status br_h5_check_keys(const br_h5_dataset *set, int64_t row, const br_keys *keys)
{
    if (keys->is_number)
        return BR_OK;
    for (int64_t i = 0; i < keys->n_keys; i++) {
        const uint8_t *key = keys->data + i * keys->width_bytes;
        size_t         at  = strnlen((const char *)key, (size_t)keys->width_bytes);
        for (size_t rest = at; rest < (size_t)keys->width_bytes; rest++)
            if (key[rest] != 0)
                return br_fail(BR_E_INPUT,
                               "%s: %s: row %lld: a NUL at byte %zu with bytes after it; expected "
                               "NULs only at the end",
                               br_h5_path(set->file), set->path, (long long)(row + i), at);
    }
    return BR_OK;
}

br_status br_h5_read_keys(const br_h5_dataset *set, int64_t row, int64_t n_rows, br_keys *keys)
{
    br_status st = BR_OK;

    br_keys_free(keys);
    keys->is_number   = set->is_number;
    keys->width_bytes = set->value_bytes;
    keys->n_keys      = n_rows;
    BR_TRY(st, br_alloc(n_rows, (size_t)set->value_bytes, set->path, (void **)&keys->data));
    BR_TRY(st, br_h5_read(set, row, n_rows, keys->data));
    BR_TRY(st, br_h5_check_keys(set, row, keys));
done:
    if (st != BR_OK)
        br_keys_free(keys);
    return st;
}
