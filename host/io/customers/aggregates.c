/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening /aggregate: one dataset holds all columns, so it is opened for those that are not denied,
 * if any are left, and only these are read. Called once per file. */
#include <stdio.h>
#include <string.h>

#include "host/io/customers/inner.h"

static br_status take_aggregate_name(br_customers *c, const br_keys *names, int32_t i, char *to)
{
    br_status   st    = BR_OK;
    const char *name  = (const char *)names->data + (int64_t)i * names->width_bytes;
    size_t      bytes = strnlen(name, (size_t)names->width_bytes);

    if (bytes == 0 || bytes >= BR_CUSTOMERS_NAME_BYTES)
        BR_FAIL(st, BR_E_INPUT, "%s: /aggregate: name %d has %zu bytes; expected 1 to %d",
                br_h5_path(c->file), i, bytes, BR_CUSTOMERS_NAME_BYTES - 1);
    memcpy(to, name, bytes);
    to[bytes] = '\0';
    for (int32_t j = 0; j < i; j++)
        if (strncmp((const char *)names->data + (int64_t)j * names->width_bytes, to,
                    (size_t)names->width_bytes) == 0)
            BR_FAIL(st, BR_E_INPUT, "%s: /aggregate: columns %d and %d are both named '%s'",
                    br_h5_path(c->file), j, i, to);
done:
    return st;
}

/* The columns that are not denied: names into info, places in the file into column_C. */
static br_status choose_aggregates(br_customers *c, const br_keys *names, int32_t *column_C,
                                   const char **name_C)
{
    br_status st = BR_OK;
    char      name[BR_CUSTOMERS_NAME_BYTES], object[BR_H5_OBJECT_PATH_BYTES];

    for (int32_t i = 0; i < names->n_keys; i++) {
        int32_t n = c->info.n_aggregates;

        if (i == BR_CUSTOMERS_MAX_COLUMNS)
            BR_FAIL(st, BR_E_INPUT, "%s: /aggregate: more than %d columns", br_h5_path(c->file),
                    BR_CUSTOMERS_MAX_COLUMNS);
        BR_TRY(st, take_aggregate_name(c, names, i, name));
        (void)snprintf(object, sizeof object, "/aggregate[%s]", name);
        if (br_h5_is_denied(c->file, object))
            continue;
        strcpy(c->info.aggregate_name[n], name);
        column_C[n] = i;
        name_C[n]   = c->info.aggregate_name[n];
        c->info.n_aggregates++;
    }
done:
    return st;
}

br_status br_customers_open_aggregates(br_customers *c)
{
    br_status   st    = BR_OK;
    br_keys     names = {0};
    br_h5_want  want  = {.path     = "/aggregate",
                         .type     = BR_H5_F32,
                         .rank     = 2,
                         .n_rows   = c->info.n_customers,
                         .n_cols   = -1,
                         .max_cols = BR_CUSTOMERS_MAX_COLUMNS,
                         .rows_of  = "/customer/key"};
    int32_t     column_C[BR_CUSTOMERS_MAX_COLUMNS];
    const char *name_C[BR_CUSTOMERS_MAX_COLUMNS];

    if (br_h5_find(c->file, want.path) == NULL)
        return BR_OK;
    BR_TRY(st, br_h5_attr_texts(c->file, want.path, "names", -1, &names));
    BR_TRY(st, choose_aggregates(c, &names, column_C, name_C));
    if (c->info.n_aggregates == 0 && names.n_keys > 0)
        goto done;
    BR_TRY(st, br_h5_dataset_open(c->file, &want, &c->aggregate));
    if (names.n_keys != c->aggregate->n_cols)
        BR_FAIL(st, BR_E_INPUT, "%s: /aggregate: attribute 'names' has %lld values; expected %lld",
                br_h5_path(c->file), (long long)names.n_keys, (long long)c->aggregate->n_cols);
    BR_TRY(st, br_h5_dataset_select(c->aggregate, c->info.n_aggregates, column_C, name_C));
done:
    br_keys_free(&names);
    return st;
}
