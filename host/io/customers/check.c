/* SPDX-License-Identifier: Apache-2.0
 *
 * The values of one work unit against their contract: one pass over each array as it is read. */
#include <math.h>
#include <stdio.h>

#include "host/io/customers/inner.h"

#define SECONDS_END 7258118400 /* 2200-01-01 */
#define SECONDS_OLD 315532800  /* 1980-01-01: nobody's data is older than that in milliseconds */

static const char *path_of(const br_h5_dataset *set)
{
    return br_h5_path(set->file);
}

br_status br_customers_check_offsets(const br_h5_dataset *set, int64_t row, int64_t n_values,
                                     const uint64_t *offset_B1, int64_t n_rows)
{
    if (row == 0 && offset_B1[0] != 0)
        return br_fail(BR_E_INPUT, "%s: %s: row 0: %llu; expected 0", path_of(set), set->path,
                       (unsigned long long)offset_B1[0]);
    if (offset_B1[0] > (uint64_t)n_values)
        return br_fail(BR_E_INPUT, "%s: %s: row %lld: %llu is past the end; there are %lld values",
                       path_of(set), set->path, (long long)row, (unsigned long long)offset_B1[0],
                       (long long)n_values);
    for (int64_t i = 0; i < n_rows; i++) {
        if (offset_B1[i + 1] < offset_B1[i])
            return br_fail(BR_E_INPUT, "%s: %s: row %lld: %llu after %llu; expected no decrease",
                           path_of(set), set->path, (long long)(row + i + 1),
                           (unsigned long long)offset_B1[i + 1], (unsigned long long)offset_B1[i]);
        if (offset_B1[i + 1] > (uint64_t)n_values)
            return br_fail(BR_E_INPUT,
                           "%s: %s: row %lld: %llu is past the end; there are %lld values",
                           path_of(set), set->path, (long long)(row + i + 1),
                           (unsigned long long)offset_B1[i + 1], (long long)n_values);
    }
    if (row + n_rows == set->n_rows - 1 && offset_B1[n_rows] != (uint64_t)n_values)
        return br_fail(BR_E_INPUT, "%s: %s: last row: %llu; expected %lld, the number of values",
                       path_of(set), set->path, (unsigned long long)offset_B1[n_rows],
                       (long long)n_values);
    return BR_OK;
}

/* "row 5 (customer 'abc')" */
#define WHO_BYTES (BR_KEY_TEXT_BYTES + 64)
static const char *who(const br_unit *unit, int64_t i, char text[WHO_BYTES])
{
    char key[BR_KEY_TEXT_BYTES];

    snprintf(text, WHO_BYTES, "row %lld (customer '%s')", (long long)(unit->first_row + i),
             br_keys_text(&unit->key, i, key));
    return text;
}

/* A wrong unit gives times that are 10^3, 10^6 or 10^9 too large. */
static const char *time_hint(int64_t time)
{
    if (time / 1000 >= SECONDS_OLD && time / 1000 < SECONDS_END)
        return " (looks like milliseconds)";
    if (time / 1000000 >= SECONDS_OLD && time / 1000000 < SECONDS_END)
        return " (looks like microseconds)";
    if (time / 1000000000 >= SECONDS_OLD && time / 1000000000 < SECONDS_END)
        return " (looks like nanoseconds)";
    return "";
}

static br_status check_time_range(const br_h5_dataset *set, const br_unit *unit, int64_t i,
                                  int64_t time)
{
    char text[WHO_BYTES];

    if (time >= 0 && time < SECONDS_END)
        return BR_OK;
    return br_fail(BR_E_INPUT,
                   "%s: %s: %s: time %lld%s; expected seconds since 1970, 0 to %lld (year 2200)",
                   path_of(set), set->path, who(unit, i, text), (long long)time, time_hint(time),
                   (long long)SECONDS_END - 1);
}

/* Within a customer times do not decrease, so the first and the last one bound the others. */
static br_status check_times(const br_h5_dataset *set, const br_unit *unit,
                             const br_timeline *timeline, int64_t first_event)
{
    br_status      st     = BR_OK;
    const int64_t *time_E = timeline->time_E;
    char           text[WHO_BYTES];

    for (int64_t i = 0; i < unit->n_rows; i++) {
        int64_t begin = timeline->offset_B1[i];
        int64_t end   = timeline->offset_B1[i + 1];
        if (begin == end)
            continue;
        BR_TRY(st, check_time_range(set, unit, i, time_E[begin]));
        for (int64_t e = begin + 1; e < end; e++)
            if (time_E[e] < time_E[e - 1])
                BR_FAIL(st, BR_E_INPUT,
                        "%s: %s: %s, event %lld: time %lld after %lld; expected no decrease within "
                        "a customer",
                        path_of(set), set->path, who(unit, i, text), (long long)(first_event + e),
                        (long long)time_E[e], (long long)time_E[e - 1]);
        BR_TRY(st, check_time_range(set, unit, i, time_E[end - 1]));
    }
done:
    return st;
}

/* The customer of event e: only when something is wrong. */
static int64_t row_of_event(const int64_t *offset_B1, int64_t n_rows, int64_t e)
{
    int64_t row = 0;

    while (row + 1 < n_rows && offset_B1[row + 1] <= e)
        row++;
    return row;
}

static br_status check_items(const br_customers_sets *sets, const br_unit *unit,
                             const br_timeline *timeline, int64_t first_event)
{
    const br_h5_dataset *set   = sets->item;
    uint32_t             limit = sets->n_tokens < 0 ? (uint32_t)1 << 31 : (uint32_t)sets->n_tokens;
    char                 text[WHO_BYTES];

    for (int64_t e = 0; e < timeline->n_events; e++) {
        if ((uint32_t)timeline->item_E[e] < limit)
            continue;
        return br_fail(BR_E_INPUT, "%s: %s: %s, event %lld: item %d; expected 0 to %lld",
                       path_of(set), set->path,
                       who(unit, row_of_event(timeline->offset_B1, unit->n_rows, e), text),
                       (long long)(first_event + e), timeline->item_E[e], (long long)limit - 1);
    }
    return BR_OK;
}

static br_status check_types(const br_customers_sets *sets, const br_unit *unit,
                             const br_timeline *timeline, int64_t first_event)
{
    char text[WHO_BYTES];

    for (int64_t e = 0; e < timeline->n_events; e++)
        if (timeline->type_E[e] >= sets->n_types)
            return br_fail(BR_E_INPUT,
                           "%s: %s: %s, event %lld: type %d; expected 0 to %d, as the model's "
                           "type_embedding has rows",
                           path_of(sets->type), sets->type->path,
                           who(unit, row_of_event(timeline->offset_B1, unit->n_rows, e), text),
                           (long long)(first_event + e), timeline->type_E[e], sets->n_types - 1);
    return BR_OK;
}

br_status br_customers_check_timeline(const br_customers_sets *sets, const br_unit *unit,
                                      const br_timeline *timeline, int64_t first_event)
{
    br_status st = BR_OK;
    char      text[WHO_BYTES];

    BR_TRY(st, check_items(sets, unit, timeline, first_event));
    BR_TRY(st, check_times(sets->time, unit, timeline, first_event));
    if (timeline->type_E != NULL && sets->n_types > 0)
        BR_TRY(st, check_types(sets, unit, timeline, first_event));
    for (int64_t e = 0; timeline->weight_E != NULL && e < timeline->n_events; e++) {
        float weight = timeline->weight_E[e];
        if (!(weight >= 0.0f && weight <= 1.0f))
            BR_FAIL(st, BR_E_INPUT, "%s: %s: %s, event %lld: weight %g; expected 0 to 1",
                    path_of(sets->weight), sets->weight->path,
                    who(unit, row_of_event(timeline->offset_B1, unit->n_rows, e), text),
                    (long long)(first_event + e), (double)weight);
    }
done:
    return st;
}

br_status br_customers_check_statics(const br_h5_dataset *set, int64_t n_categories,
                                     const br_unit *unit, const int32_t *static_B)
{
    char text[WHO_BYTES];

    for (int64_t i = 0; i < unit->n_rows; i++)
        if (static_B[i] < -1 || static_B[i] >= n_categories)
            return br_fail(BR_E_INPUT, "%s: %s: %s: category %d; expected -1 to %lld", path_of(set),
                           set->path, who(unit, i, text), static_B[i], (long long)n_categories - 1);
    return BR_OK;
}

br_status br_customers_check_aggregates(const br_customers *customers, const br_unit *unit,
                                        const float *all_BA)
{
    const br_h5_dataset *set    = customers->aggregate;
    int64_t              n_cols = set->n_cols;
    char                 text[WHO_BYTES];

    for (int64_t i = 0; i < unit->n_rows * n_cols; i++)
        if (isinf(all_BA[i]))
            return br_fail(BR_E_INPUT,
                           "%s: %s: %s, column '%s': %f; expected a finite value, or NaN for "
                           "missing",
                           path_of(set), set->path, who(unit, i / n_cols, text),
                           customers->info.aggregate_name[i % n_cols], (double)all_BA[i]);
    return BR_OK;
}

br_status br_customers_check_consent(const br_h5_dataset *set, const br_unit *unit)
{
    char text[WHO_BYTES];

    for (int64_t i = 0; i < unit->n_rows; i++)
        if (unit->consent_B[i] > 1)
            return br_fail(BR_E_INPUT, "%s: %s: %s: %d; expected 0 or 1", path_of(set), set->path,
                           who(unit, i, text), unit->consent_B[i]);
    return BR_OK;
}

br_status br_customers_check_exclude(const br_customers *customers, const br_unit *unit,
                                     int64_t first_pair)
{
    const br_h5_dataset *set     = customers->exclude.item;
    int64_t              n_items = customers->n_items < 0 ? INT32_MAX : customers->n_items;
    int64_t              n_pairs = unit->exclude_offset_B1[unit->n_rows];
    char                 text[WHO_BYTES];

    for (int64_t e = 0; e < n_pairs; e++) {
        int32_t item = unit->exclude_item_S[e];
        if (item < 0 || item >= n_items)
            return br_fail(BR_E_INPUT, "%s: %s: %s, pair %lld: item %d; expected 0 to %lld",
                           path_of(set), set->path,
                           who(unit, row_of_event(unit->exclude_offset_B1, unit->n_rows, e), text),
                           (long long)(first_pair + e), item, (long long)n_items - 1);
    }
    return BR_OK;
}

br_status br_customers_check_vectors(const br_customers *customers, const br_unit *unit)
{
    const br_h5_dataset *set = customers->vector;
    char                 text[WHO_BYTES];

    for (int64_t i = 0; i < unit->n_rows * set->n_cols; i++)
        if (!isfinite(unit->vector_BD[i]))
            return br_fail(BR_E_INPUT, "%s: %s: %s, column %lld: %f; expected a finite value",
                           path_of(set), set->path, who(unit, i / set->n_cols, text),
                           (long long)(i % set->n_cols), (double)unit->vector_BD[i]);
    return BR_OK;
}
