/* SPDX-License-Identifier: Apache-2.0
 *
 * The probabilities that another policy gives to what a log shows. Called once per target. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/matrix/npy.h"
#include "host/io/shown/inner.h"

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);

    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static br_status check_probabilities(const char *name, const br_shown_log *log, double *p_R)
{
    for (int64_t r = 0; r < log->n_rows; r++) {
        if (isnan(p_R[r]) || p_R[r] > BR_SHOWN_ROUNDING)
            return br_fail(BR_E_INPUT,
                           "%s: row %lld: found %g, expected the logarithm of a probability of at "
                           "most 1 (-inf: never shown)",
                           name, (long long)r, p_R[r]);
        p_R[r] = p_R[r] > 0.0 ? 0.0 : p_R[r];
    }
    return BR_OK;
}

static br_status check_finite(const char *name, int64_t n, const double *x_N)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x_N[i]))
            return br_fail(BR_E_INPUT, "%s: row %lld: found %g, expected a finite number", name,
                           (long long)i, x_N[i]);
    return BR_OK;
}

static br_status read_npy(const char *path, const br_shown_log *log, double **out)
{
    br_status st     = BR_OK;
    br_npy    npy    = {.fd = -1};
    float    *half_R = NULL;
    bool      is_f32;

    BR_TRY(st, br_npy_open(path, &npy));
    is_f32 = strcmp(npy.dtype, "<f4") == 0;
    if ((!is_f32 && strcmp(npy.dtype, "<f8") != 0) || npy.n_cols != 1)
        BR_FAIL(st, BR_E_INPUT,
                "%s: found dtype '%s' and %lld columns, expected one dimension of '<f4' or '<f8'",
                path, npy.dtype, (long long)npy.n_cols);
    if (npy.n_rows != log->n_rows)
        BR_FAIL(st, BR_E_INPUT,
                "%s: found %lld rows, expected %lld, one per row of /shown/position", path,
                (long long)npy.n_rows, (long long)log->n_rows);
    BR_ALLOC(st, *out, log->n_rows, "target probabilities");
    if (is_f32) {
        BR_ALLOC(st, half_R, log->n_rows, "target probabilities");
        BR_TRY(st, br_npy_read(&npy, path, 0, log->n_rows, half_R));
        for (int64_t r = 0; r < log->n_rows; r++)
            (*out)[r] = (double)half_R[r];
    } else {
        BR_TRY(st, br_npy_read(&npy, path, 0, log->n_rows, *out));
    }
    BR_TRY(st, check_probabilities(path, log, *out));
done:
    br_free(&half_R);
    br_npy_close(&npy);
    return st;
}

/* The three columns under `group` ("" the root), the last two together or not at all. */
static br_status read_group(br_h5_file *h5, const char *group, const br_shown_log *log,
                            br_shown_target *out)
{
    br_status st = BR_OK;
    bool      has_model, has_value;
    char      path[3][BR_H5_OBJECT_PATH_BYTES], name[4096 + BR_H5_OBJECT_PATH_BYTES];

    (void)snprintf(path[0], sizeof path[0], "%s/log_probability", group);
    (void)snprintf(path[1], sizeof path[1], "%s/reward", group);
    (void)snprintf(path[2], sizeof path[2], "%s/value", group);
    BR_TRY(st,
           br_shown_reals(h5, path[0], log->n_rows, "/shown/position", &out->log_probability_R));
    (void)snprintf(name, sizeof name, "%s: %s", br_h5_path(h5), path[0]);
    BR_TRY(st, check_probabilities(name, log, out->log_probability_R));
    has_model = br_h5_find(h5, path[1]) != NULL;
    has_value = br_h5_find(h5, path[2]) != NULL;
    if (has_model != has_value)
        BR_FAIL(st, BR_E_INPUT, "%s: %s is there without %s; a reward model needs both",
                br_h5_path(h5), path[has_model ? 1 : 2], path[has_model ? 2 : 1]);
    if (!has_model)
        goto done;
    BR_TRY(st, br_shown_reals(h5, path[1], log->n_rows, "/shown/position", &out->model_R));
    (void)snprintf(name, sizeof name, "%s: %s", br_h5_path(h5), path[1]);
    BR_TRY(st, check_finite(name, log->n_rows, out->model_R));
    BR_TRY(st, br_shown_reals(h5, path[2], log->n_lists, "the lists of /shown", &out->value_L));
    (void)snprintf(name, sizeof name, "%s: %s", br_h5_path(h5), path[2]);
    BR_TRY(st, check_finite(name, log->n_lists, out->value_L));
done:
    return st;
}

static br_status read_file(const char *path, const br_shown_log *log, br_shown_target *out)
{
    br_status   st = BR_OK;
    br_h5_file *h5 = NULL;

    BR_TRY(st, br_h5_open(path, &h5));
    BR_TRY(st, br_h5_check_format(h5, "batchrank-target", 1));
    BR_TRY(st, br_h5_walk(h5));
    BR_TRY(st, read_group(h5, "", log, out));
    BR_TRY(st, br_h5_check_all_known(h5));
done:
    br_h5_close(&h5);
    return st;
}

static br_status read_named(br_shown_file *file, const char *name, br_shown_target *out)
{
    char group[BR_H5_OBJECT_PATH_BYTES / 2];

    for (int32_t i = 0; i < file->about.n_targets; i++)
        if (strcmp(file->about.target[i], name) == 0) {
            (void)snprintf(group, sizeof group, "/target/%s", name);
            return read_group(file->h5, group, &file->log, out);
        }
    return br_fail(BR_E_INPUT, "%s: /target/%s is missing; a file is given as FILE.npy or FILE.h5",
                   br_h5_path(file->h5), name);
}

br_status br_shown_read_target(br_shown_file *file, const char *where, br_shown_target *out)
{
    br_status st = BR_OK;

    *out = (br_shown_target){0};
    if (ends_in(where, ".npy"))
        BR_TRY(st, read_npy(where, &file->log, &out->log_probability_R));
    else if (ends_in(where, ".h5"))
        BR_TRY(st, read_file(where, &file->log, out));
    else
        BR_TRY(st, read_named(file, where, out));
done:
    if (st != BR_OK)
        br_shown_target_free(out);
    return st;
}

void br_shown_target_free(br_shown_target *target)
{
    br_free(&target->log_probability_R);
    br_free(&target->model_R);
    br_free(&target->value_L);
}
