/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading one work unit: bulk reads into arrays that grow and are reused, then one pass of checks.
 * Called once per unit by the reading thread. */
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/customers/inner.h"

/* Places in br_unit.capacity_bytes: two per modality, then one per array. */
enum {
    BOOK_OFFSETS = 0, /* + 2 x place of the modality */
    BOOK_EVENTS  = 1, /* + 2 x place: events the four arrays have room for */
    BOOK_ARRAYS  = 2 * BR_CUSTOMERS_MAX_MODALITIES,
    BOOK_KEY     = BOOK_ARRAYS,
    BOOK_STATIC,
    BOOK_AGGREGATE,
    BOOK_CONSENT,
    BOOK_SEGMENT,
    BOOK_EXCLUDE_OFFSET,
    BOOK_EXCLUDE_ITEM,
    BOOK_VECTOR,
    BOOK_CONTACT /* offsets, then events */
};

/* Room for n_items (never none, so that a pointer says "present"); contents are lost. */
static br_status grow(void *array_address, int64_t *capacity_bytes, int64_t n_items,
                      size_t item_bytes)
{
    br_status st    = BR_OK;
    void    **array = array_address;
    int64_t   need  = (n_items > 0 ? n_items : 1) * (int64_t)item_bytes;

    if (*array != NULL && need <= *capacity_bytes)
        return BR_OK;
    br_free(array);
    *capacity_bytes = 0;
    BR_TRY(st, br_alloc(need + need / 4, 1, "work unit", array));
    *capacity_bytes = need + need / 4;
done:
    return st;
}

static br_status read_keys(br_customers *c, br_unit *unit)
{
    br_status     st    = BR_OK;
    br_keys      *key   = &unit->key;
    const int32_t width = c->info.key_width_bytes;
    char          name[BR_ERROR_TEXT_BYTES / 2];

    BR_TRY(st, grow(&key->data, &unit->capacity_bytes[BOOK_KEY], unit->n_rows, (size_t)width));
    key->is_number   = c->info.key_is_number;
    key->width_bytes = width;
    key->n_keys      = unit->n_rows;
    BR_TRY(st, br_h5_read(c->key, unit->first_row, unit->n_rows, key->data));
    BR_TRY(st, br_h5_check_keys(c->key, unit->first_row, key));
    snprintf(name, sizeof name, "%s: /customer/key", br_h5_path(c->file));
    BR_TRY(st, br_keys_check_unique(key, name, unit->first_row));
done:
    return st;
}

/* Offsets of the unit's rows, from 0; *first is the first value's place in the file. */
static br_status read_offsets(const br_customers_sets *sets, const br_unit *unit,
                              int64_t *offset_B1, int64_t *first)
{
    br_status st     = BR_OK;
    uint64_t *stored = (uint64_t *)offset_B1; /* the same size; signed and unsigned may alias */

    BR_TRY(st, br_h5_read(sets->offset, unit->first_row, unit->n_rows + 1, stored));
    BR_TRY(st, br_customers_check_offsets(sets->offset, unit->first_row, sets->item->n_rows, stored,
                                          unit->n_rows));
    *first = (int64_t)stored[0];
    for (int64_t i = 0; i <= unit->n_rows; i++)
        offset_B1[i] -= *first;
done:
    return st;
}

/* The four arrays of a timeline share one capacity, in events. */
static br_status grow_events(br_timeline *timeline, const br_customers_sets *sets,
                             int64_t *capacity)
{
    br_status st = BR_OK;

    if (timeline->n_events > *capacity || *capacity == 0) {
        br_free(&timeline->item_E);
        br_free(&timeline->time_E);
        br_free(&timeline->type_E);
        br_free(&timeline->weight_E);
        *capacity = timeline->n_events + timeline->n_events / 4 + 1;
    }
    if (sets->type == NULL)
        br_free(&timeline->type_E);
    if (sets->weight == NULL)
        br_free(&timeline->weight_E);
    if (timeline->item_E == NULL)
        BR_ALLOC(st, timeline->item_E, *capacity, "events");
    if (timeline->time_E == NULL)
        BR_ALLOC(st, timeline->time_E, *capacity, "events");
    if (timeline->type_E == NULL && sets->type != NULL)
        BR_ALLOC(st, timeline->type_E, *capacity, "events");
    if (timeline->weight_E == NULL && sets->weight != NULL)
        BR_ALLOC(st, timeline->weight_E, *capacity, "events");
done:
    if (st != BR_OK)
        *capacity = 0;
    return st;
}

/* book: BOOK_OFFSETS and BOOK_EVENTS of the timeline. */
static br_status read_timeline(const br_customers_sets *sets, br_unit *unit, br_timeline *timeline,
                               int64_t *book)
{
    br_status st    = BR_OK;
    int64_t   first = 0;

    BR_TRY(st, grow(&timeline->offset_B1, &book[BOOK_OFFSETS], unit->n_rows + 1, sizeof(int64_t)));
    BR_TRY(st, read_offsets(sets, unit, timeline->offset_B1, &first));
    timeline->n_events = timeline->offset_B1[unit->n_rows];
    BR_TRY(st, grow_events(timeline, sets, &book[BOOK_EVENTS]));
    BR_TRY(st, br_h5_read(sets->item, first, timeline->n_events, timeline->item_E));
    BR_TRY(st, br_h5_read(sets->time, first, timeline->n_events, timeline->time_E));
    if (sets->type != NULL)
        BR_TRY(st, br_h5_read(sets->type, first, timeline->n_events, timeline->type_E));
    if (sets->weight != NULL)
        BR_TRY(st, br_h5_read(sets->weight, first, timeline->n_events, timeline->weight_E));
    BR_TRY(st, br_customers_check_timeline(sets, unit, timeline, first));
done:
    return st;
}

static br_status read_statics(br_customers *c, const br_customers_request *request, br_unit *unit)
{
    br_status st     = BR_OK;
    int64_t   n_rows = unit->n_rows;
    int32_t   n      = request->n_statics;

    if (n == 0)
        goto done;
    BR_TRY(st, grow(&c->scratch, &c->scratch_bytes, n_rows, sizeof(int32_t)));
    BR_TRY(st,
           grow(&unit->static_BC, &unit->capacity_bytes[BOOK_STATIC], n_rows * n, sizeof(int32_t)));
    for (int32_t s = 0; s < n; s++) {
        int32_t        column   = request->statics[s];
        const int32_t *static_B = c->scratch;
        BR_TRY(st, br_h5_read(c->statics[column], unit->first_row, n_rows, c->scratch));
        BR_TRY(st, br_customers_check_statics(c->statics[column], c->n_categories[column], unit,
                                              static_B));
        for (int64_t i = 0; i < n_rows; i++)
            unit->static_BC[i * n + s] = static_B[i];
    }
done:
    return st;
}

static br_status read_aggregates(br_customers *c, const br_customers_request *request,
                                 br_unit *unit)
{
    br_status    st     = BR_OK;
    int64_t      n_rows = unit->n_rows;
    int32_t      n      = request->n_aggregates;
    int32_t      n_all  = c->info.n_aggregates;
    const float *all_BA;

    if (n == 0)
        goto done;
    BR_TRY(st, grow(&c->scratch, &c->scratch_bytes, n_rows * n_all, sizeof(float)));
    BR_TRY(st, grow(&unit->aggregate_BA, &unit->capacity_bytes[BOOK_AGGREGATE], n_rows * n,
                    sizeof(float)));
    all_BA = c->scratch;
    BR_TRY(st, br_h5_read(c->aggregate, unit->first_row, n_rows, c->scratch));
    BR_TRY(st, br_customers_check_aggregates(c, unit, all_BA));
    for (int64_t i = 0; i < n_rows; i++)
        for (int32_t a = 0; a < n; a++)
            unit->aggregate_BA[i * n + a] = all_BA[i * n_all + request->aggregate[a]];
done:
    return st;
}

static br_status read_exclude(br_customers *c, br_unit *unit)
{
    br_status st    = BR_OK;
    int64_t  *book  = unit->capacity_bytes;
    int64_t   first = 0;
    int64_t   n_pairs;

    BR_TRY(st, grow(&unit->exclude_offset_B1, &book[BOOK_EXCLUDE_OFFSET], unit->n_rows + 1,
                    sizeof(int64_t)));
    BR_TRY(st, read_offsets(&c->exclude, unit, unit->exclude_offset_B1, &first));
    n_pairs = unit->exclude_offset_B1[unit->n_rows];
    BR_TRY(st, grow(&unit->exclude_item_S, &book[BOOK_EXCLUDE_ITEM], n_pairs, sizeof(int32_t)));
    BR_TRY(st, br_h5_read(c->exclude.item, first, n_pairs, unit->exclude_item_S));
    BR_TRY(st, br_customers_check_exclude(c, unit, first));
done:
    return st;
}

static br_status read_columns(br_customers *c, const br_customers_request *request, br_unit *unit)
{
    br_status st     = BR_OK;
    int64_t  *book   = unit->capacity_bytes;
    int64_t   n_rows = unit->n_rows;

    BR_TRY(st, read_statics(c, request, unit));
    BR_TRY(st, read_aggregates(c, request, unit));
    if (request->channel >= 0) {
        const br_h5_dataset *set = c->consent[request->channel];
        BR_TRY(st, grow(&unit->consent_B, &book[BOOK_CONSENT], n_rows, 1));
        BR_TRY(st, br_h5_read(set, unit->first_row, n_rows, unit->consent_B));
        BR_TRY(st, br_customers_check_consent(set, unit));
    }
    if (request->wants_segment && c->segment != NULL) {
        BR_TRY(st, grow(&unit->segment_B, &book[BOOK_SEGMENT], n_rows, sizeof(uint64_t)));
        BR_TRY(st, br_h5_read(c->segment, unit->first_row, n_rows, unit->segment_B));
    }
    if (request->wants_exclude && c->info.has_exclude)
        BR_TRY(st, read_exclude(c, unit));
    if (request->wants_contact && c->info.has_contact)
        BR_TRY(st, read_timeline(&c->contact, unit, &unit->contact, &book[BOOK_CONTACT]));
    if (request->wants_vector && c->vector != NULL) {
        BR_TRY(st, grow(&unit->vector_BD, &book[BOOK_VECTOR], n_rows * c->vector->n_cols,
                        sizeof(float)));
        BR_TRY(st, br_h5_read(c->vector, unit->first_row, n_rows, unit->vector_BD));
        BR_TRY(st, br_customers_check_vectors(c, unit));
    }
done:
    return st;
}

static br_status check_index(const char *what, int32_t index, int32_t from, int32_t n)
{
    if (index < from || index >= n)
        return br_fail(BR_E_SELFCHECK, "%s %d asked for; the file has %d", what, index, n);
    return BR_OK;
}

static br_status check_request(const br_customers *c, const br_customers_request *request,
                               int64_t first_row, int64_t n_rows)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < request->n_modalities; i++)
        BR_TRY(st, check_index("modality", request->modality[i], 0, c->info.n_modalities));
    for (int32_t i = 0; i < request->n_statics; i++)
        BR_TRY(st, check_index("static column", request->statics[i], 0, c->info.n_statics));
    for (int32_t i = 0; i < request->n_aggregates; i++)
        BR_TRY(st, check_index("aggregate", request->aggregate[i], 0, c->info.n_aggregates));
    BR_TRY(st, check_index("channel", request->channel, -1, c->info.n_channels));
    if (first_row < 0 || n_rows < 1 || n_rows > c->info.n_customers ||
        first_row > c->info.n_customers - n_rows)
        BR_FAIL(st, BR_E_SELFCHECK, "%lld customers from row %lld asked for; the file has %lld",
                (long long)n_rows, (long long)first_row, (long long)c->info.n_customers);
done:
    return st;
}

br_status br_customers_read(br_customers *customers, const br_customers_request *request,
                            int64_t first_row, int64_t n_rows, br_unit *unit)
{
    br_status st = BR_OK;

    BR_TRY(st, check_request(customers, request, first_row, n_rows));
    unit->first_row = first_row;
    unit->n_rows    = n_rows;
    BR_TRY(st, read_keys(customers, unit));
    for (int32_t m = 0; m < request->n_modalities; m++)
        BR_TRY(st, read_timeline(&customers->modality[request->modality[m]], unit,
                                 &unit->timeline[m], &unit->capacity_bytes[2 * m]));
    BR_TRY(st, read_columns(customers, request, unit));
done:
    return st;
}

static void free_timeline(br_timeline *timeline)
{
    br_free(&timeline->offset_B1);
    br_free(&timeline->item_E);
    br_free(&timeline->time_E);
    br_free(&timeline->type_E);
    br_free(&timeline->weight_E);
}

void br_unit_free(br_unit *unit)
{
    br_keys_free(&unit->key);
    for (int32_t m = 0; m < BR_CUSTOMERS_MAX_MODALITIES; m++)
        free_timeline(&unit->timeline[m]);
    free_timeline(&unit->contact);
    br_free(&unit->static_BC);
    br_free(&unit->aggregate_BA);
    br_free(&unit->consent_B);
    br_free(&unit->segment_B);
    br_free(&unit->exclude_offset_B1);
    br_free(&unit->exclude_item_S);
    br_free(&unit->vector_BD);
    memset(unit, 0, sizeof *unit);
}
