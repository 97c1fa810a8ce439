/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of a log as arrays. Called once per dataset. */
#include "host/base/memory.h"
#include "host/io/shown/inner.h"

br_status br_shown_column(br_h5_file *file, const br_h5_want *want, int64_t *n_found, void **out)
{
    br_status      st  = BR_OK;
    br_h5_dataset *set = NULL;

    *out = NULL;
    (void)br_h5_find(file, want->path);
    BR_TRY(st, br_h5_dataset_open(file, want, &set));
    BR_TRY(st, br_alloc(set->n_rows, (size_t)set->value_bytes, want->path, out));
    BR_TRY(st, br_h5_read(set, 0, set->n_rows, *out));
    if (n_found != NULL)
        *n_found = set->n_rows;
done:
    if (st != BR_OK)
        br_free(out);
    br_h5_dataset_close(&set);
    return st;
}

static br_status read_wide(const br_h5_dataset *set, double *to)
{
    br_status st    = BR_OK;
    float    *block = NULL;
    int64_t   n;

    if (set->value_bytes == sizeof(double))
        return br_h5_read(set, 0, set->n_rows, to);
    BR_ALLOC(st, block, BR_SHOWN_BLOCK, "rows of a log");
    for (int64_t row = 0; row < set->n_rows; row += n) {
        n = set->n_rows - row < BR_SHOWN_BLOCK ? set->n_rows - row : BR_SHOWN_BLOCK;
        BR_TRY(st, br_h5_read(set, row, n, block));
        for (int64_t i = 0; i < n; i++)
            to[row + i] = (double)block[i];
    }
done:
    br_free(&block);
    return st;
}

br_status br_shown_reals(br_h5_file *file, const char *path, int64_t n_rows, const char *rows_of,
                         double **out)
{
    br_status        st   = BR_OK;
    br_h5_dataset   *set  = NULL;
    const br_h5_want want = {
        .path = path, .type = BR_H5_REAL, .rank = 1, .n_rows = n_rows, .rows_of = rows_of};

    *out = NULL;
    (void)br_h5_find(file, path);
    BR_TRY(st, br_h5_dataset_open(file, &want, &set));
    BR_ALLOC(st, *out, n_rows, path);
    BR_TRY(st, read_wide(set, *out));
done:
    if (st != BR_OK)
        br_free(out);
    br_h5_dataset_close(&set);
    return st;
}

br_status br_shown_per_list(br_shown_file *file, const char *path, int32_t **out_L)
{
    br_status           st       = BR_OK;
    const br_shown_log *log      = &file->log;
    int32_t            *number_R = NULL;
    const br_h5_want    want     = {.path    = path,
                                    .type    = BR_H5_I32,
                                    .rank    = 1,
                                    .n_rows  = log->n_rows,
                                    .rows_of = "/shown/position"};

    *out_L = NULL;
    if (br_h5_find(file->h5, path) == NULL)
        return BR_OK;
    BR_TRY(st, br_shown_column(file->h5, &want, NULL, (void **)&number_R));
    BR_ALLOC(st, *out_L, log->n_lists, path);
    for (int64_t l = 0; l < log->n_lists; l++) {
        (*out_L)[l] = number_R[log->first_L1[l]];
        for (int64_t r = log->first_L1[l]; r < log->first_L1[l + 1]; r++)
            if (number_R[r] != (*out_L)[l])
                BR_FAIL(st, BR_E_INPUT,
                        "%s: %s: row %lld: found %d, expected %d as in the rows of the same list "
                        "above",
                        br_h5_path(file->h5), path, (long long)r, number_R[r], (*out_L)[l]);
    }
done:
    if (st != BR_OK)
        br_free(out_L);
    br_free(&number_R);
    return st;
}
