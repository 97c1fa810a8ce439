/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of a safetensors header, by the rules of the format's own reader: offsets begin at 0, join
 * without gap or overlap and end with the file; shape times size of a value is the length. */
#include "host/io/bundle/tensor_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/config/json.h"
#include "host/io/safetensors.h"

#define MAX_JSON_NODES 200000

static const struct {
    const char *name;
    int64_t     n_bytes;
} stored[] = {
    [BR_STORED_F32]  = {"F32", 4},
    [BR_STORED_F16]  = {"F16", 2},
    [BR_STORED_BF16] = {"BF16", 2},
    [BR_STORED_F64]  = {"F64", 8},
};

int64_t br_stored_bytes(br_stored_type type)
{
    return stored[type].n_bytes;
}

static br_status fail_field(const char *path, const br_tensor_entry *entry, const char *field,
                            const char *expected)
{
    return br_fail(BR_E_INPUT, "%s: tensor '%s': %s: expected %s", path, entry->name, field,
                   expected);
}

static br_status read_type(const char *path, const br_json_node *node, br_tensor_entry *entry)
{
    const char *text = node == NULL ? NULL : br_json_string(node);

    if (text == NULL)
        return fail_field(path, entry, "dtype", "a string");
    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++)
        if (strcmp(text, stored[i].name) == 0) {
            entry->type = (br_stored_type)i;
            return BR_OK;
        }
    return br_fail(BR_E_INPUT,
                   "%s: tensor '%s': dtype: found '%.16s', expected F32 (or F16, BF16, F64)", path,
                   entry->name, text);
}

static br_status read_shape(const char *path, const br_json_node *node, br_tensor_entry *entry)
{
    if (node == NULL || br_json_type_of(node) != BR_JSON_ARRAY)
        return fail_field(path, entry, "shape", "an array of whole numbers");
    if (br_json_count(node) < 1 || br_json_count(node) > 4)
        return br_fail(BR_E_INPUT, "%s: tensor '%s': shape: found %d dimensions, expected 1 to 4",
                       path, entry->name, (int)br_json_count(node));
    entry->n_values = 1;
    for (const br_json_node *n = br_json_first(node); n != NULL; n = br_json_next(n)) {
        int64_t *dim = &entry->dim[entry->rank++];

        if (!br_json_integer(n, dim) || *dim < 1)
            return fail_field(path, entry, "shape", "whole numbers of at least 1");
        if (__builtin_mul_overflow(entry->n_values, *dim, &entry->n_values))
            return fail_field(path, entry, "shape", "a size that fits in 63 bits");
    }
    return BR_OK;
}

static br_status read_offsets(const char *path, const br_json_node *node, br_tensor_entry *entry)
{
    int64_t             n_bytes;
    const br_json_node *first;

    if (node == NULL || br_json_type_of(node) != BR_JSON_ARRAY || br_json_count(node) != 2)
        return fail_field(path, entry, "data_offsets", "an array of two whole numbers");
    first = br_json_first(node);
    if (!br_json_integer(first, &entry->begin) ||
        !br_json_integer(br_json_next(first), &entry->end) || entry->begin < 0 ||
        entry->end < entry->begin)
        return fail_field(path, entry, "data_offsets", "0 <= begin <= end");
    if (__builtin_mul_overflow(entry->n_values, br_stored_bytes(entry->type), &n_bytes) ||
        entry->end - entry->begin != n_bytes)
        return br_fail(BR_E_INPUT,
                       "%s: tensor '%s': data_offsets: found %lld bytes, expected %lld values of "
                       "%s",
                       path, entry->name, (long long)(entry->end - entry->begin),
                       (long long)entry->n_values, stored[entry->type].name);
    return BR_OK;
}

static br_status read_entry(const char *path, const br_json_node *node, br_tensor_entry *entry)
{
    static const char *const known[] = {"dtype", "shape", "data_offsets"};
    br_status                st      = BR_OK;
    const char              *name    = br_json_name(node);

    if (strlen(name) >= sizeof entry->name || name[0] == '\0')
        BR_FAIL(st, BR_E_INPUT, "%s: tensor '%.40s...': name of %zu bytes, expected 1 to %d", path,
                name, strlen(name), BR_TENSOR_NAME_BYTES - 1);
    (void)snprintf(entry->name, sizeof entry->name, "%s", name);
    if (br_json_type_of(node) != BR_JSON_OBJECT)
        BR_FAIL(st, BR_E_INPUT, "%s: tensor '%s': found %s, expected an object", path, name,
                br_json_type_name(node));
    for (const br_json_node *n = br_json_first(node); n != NULL; n = br_json_next(n)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known |= strcmp(br_json_name(n), known[i]) == 0;
        if (!is_known)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: tensor '%s': unknown field '%.40s', expected dtype, shape, data_offsets",
                    path, name, br_json_name(n));
    }
    BR_TRY(st, read_type(path, br_json_member(node, "dtype"), entry));
    BR_TRY(st, read_shape(path, br_json_member(node, "shape"), entry));
    BR_TRY(st, read_offsets(path, br_json_member(node, "data_offsets"), entry));
done:
    return st;
}

static int by_place(const void *a, const void *b)
{
    const br_tensor_entry *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static br_status check_cover(const char *path, const br_tensor_entry *entries, int32_t n,
                             int64_t data_bytes)
{
    int64_t at = 0;

    for (int32_t i = 0; i < n; i++) {
        if (entries[i].begin != at)
            return br_fail(BR_E_INPUT,
                           "%s: tensor '%s': begins at byte %lld, expected %lld: %s with the "
                           "tensor before it",
                           path, entries[i].name, (long long)entries[i].begin, (long long)at,
                           entries[i].begin < at ? "overlap" : "gap");
        at = entries[i].end;
    }
    if (at > data_bytes)
        return br_fail(BR_E_INPUT,
                       "%s: truncated: has %lld bytes of data, its header says %lld (tensor '%s')",
                       path, (long long)data_bytes, (long long)at, entries[n - 1].name);
    if (at < data_bytes)
        return br_fail(BR_E_INPUT, "%s: has %lld bytes of data, %lld more than its header says",
                       path, (long long)data_bytes, (long long)(data_bytes - at));
    return BR_OK;
}

br_status br_tensor_header_read(const char *path, const char *text, int64_t text_bytes,
                                int64_t data_bytes, br_tensor_entry **entries, int32_t *n_entries)
{
    const br_json_limits limits = {BR_E_INPUT, (size_t)BR_SAFETENSORS_MAX_HEADER, MAX_JSON_NODES};
    br_status            st     = BR_OK;
    br_json             *json   = NULL;
    br_tensor_entry     *table  = NULL;
    int32_t              n      = 0;
    const br_json_node  *root;

    if (text_bytes < 2 || text[0] != '{')
        BR_FAIL(st, BR_E_INPUT, "%s: header begins with byte 0x%02x, expected '{'", path,
                text_bytes > 0 ? (unsigned)(unsigned char)text[0] : 0u);
    BR_TRY(st, br_json_read_text(&limits, path, text, (size_t)text_bytes, &json));
    root = br_json_root(json);
    BR_ALLOC(st, table, (int64_t)br_json_count(root) + 1, "tensor table");
    for (const br_json_node *node = br_json_first(root); node != NULL; node = br_json_next(node)) {
        if (strcmp(br_json_name(node), "__metadata__") == 0)
            continue;
        BR_TRY(st, read_entry(path, node, &table[n]));
        n++;
    }
    qsort(table, (size_t)n, sizeof *table, by_place);
    BR_TRY(st, check_cover(path, table, n, data_bytes));
    *entries   = table;
    *n_entries = n;
    table      = NULL;
done:
    br_free(&table);
    br_json_close(&json);
    return st;
}
