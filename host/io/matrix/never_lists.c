/* SPDX-License-Identifier: Apache-2.0
 *
 * Never-lists of `topk`, read whole. Called once per process. */
#include "host/io/never_lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/h5.h"
#include "host/io/matrix.h"

static int compare_rows(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static br_status read_column(const br_h5_file *file, const br_h5_want *want, size_t item_bytes,
                             int64_t *n, void **out)
{
    br_status      st  = BR_OK;
    br_h5_dataset *set = NULL;

    BR_TRY(st, br_h5_dataset_open(file, want, &set));
    *n = set->n_rows;
    BR_TRY(st, br_alloc(set->n_rows, item_bytes, want->path, out));
    if (set->n_rows > 0)
        BR_TRY(st, br_h5_read(set, 0, set->n_rows, *out));
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status check(const char *where, int64_t U, int64_t N, br_never_lists *l)
{
    for (int64_t u = 0; u < U; u++)
        if (l->offset_U1[u + 1] < l->offset_U1[u] || (u == 0 && l->offset_U1[0] != 0))
            return br_fail(BR_E_INPUT,
                           "%s/offset: row %lld: found %lld after %lld, expected "
                           "offsets from 0 that never decrease",
                           where, (long long)(u + 1), (long long)l->offset_U1[u + 1],
                           (long long)l->offset_U1[u]);
    if (l->offset_U1[U] != l->n_items)
        return br_fail(BR_E_INPUT,
                       "%s/offset: found the last value %lld, expected %lld, the "
                       "length of item",
                       where, (long long)l->offset_U1[U], (long long)l->n_items);
    for (int64_t s = 0; s < l->n_items; s++)
        if (l->item_S[s] < 0 || l->item_S[s] >= N)
            return br_fail(BR_E_INPUT,
                           "%s/item: row %lld: found %d, expected an item row in "
                           "[0, %lld)",
                           where, (long long)s, l->item_S[s], (long long)N);
    return BR_OK;
}

br_status br_never_lists_read(const char *where, int64_t n_customers, int64_t n_items,
                              br_never_lists *out)
{
    br_status   st   = BR_OK;
    br_h5_file *file = NULL;
    const char *group;
    int64_t     n;
    char        path[4096], offset[BR_H5_OBJECT_PATH_BYTES], item[BR_H5_OBJECT_PATH_BYTES];

    *out = (br_never_lists){0};
    if (!br_matrix_split_h5(where, path, sizeof path, &group))
        return br_fail(BR_E_USAGE, "%s: expected file.h5:/group", where);
    (void)snprintf(offset, sizeof offset, "%.200s/offset", group);
    (void)snprintf(item, sizeof item, "%.200s/item", group);
    BR_TRY(st, br_h5_setup());
    BR_TRY(st, br_h5_open(path, &file));
    BR_TRY(st, read_column(file,
                           &(br_h5_want){.path    = offset,
                                         .type    = BR_H5_U64,
                                         .rank    = 1,
                                         .n_rows  = n_customers + 1,
                                         .rows_of = "customers + 1"},
                           8, &n, (void **)&out->offset_U1));
    BR_TRY(st, read_column(file,
                           &(br_h5_want){.path = item, .type = BR_H5_I32, .rank = 1, .n_rows = -1},
                           4, &out->n_items, (void **)&out->item_S));
    BR_TRY(st, check(where, n_customers, n_items, out));
    for (int64_t u = 0; u < n_customers; u++)
        qsort(out->item_S + out->offset_U1[u], (size_t)(out->offset_U1[u + 1] - out->offset_U1[u]),
              4, compare_rows);
done:
    br_h5_close(&file);
    if (st != BR_OK)
        br_never_lists_free(out);
    return st;
}

void br_never_lists_free(br_never_lists *lists)
{
    br_free(&lists->offset_U1);
    br_free(&lists->item_S);
}
