/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranked lists as an HDF5 image (docs/FORMATS.md, "Lists"). Called once per work unit, by the
 * writer's thread. Memory: about one image beside the lists themselves, two while
 * its block moves. */
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists.h"
#include "host/io/lists/h5_image.h"

#define PER_ROW_BYTES  64 /* of the columns that are no lists, roughly */
#define OVERHEAD_BYTES ((size_t)64 << 10)

static br_status check(const br_lists *lists, const br_keys *item_key)
{
    if (lists->n_rows < 0 || lists->first_row < 0 || lists->k < 1)
        return br_fail(BR_E_SELFCHECK, "lists: %lld rows from %lld with k = %d",
                       (long long)lists->n_rows, (long long)lists->first_row, lists->k);
    if (lists->key.n_keys != lists->n_rows || lists->key.width_bytes < 1)
        return br_fail(BR_E_SELFCHECK, "lists: %lld keys of %d bytes for %lld rows",
                       (long long)lists->key.n_keys, lists->key.width_bytes,
                       (long long)lists->n_rows);
    if (item_key != NULL && item_key->width_bytes < 1)
        return br_fail(BR_E_SELFCHECK, "lists: item keys of %d bytes", item_key->width_bytes);
    if (lists->n_heads > BR_LISTS_MAX_COLUMNS || lists->n_terms > BR_LISTS_MAX_COLUMNS ||
        lists->n_curves > BR_LISTS_MAX_COLUMNS || lists->n_gates > BR_LISTS_MAX_COLUMNS ||
        lists->n_counts > BR_LISTS_MAX_COLUMNS || lists->n_shadows > BR_LISTS_MAX_SHADOWS)
        return br_fail(BR_E_SELFCHECK,
                       "lists: %d heads, %d terms, %d of survival, %d gates, %d counts; at most %d "
                       "each; and %d "
                       "shadows; at most %d",
                       lists->n_heads, lists->n_terms, lists->n_curves, lists->n_gates,
                       lists->n_counts, BR_LISTS_MAX_COLUMNS, lists->n_shadows,
                       BR_LISTS_MAX_SHADOWS);
    return BR_OK;
}

static size_t expected_bytes(const br_lists *lists, const br_keys *item_key)
{
    size_t n_rows   = (size_t)lists->n_rows;
    size_t per_slot = 9 + 4 * (size_t)(lists->n_heads + lists->n_terms + 2 * lists->n_shadows) +
                      (lists->log_propensity_BK != NULL ? 4 : 0);
    size_t per_row = PER_ROW_BYTES + (size_t)lists->key.width_bytes + per_slot * (size_t)lists->k +
                     4 * (size_t)lists->vector_dim + 8 * (size_t)lists->n_gates;
    size_t items = item_key == NULL ? 0 : (size_t)item_key->n_keys * (size_t)item_key->width_bytes;

    for (int h = 0; h < lists->n_curves; h++)
        per_row += 4 * (size_t)lists->curve[h].n_periods;
    return OVERHEAD_BYTES + n_rows * per_row + items;
}

/* /<group>/<name>; no group: /<name>. n_cols 0: rank 1. */
static br_status write_array(hid_t file, const char *path, hid_t type, int64_t n_rows,
                             int64_t n_cols, const void *data)
{
    br_h5_array array = {.type = type,
                         .rank = n_cols > 0 ? 2 : 1,
                         .dims = {(hsize_t)n_rows, (hsize_t)n_cols},
                         .data = data};

    (void)snprintf(array.path, sizeof array.path, "%s", path);
    return br_h5_image_write(file, &array);
}

/* Arms default to 0, with probability 1. */
static br_status write_arms(hid_t file, const br_lists *lists)
{
    br_status st            = BR_OK;
    int32_t  *arm_B         = NULL;
    float    *probability_B = NULL;
    bool      has_arms      = lists->arm_B != NULL && lists->arm_probability_B != NULL;

    if (!has_arms) {
        BR_ALLOC(st, arm_B, lists->n_rows, "arms");
        BR_ALLOC(st, probability_B, lists->n_rows, "arm probabilities");
        for (int64_t b = 0; b < lists->n_rows; b++)
            probability_B[b] = 1.0f;
    }
    BR_TRY(st, write_array(file, "/customer/arm", H5T_STD_I32LE, lists->n_rows, 0,
                           has_arms ? lists->arm_B : arm_B));
    BR_TRY(st, write_array(file, "/customer/arm_probability", H5T_IEEE_F32LE, lists->n_rows, 0,
                           has_arms ? lists->arm_probability_B : probability_B));
done:
    br_free(&arm_B);
    br_free(&probability_B);
    return st;
}

static br_status write_customers(hid_t file, const br_lists *lists)
{
    br_status st    = BR_OK;
    int64_t  *row_B = NULL;
    int64_t   n     = lists->n_rows;

    BR_ALLOC(st, row_B, n, "row numbers");
    for (int64_t b = 0; b < n; b++)
        row_B[b] = lists->first_row + b;
    BR_TRY(st, br_h5_image_group(file, "/customer"));
    BR_TRY(st, br_h5_image_keys(file, "/customer/key", &lists->key));
    BR_TRY(st, write_array(file, "/customer/row", H5T_STD_I64LE, n, 0, row_B));
    BR_TRY(st, write_array(file, "/customer/n", H5T_STD_I32LE, n, 0, lists->n_B));
    BR_TRY(st, write_array(file, "/customer/flags", H5T_STD_U32LE, n, 0, lists->flags_B));
    if (lists->rule_B != NULL)
        BR_TRY(st, write_array(file, "/customer/rule", H5T_STD_I32LE, n, 0, lists->rule_B));
    BR_TRY(st, write_arms(file, lists));
done:
    br_free(&row_B);
    return st;
}

/* A group of f32 [U, k] columns. */
static br_status write_columns(hid_t file, const br_lists *lists, const char *group, int32_t n,
                               const char (*name)[BR_LISTS_NAME_BYTES], float *const *column)
{
    br_status st = BR_OK;

    if (n > 0)
        BR_TRY(st, br_h5_image_group(file, group));
    for (int32_t h = 0; h < n; h++) {
        char path[BR_H5_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%s", group, name[h]);
        BR_TRY(st, write_array(file, path, H5T_IEEE_F32LE, lists->n_rows, lists->k, column[h]));
    }
done:
    return st;
}

static br_status write_lists(hid_t file, const br_lists *lists)
{
    br_status st = BR_OK;
    int64_t   n  = lists->n_rows;

    BR_TRY(st, br_h5_image_group(file, "/list"));
    BR_TRY(st, write_array(file, "/list/item", H5T_STD_I32LE, n, lists->k, lists->item_BK));
    BR_TRY(st, write_array(file, "/list/score", H5T_IEEE_F32LE, n, lists->k, lists->score_BK));
    BR_TRY(st, write_array(file, "/list/source", H5T_STD_U8LE, n, lists->k, lists->source_BK));
    BR_TRY(st, write_columns(file, lists, "/probability", lists->n_heads, lists->head_name,
                             lists->probability_BK));
    BR_TRY(st, write_columns(file, lists, "/objective", lists->n_terms, lists->term_name,
                             lists->term_BK));
done:
    return st;
}

static br_status write_shadows(hid_t file, const br_lists *lists)
{
    br_status st = BR_OK;

    if (lists->n_shadows > 0)
        BR_TRY(st, br_h5_image_group(file, "/shadow"));
    for (int s = 0; s < lists->n_shadows; s++) {
        const br_shadow *shadow = &lists->shadow[s];
        char             path[BR_H5_PATH_BYTES];

        (void)snprintf(path, sizeof path, "/shadow/%s", shadow->name);
        BR_TRY(st, br_h5_image_group(file, path));
        (void)snprintf(path, sizeof path, "/shadow/%s/item", shadow->name);
        BR_TRY(st,
               write_array(file, path, H5T_STD_I32LE, lists->n_rows, lists->k, shadow->item_BK));
        (void)snprintf(path, sizeof path, "/shadow/%s/score", shadow->name);
        BR_TRY(st,
               write_array(file, path, H5T_IEEE_F32LE, lists->n_rows, lists->k, shadow->score_BK));
    }
done:
    return st;
}

static br_status write_survival(hid_t file, const br_lists *lists)
{
    br_status st = BR_OK;

    if (lists->n_curves > 0)
        BR_TRY(st, br_h5_image_group(file, "/survival"));
    for (int h = 0; h < lists->n_curves; h++) {
        const br_curve *s = &lists->curve[h];
        char            path[BR_H5_PATH_BYTES];
        (void)snprintf(path, sizeof path, "/survival/%s", s->name);
        BR_TRY(st, write_array(file, path, H5T_IEEE_F32LE, lists->n_rows, s->n_periods,
                               s->survival_BP));
        BR_TRY(st, br_h5_image_number(file, path, "period_s", s->period_s));
    }
done:
    return st;
}

static br_status write_gates(hid_t file, const br_lists *lists)
{
    br_status st                                                = BR_OK;
    int       n                                                 = lists->n_gates;
    char      names[BR_LISTS_MAX_COLUMNS * BR_LISTS_NAME_BYTES] = {0}; /* NUL-padded */

    for (int d = 0; d < n; d++)
        (void)snprintf(names + (size_t)d * BR_LISTS_NAME_BYTES, BR_LISTS_NAME_BYTES, "%s",
                       lists->gate_name[d]);
    BR_TRY(st, br_h5_image_group(file, "/gate"));
    if (lists->alpha_BM != NULL || lists->n_rows == 0) {
        BR_TRY(st,
               write_array(file, "/gate/alpha", H5T_IEEE_F32LE, lists->n_rows, n, lists->alpha_BM));
        BR_TRY(st, br_h5_image_names(file, "/gate/alpha", n, names, BR_LISTS_NAME_BYTES));
    }
    if (lists->gate_BM != NULL || lists->n_rows == 0) {
        BR_TRY(st,
               write_array(file, "/gate/gate", H5T_IEEE_F32LE, lists->n_rows, n, lists->gate_BM));
        BR_TRY(st, br_h5_image_names(file, "/gate/gate", n, names, BR_LISTS_NAME_BYTES));
    }
done:
    return st;
}

static br_status write_options(hid_t file, const br_lists *lists)
{
    br_status st = BR_OK;
    int64_t   n  = lists->n_rows;

    if (lists->log_propensity_BK != NULL || lists->log_normaliser_B != NULL)
        BR_TRY(st, br_h5_image_group(file, "/logging"));
    if (lists->log_propensity_BK != NULL)
        BR_TRY(st, write_array(file, "/logging/log_propensity", H5T_IEEE_F32LE, n, lists->k,
                               lists->log_propensity_BK));
    if (lists->log_normaliser_B != NULL)
        BR_TRY(st, write_array(file, "/logging/log_normaliser", H5T_IEEE_F32LE, n, 0,
                               lists->log_normaliser_B));
    if (lists->log_remaining_B != NULL)
        BR_TRY(st, write_array(file, "/logging/log_remaining", H5T_IEEE_F32LE, n, 0,
                               lists->log_remaining_B));
    if (lists->vector_dim > 0)
        BR_TRY(st, write_array(file, "/vector", H5T_IEEE_F32LE, n, lists->vector_dim,
                               lists->vector_BD));
    if (lists->n_gates > 0)
        BR_TRY(st, write_gates(file, lists));
done:
    return st;
}

static br_status write_counts(hid_t file, const br_lists *lists)
{
    br_status st = BR_OK;

    if (lists->n_counts > 0)
        BR_TRY(st, br_h5_image_group(file, "/stats"));
    for (int c = 0; c < lists->n_counts; c++) {
        char path[BR_H5_PATH_BYTES];
        (void)snprintf(path, sizeof path, "/stats/%s", lists->counts[c].name);
        BR_TRY(st, write_array(file, path, H5T_STD_I64LE, lists->counts[c].n, 0,
                               lists->counts[c].count));
    }
done:
    return st;
}

br_status br_lists_image(const br_lists *lists, const br_keys *item_key, void **image,
                         size_t *image_bytes)
{
    br_status    st      = BR_OK;
    br_h5_image *builder = NULL;
    hid_t        file;

    br_h5_enter();
    *image = NULL;
    BR_TRY(st, check(lists, item_key));
    BR_TRY(st, br_h5_image_create(BR_LISTS_FORMAT, expected_bytes(lists, item_key), &builder));
    file = br_h5_image_file(builder);
    BR_TRY(st, write_customers(file, lists));
    if (item_key != NULL) {
        BR_TRY(st, br_h5_image_group(file, "/item"));
        BR_TRY(st, br_h5_image_keys(file, "/item/key", item_key));
    }
    BR_TRY(st, write_lists(file, lists));
    BR_TRY(st, write_shadows(file, lists));
    BR_TRY(st, write_survival(file, lists));
    BR_TRY(st, write_options(file, lists));
    BR_TRY(st, write_counts(file, lists));
    BR_TRY(st, br_h5_image_finish(&builder, image, image_bytes));
done:
    br_h5_image_destroy(&builder);
    br_h5_leave();
    return st;
}

void br_lists_free(br_lists *lists)
{
    br_free(&lists->key.data);
    br_free(&lists->n_B);
    br_free(&lists->flags_B);
    br_free(&lists->item_BK);
    br_free(&lists->score_BK);
    br_free(&lists->source_BK);
    for (int h = 0; h < BR_LISTS_MAX_COLUMNS; h++) {
        br_free(&lists->probability_BK[h]);
        br_free(&lists->term_BK[h]);
        br_free(&lists->curve[h].survival_BP);
        br_free(&lists->counts[h].count);
    }
    for (int s = 0; s < BR_LISTS_MAX_SHADOWS; s++) {
        br_free(&lists->shadow[s].item_BK);
        br_free(&lists->shadow[s].score_BK);
    }
    br_free(&lists->log_propensity_BK);
    br_free(&lists->log_normaliser_B);
    br_free(&lists->log_remaining_B);
    br_free(&lists->rule_B);
    br_free(&lists->arm_B);
    br_free(&lists->arm_probability_B);
    br_free(&lists->vector_BD);
    br_free(&lists->alpha_BM);
    br_free(&lists->gate_BM);
    memset(lists, 0, sizeof *lists);
}
