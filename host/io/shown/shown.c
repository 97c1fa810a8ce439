/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of what was shown, through the gate of every HDF5 input. Read whole, once per process. */
#include "host/io/shown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/shown/inner.h"

#define MAX_STRATA 4096

static br_status check_numbers(br_shown_file *file)
{
    br_shown_log *log = &file->log;

    for (int64_t r = 0; r < log->n_rows; r++) {
        double p = log->log_propensity_R[r];

        if (p > BR_SHOWN_ROUNDING || p == -INFINITY)
            return br_fail(BR_E_INPUT,
                           "%s: /shown/log_propensity: row %lld: found %g, expected the logarithm "
                           "of a probability above 0 and at most 1 (NaN: unknown)",
                           br_h5_path(file->h5), (long long)r, p);
        log->log_propensity_R[r] = p > 0.0 ? 0.0 : p;
        if (!isfinite(log->reward_R[r]))
            return br_fail(BR_E_INPUT,
                           "%s: /shown/reward: row %lld: found %g, expected a finite number",
                           br_h5_path(file->h5), (long long)r, log->reward_R[r]);
    }
    return BR_OK;
}

static br_status read_strata(br_shown_file *file)
{
    br_status      st   = BR_OK;
    br_shown_log  *log  = &file->log;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {.path = "/stratum/key", .type = BR_H5_KEY, .rank = 1, .n_rows = -1};

    BR_TRY(st, br_shown_per_list(file, "/shown/stratum", &log->stratum_L));
    if (log->stratum_L == NULL)
        return BR_OK;
    want.max_rows = MAX_STRATA;
    BR_TRY(st, br_h5_check_group(file->h5, "/stratum"));
    (void)br_h5_find(file->h5, want.path);
    BR_TRY(st, br_h5_dataset_open(file->h5, &want, &set));
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, &file->about.stratum_key));
    BR_TRY(st, br_h5_check_keys(set, 0, &file->about.stratum_key));
    log->n_strata = (int32_t)set->n_rows;
    for (int64_t l = 0; l < log->n_lists; l++)
        if (log->stratum_L[l] < -1 || log->stratum_L[l] >= log->n_strata)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /shown/stratum: row %lld: found %d, expected -1 (none) or a row of the %d "
                    "of /stratum/key",
                    br_h5_path(file->h5), (long long)log->first_L1[l], log->stratum_L[l],
                    log->n_strata);
done:
    br_h5_dataset_close(&set);
    return st;
}

/* A list is left out whole: with one slot's propensity unknown, those below it may not hold. */
static void keep_list(br_shown_file *file, const uint8_t *flagged_R, bool is_other_arm, int64_t l)
{
    br_shown_log   *log        = &file->log;
    br_shown_about *about      = &file->about;
    bool            is_unknown = false, is_flagged = false;

    for (int64_t r = log->first_L1[l]; r < log->first_L1[l + 1]; r++) {
        is_unknown = is_unknown || isnan(log->log_propensity_R[r]);
        is_flagged = is_flagged || (flagged_R != NULL && flagged_R[r] != 0);
    }
    log->is_kept_L[l] = !is_other_arm && !is_unknown && !is_flagged;
    about->n_other_arm += is_other_arm;
    about->n_flagged += !is_other_arm && is_flagged;
    about->n_unknown += !is_other_arm && !is_flagged && is_unknown;
    about->n_kept += log->is_kept_L[l];
    about->n_kept_rows += log->is_kept_L[l] ? log->first_L1[l + 1] - log->first_L1[l] : 0;
}

static br_status keep_lists(br_shown_file *file, int64_t arm)
{
    br_status        st        = BR_OK;
    br_shown_log    *log       = &file->log;
    uint8_t         *flagged_R = NULL;
    int32_t         *arm_L     = NULL;
    const br_h5_want want      = {.path    = "/shown/flagged",
                                  .type    = BR_H5_U8,
                                  .rank    = 1,
                                  .n_rows  = log->n_rows,
                                  .rows_of = "/shown/position"};

    if (br_h5_find(file->h5, want.path) != NULL)
        BR_TRY(st, br_shown_column(file->h5, &want, NULL, (void **)&flagged_R));
    BR_TRY(st, br_shown_per_list(file, "/shown/arm", &arm_L));
    if (arm != BR_SHOWN_ALL_ARMS && arm_L == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: /shown/arm is missing; expected it to keep arm %lld alone",
                br_h5_path(file->h5), (long long)arm);
    BR_ALLOC(st, log->is_kept_L, log->n_lists, "lists kept");
    for (int64_t l = 0; l < log->n_lists; l++)
        keep_list(file, flagged_R, arm != BR_SHOWN_ALL_ARMS && arm_L[l] != arm, l);
    if (file->about.n_kept < 1)
        BR_FAIL(st, BR_E_INPUT,
                "%s: no list is left of %lld: %lld of another arm, %lld flagged, %lld with an "
                "unknown propensity",
                br_h5_path(file->h5), (long long)log->n_lists, (long long)file->about.n_other_arm,
                (long long)file->about.n_flagged, (long long)file->about.n_unknown);
done:
    br_free(&arm_L);
    br_free(&flagged_R);
    return st;
}

/* The names under /target; what is in each is read when asked for. */
static br_status list_targets(br_shown_file *file)
{
    static const char *const set[] = {"log_probability", "reward", "value"};
    br_status                st    = BR_OK;
    br_shown_about          *about = &file->about;
    const br_h5_object      *object;
    int32_t                  cursor = 0;
    char                     path[2 * BR_H5_OBJECT_PATH_BYTES];

    BR_TRY(st, br_h5_check_group(file->h5, "/target"));
    while ((object = br_h5_child(file->h5, "/target", &cursor)) != NULL) {
        const char *name = object->path + object->name_at;

        if (about->n_targets == BR_SHOWN_MAX_TARGETS || strlen(name) >= BR_SHOWN_NAME_BYTES)
            BR_FAIL(st, BR_E_INPUT, "%s: %s: expected at most %d targets, names below %d bytes",
                    br_h5_path(file->h5), object->path, BR_SHOWN_MAX_TARGETS, BR_SHOWN_NAME_BYTES);
        BR_TRY(st, br_h5_check_group(file->h5, object->path));
        (void)snprintf(about->target[about->n_targets++], BR_SHOWN_NAME_BYTES, "%s", name);
        for (int32_t i = 0; i < 3; i++) {
            (void)snprintf(path, sizeof path, "%s/%s", object->path, set[i]);
            (void)br_h5_find(file->h5, path);
        }
    }
done:
    return st;
}

static br_status read_log(br_shown_file *file, int64_t arm)
{
    br_status     st  = BR_OK;
    br_shown_log *log = &file->log;

    BR_TRY(st, br_h5_check_group(file->h5, "/shown"));
    BR_TRY(st, br_shown_read_lists(file));
    BR_TRY(st, br_shown_reals(file->h5, "/shown/log_propensity", log->n_rows, "/shown/position",
                              &log->log_propensity_R));
    BR_TRY(st, br_shown_reals(file->h5, "/shown/reward", log->n_rows, "/shown/position",
                              &log->reward_R));
    BR_TRY(st, check_numbers(file));
    BR_TRY(st, br_shown_check_keys(file));
    BR_TRY(st, read_strata(file));
    BR_TRY(st, list_targets(file));
    BR_TRY(st, keep_lists(file, arm));
    BR_TRY(st, br_h5_check_all_known(file->h5));
done:
    return st;
}

br_status br_shown_open(const char *path, int64_t arm, br_shown_file **out)
{
    br_status      st   = BR_OK;
    br_shown_file *file = NULL;

    *out = NULL;
    BR_ALLOC(st, file, 1, "log");
    BR_TRY(st, br_h5_open(path, &file->h5));
    BR_TRY(st, br_h5_check_format(file->h5, "batchrank-log", 1));
    BR_TRY(st, br_h5_walk(file->h5));
    BR_TRY(st, read_log(file, arm));
    *out = file;
    file = NULL;
done:
    br_shown_close(&file);
    return st;
}

void br_shown_close(br_shown_file **file)
{
    if (*file == NULL)
        return;
    br_h5_close(&(*file)->h5);
    br_free(&(*file)->log.first_L1);
    br_free(&(*file)->log.is_kept_L);
    br_free(&(*file)->log.stratum_L);
    br_free(&(*file)->log.position_R);
    br_free(&(*file)->log.log_propensity_R);
    br_free(&(*file)->log.reward_R);
    br_keys_free(&(*file)->about.stratum_key);
    br_free(file);
}

const br_shown_log *br_shown_log_of(const br_shown_file *file)
{
    return &file->log;
}

const br_shown_about *br_shown_about_of(const br_shown_file *file)
{
    return &file->about;
}
