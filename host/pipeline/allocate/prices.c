/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/allocate/prices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/io/matrix.h"
#include "host/io/run_dir.h"
#include "host/pipeline/setup/identity.h"

static br_status path_of(const char *shortlists, char out[BR_RUN_PATH_BYTES])
{
    if (snprintf(out, BR_RUN_PATH_BYTES, "%s.prices.npy", shortlists) >= BR_RUN_PATH_BYTES)
        return br_fail(BR_E_USAGE, "%s: the path is too long", shortlists);
    return BR_OK;
}

br_status br_prices_write(const char *shortlists, const float *price_N, int64_t n)
{
    br_status st = BR_OK;
    char      path[BR_RUN_PATH_BYTES];

    BR_TRY(st, path_of(shortlists, path));
    BR_TRY(st, br_matrix_write_npy(path, price_N, n));
done:
    return st;
}

static br_status read_column(const char *path, int64_t n, float *to)
{
    br_status  st     = BR_OK;
    br_matrix *matrix = NULL;

    BR_TRY(st, br_matrix_open(path, &matrix));
    if (br_matrix_n_rows(matrix) != n || br_matrix_n_cols(matrix) != 1)
        BR_FAIL(st, BR_E_INPUT, "%s: found %lld x %lld prices, expected one for each of %lld items",
                path, (long long)br_matrix_n_rows(matrix), (long long)br_matrix_n_cols(matrix),
                (long long)n);
    BR_TRY(st, br_matrix_read(matrix, 0, n, to));
done:
    br_matrix_close(&matrix);
    return st;
}

br_status br_prices_read(const char *shortlists, int64_t n, float *price_N, bool *are_there)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    char         path[BR_RUN_PATH_BYTES], line[BR_IDENTITY_PRICES_BYTES];

    BR_TRY(st, br_run_describe(shortlists, &about));
    *are_there = strstr(about.identity_json, BR_IDENTITY_PRICES) != NULL;
    if (*are_there) {
        BR_TRY(st, path_of(shortlists, path));
        if (access(path, R_OK) != 0)
            BR_FAIL(st, BR_E_IO, "%s: %s: `run` with the same configuration writes it again", path,
                    strerror(errno));
        BR_TRY(st, read_column(path, n, price_N));
        br_identity_prices(price_N, n, line);
        if (strstr(about.identity_json, line) == NULL)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: not the prices that %s was taken at: `run` with the same configuration "
                    "writes them again",
                    path, shortlists);
    }
done:
    br_run_about_free(&about);
    return st;
}
