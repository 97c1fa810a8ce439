/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io/customers: what is read is what was written, units of every size, arrays reused. Broken
 * files are the table in bad_inputs.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/io/customers.h"
#include "tests/host/io/h5_fixture.h"

enum { U = 5, E = 7, A = 3, D = 2 };

static const char     key_U[U][4]              = {"ann", "bob", "cy", "dee", "eve"};
static const uint64_t offset_U1[U + 1]         = {0, 3, 3, 4, 4, 7};
static const int32_t  item_E[E]                = {4, 1, 4, 0, 2, 2, 3};
static const int64_t  time_E[E]                = {10, 10, 12, 5, 1, 2, 3};
static const uint8_t  type_E[E]                = {1, 2, 3, 4, 5, 6, 7};
static const float    weight_E[E]              = {1, 0.5f, 0, 1, 1, 1, 0.25f};
static const uint64_t mail_offset_U1[U + 1]    = {0, 0, 0, 0, 0, 1};
static const int32_t  mail_item[1]             = {1};
static const int64_t  mail_time[1]             = {99};
static const int32_t  age_U[U]                 = {-1, 0, 1, 1, 0};
static const uint8_t  consent_U[U]             = {1, 0, 1, 0, 1};
static const uint64_t segment_U[U]             = {1, 2, 4, UINT64_MAX, 0};
static const uint64_t exclude_offset_U1[U + 1] = {0, 0, 2, 2, 2, 3};
static const int32_t  exclude_item[3]          = {4, 0, 1};
static const uint64_t contact_offset_U1[U + 1] = {0, 1, 1, 3, 3, 4};
static const int32_t  contact_item[4]          = {2, 4, 4, 0};
static const int64_t  contact_time[4]          = {1000, 5, 70, 9};

static char path[FIXTURE_PATH_BYTES];

typedef struct events {
    const void *offset;
    int64_t     n;
    const void *item;
    const void *time;
} events;

static void put_timeline(hid_t file, const char *vocabulary, const char *group, events e)
{
    char  name[64];
    hid_t id;

    snprintf(name, sizeof name, "%s/offset", group);
    fixture_put_1d(file, name, H5T_STD_U64LE, U + 1, e.offset);
    snprintf(name, sizeof name, "%s/item", group);
    fixture_put_1d(file, name, H5T_STD_I32LE, e.n, e.item);
    snprintf(name, sizeof name, "%s/time", group);
    fixture_put_1d(file, name, H5T_STD_I64LE, e.n, e.time);
    id = H5Gopen2(file, group, H5P_DEFAULT);
    fixture_text(id, "vocabulary", vocabulary);
    H5Gclose(id);
}

static void put_aggregates(hid_t file)
{
    const hsize_t dims[2] = {U, A};
    const hsize_t n_names = A;
    float         value[U * A];
    hid_t         type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &n_names, NULL), set, attr;

    for (int i = 0; i < U * A; i++)
        value[i] = (float)i;
    value[4] = NAN;
    fixture_put(file, "/aggregate", H5T_IEEE_F32LE, 2, dims, value);
    H5Tset_size(type, 1);
    set  = H5Dopen2(file, "/aggregate", H5P_DEFAULT);
    attr = H5Acreate2(set, "names", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attr, type, "xyz") >= 0);
    H5Aclose(attr);
    H5Dclose(set);
    H5Sclose(space);
    H5Tclose(type);
}

static int make_file(void **state)
{
    const hsize_t vector_dims[2] = {U, D};
    float         vector[U * D];
    hid_t         file = fixture_create("customers", "batchrank-customers", path);

    (void)state;
    for (int i = 0; i < U * D; i++)
        vector[i] = (float)(i * i);
    fixture_keys(file, "/customer/key", U, sizeof key_U[0], &key_U[0][0]);
    put_timeline(file, "catalogue", "/timeline/buy", (events){offset_U1, E, item_E, time_E});
    fixture_put_1d(file, "/timeline/buy/type", H5T_STD_U8LE, E, type_E);
    fixture_put_1d(file, "/timeline/buy/weight", H5T_IEEE_F32LE, E, weight_E);
    fixture_keys(file, "/vocabulary/campaign/key", 2, 2, "c1c2");
    put_timeline(file, "campaign", "/timeline/mail",
                 (events){mail_offset_U1, 1, mail_item, mail_time});
    fixture_put_1d(file, "/static/age", H5T_STD_I32LE, U, age_U);
    fixture_keys(file, "/static_key/age", 2, 3, "oldyou");
    put_aggregates(file);
    fixture_put_1d(file, "/consent/email", H5T_STD_U8LE, U, consent_U);
    fixture_put_1d(file, "/segment", H5T_STD_U64LE, U, segment_U);
    fixture_put_1d(file, "/exclude/offset", H5T_STD_U64LE, U + 1, exclude_offset_U1);
    fixture_put_1d(file, "/exclude/item", H5T_STD_I32LE, 3, exclude_item);
    fixture_put_1d(file, "/contact/offset", H5T_STD_U64LE, U + 1, contact_offset_U1);
    fixture_put_1d(file, "/contact/item", H5T_STD_I32LE, 4, contact_item);
    fixture_put_1d(file, "/contact/time", H5T_STD_I64LE, 4, contact_time);
    fixture_put(file, "/vector", H5T_IEEE_F32LE, 2, vector_dims, vector);
    H5Fclose(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_info(void **state)
{
    br_customers            *customers = NULL;
    const br_customers_info *info;
    br_keys                  keys = {0};
    char                     text[BR_KEY_TEXT_BYTES];

    (void)state;
    assert_int_equal(br_customers_open(path, 5, NULL, &customers), BR_OK);
    info = br_customers_info_of(customers);
    assert_int_equal(info->n_customers, U);
    assert_false(info->key_is_number);
    assert_int_equal(info->key_width_bytes, 4);
    assert_int_equal(info->n_modalities, 2);
    assert_string_equal(info->modality[0].name, "buy");
    assert_string_equal(info->modality[0].vocabulary, "catalogue");
    assert_int_equal(info->modality[0].n_events, E);
    assert_true(info->modality[0].has_type && info->modality[0].has_weight);
    assert_string_equal(info->modality[1].name, "mail");
    assert_string_equal(info->modality[1].vocabulary, "campaign");
    assert_false(info->modality[1].has_type || info->modality[1].has_weight);
    assert_int_equal(info->n_statics, 1);
    assert_string_equal(info->static_name[0], "age");
    assert_int_equal(info->n_aggregates, A);
    assert_string_equal(info->aggregate_name[2], "z");
    assert_int_equal(info->n_channels, 1);
    assert_string_equal(info->channel[0], "email");
    assert_true(info->has_segment && info->has_exclude && info->has_contact);
    assert_int_equal(info->vector_dim, D);
    assert_int_equal(br_customers_vocabulary(customers, "campaign", &keys), BR_OK);
    assert_string_equal(br_keys_text(&keys, 1, text), "c2");
    br_keys_free(&keys);
    assert_int_equal(br_customers_static_keys(customers, "age", &keys), BR_OK);
    assert_string_equal(br_keys_text(&keys, 0, text), "old");
    br_keys_free(&keys);
    ASSERT_FAILS(br_customers_vocabulary(customers, "none", &keys), BR_E_INPUT,
                 "/vocabulary/none/key: missing");
    br_customers_close(&customers);
    assert_null(customers);
}

static void check_timelines(const br_unit *unit, int64_t row, int64_t n_rows)
{
    const br_timeline *mail  = &unit->timeline[0];
    const br_timeline *buy   = &unit->timeline[1];
    int64_t            first = (int64_t)offset_U1[row];

    assert_int_equal(mail->n_events, row + n_rows == U);
    assert_null(mail->type_E);
    assert_null(mail->weight_E);
    if (mail->n_events == 1)
        assert_true(mail->item_E[0] == 1 && mail->time_E[0] == 99);
    assert_int_equal(buy->n_events, (int64_t)offset_U1[row + n_rows] - first);
    for (int64_t i = 0; i <= n_rows; i++)
        assert_int_equal(buy->offset_B1[i], (int64_t)offset_U1[row + i] - first);
    for (int64_t e = 0; e < buy->n_events; e++) {
        assert_int_equal(buy->item_E[e], item_E[first + e]);
        assert_int_equal(buy->time_E[e], time_E[first + e]);
        assert_int_equal(buy->type_E[e], type_E[first + e]);
        assert_true(buy->weight_E[e] == weight_E[first + e]);
    }
}

static void check_columns(const br_unit *unit, int64_t row, int64_t n_rows)
{
    int64_t first = (int64_t)exclude_offset_U1[row];

    for (int64_t i = 0; i < n_rows; i++) {
        int64_t u = row + i;
        float   x = (float)(u * A), z = (float)(u * A + 2);
        assert_memory_equal(unit->key.data + 4 * i, key_U[u], 4);
        assert_int_equal(unit->static_BC[i], age_U[u]);
        assert_true(unit->aggregate_BA[2 * i] == z && unit->aggregate_BA[2 * i + 1] == x);
        assert_int_equal(unit->consent_B[i], consent_U[u]);
        assert_true(unit->segment_B[i] == segment_U[u]);
        assert_true(unit->vector_BD[D * i + 1] == (float)((D * u + 1) * (D * u + 1)));
        assert_int_equal(unit->exclude_offset_B1[i + 1], (int64_t)exclude_offset_U1[u + 1] - first);
    }
    for (int64_t e = 0; e < unit->exclude_offset_B1[n_rows]; e++)
        assert_int_equal(unit->exclude_item_S[e], exclude_item[first + e]);
}

static void check_contacts(const br_unit *unit, int64_t row, int64_t n_rows)
{
    int64_t first = (int64_t)contact_offset_U1[row];

    for (int64_t i = 0; i <= n_rows; i++)
        assert_int_equal(unit->contact.offset_B1[i], (int64_t)contact_offset_U1[row + i] - first);
    for (int64_t e = 0; e < unit->contact.n_events; e++) {
        assert_int_equal(unit->contact.item_E[e], contact_item[first + e]);
        assert_int_equal(unit->contact.time_E[e], contact_time[first + e]);
    }
    assert_null(unit->contact.type_E);
}

/* Every range of rows, in one unit that is reused: large after small and small after large. */
static void test_read_every_range(void **state)
{
    br_customers              *customers = NULL;
    br_unit                    unit      = {0};
    const br_customers_request request   = {.n_modalities  = 2,
                                            .modality      = {1, 0},
                                            .n_statics     = 1,
                                            .n_aggregates  = 2,
                                            .aggregate     = {2, 0},
                                            .wants_segment = true,
                                            .wants_exclude = true,
                                            .wants_contact = true,
                                            .wants_vector  = true};

    (void)state;
    assert_int_equal(br_customers_open(path, 5, NULL, &customers), BR_OK);
    for (int64_t row = 0; row < U; row++) {
        for (int64_t n_rows = 1; n_rows <= U - row; n_rows++) {
            assert_int_equal(br_customers_read(customers, &request, row, n_rows, &unit), BR_OK);
            assert_int_equal(unit.first_row, row);
            assert_int_equal(unit.n_rows, n_rows);
            check_timelines(&unit, row, n_rows);
            check_columns(&unit, row, n_rows);
            check_contacts(&unit, row, n_rows);
        }
    }
    br_unit_free(&unit);
    br_customers_close(&customers);
}

static void test_narrow_requests(void **state)
{
    br_customers        *customers = NULL;
    br_unit              unit      = {0};
    br_customers_request request   = {.channel = -1};

    (void)state;
    assert_int_equal(br_customers_open(path, 4, NULL, &customers),
                     BR_OK); /* item 4 is out of range */
    assert_int_equal(br_customers_read(customers, &request, 0, U, &unit), BR_OK);
    assert_null(unit.timeline[0].item_E);
    assert_null(unit.consent_B);
    assert_null(unit.vector_BD);
    request.n_modalities = 1;
    ASSERT_FAILS(br_customers_read(customers, &request, 0, U, &unit), BR_E_INPUT,
                 "/timeline/buy/item: row 0 (customer 'ann'), event 0: item 4; expected 0 to 3");
    assert_int_equal(br_customers_read(customers, &request, 3, 2, &unit), BR_OK);
    request.modality[0] = 1; /* the same place, a modality without type and weight */
    assert_int_equal(br_customers_read(customers, &request, 3, 2, &unit), BR_OK);
    assert_null(unit.timeline[0].type_E);
    request.modality[0] = 2;
    ASSERT_FAILS(br_customers_read(customers, &request, 0, 1, &unit), BR_E_SELFCHECK,
                 "modality 2 asked for; the file has 2");
    request.n_modalities = 0;
    ASSERT_FAILS(br_customers_read(customers, &request, 4, 2, &unit), BR_E_SELFCHECK,
                 "2 customers from row 4");
    br_unit_free(&unit);
    br_customers_close(&customers);
}

static void assert_plan(int64_t max_customers, int64_t max_events, int n, const int64_t *expected)
{
    br_customers *customers = NULL;
    int64_t      *start     = NULL;
    int64_t       n_units   = 0;

    assert_int_equal(br_customers_open(path, 5, NULL, &customers), BR_OK);
    assert_int_equal(br_customers_plan(customers, max_customers, max_events, &start, &n_units),
                     BR_OK);
    assert_int_equal(n_units, n - 1);
    assert_memory_equal(start, expected, (size_t)n * sizeof *start);
    br_free(&start);
    br_customers_close(&customers);
}

static void test_plan(void **state)
{
    (void)state; /* events of both modalities: 3 0 1 0 4 */
    assert_plan(5, 100, 2, (const int64_t[]){0, 5});
    assert_plan(2, 100, 4, (const int64_t[]){0, 2, 4, 5});
    assert_plan(1, 100, 6, (const int64_t[]){0, 1, 2, 3, 4, 5});
    assert_plan(5, 4, 3, (const int64_t[]){0, 4, 5});
    assert_plan(5, 3, 4, (const int64_t[]){0, 2, 4, 5});
    assert_plan(5, 1, 4, (const int64_t[]){0, 1, 4, 5}); /* never empty: rows 0 and 4 alone */
}

/* More rows than one block of the scan. */
static void test_plan_of_many(void **state)
{
    enum { N = 2200003, MAX_C = 1000, MAX_E = 700 };
    char          many[FIXTURE_PATH_BYTES];
    hid_t         file      = fixture_create("many", "batchrank-customers", many);
    uint64_t     *offset    = NULL;
    int32_t      *item      = NULL;
    br_customers *customers = NULL;
    int64_t      *start     = NULL;
    int64_t       n_units = 0, n_bad = 0;

    (void)state;
    assert_int_equal(br_alloc(N + 1, 8, "offset", (void **)&offset), BR_OK);
    for (uint64_t i = 0; i < N; i++)
        offset[i] = i * 7919;
    fixture_put_1d(file, "/customer/key", H5T_STD_U64LE, N, offset);
    offset[0] = 0;
    for (uint64_t i = 0; i < N; i++)
        offset[i + 1] = offset[i] + (i % 1000 == 0 ? 3 : 0);
    fixture_put_1d(file, "/exclude/offset", H5T_STD_U64LE, N + 1, offset);
    assert_int_equal(br_alloc((int64_t)offset[N], 4, "item", (void **)&item), BR_OK);
    fixture_put_1d(file, "/exclude/item", H5T_STD_I32LE, (int64_t)offset[N], item);
    br_free(&item);
    H5Fclose(file);
    assert_int_equal(br_customers_open(many, 5, NULL, &customers), BR_OK);
    assert_int_equal(br_customers_plan(customers, MAX_C, MAX_E, &start, &n_units), BR_OK);
    assert_int_equal(n_units, (N + MAX_C - 1) / MAX_C);
    for (int64_t i = 0; i < n_units; i++)
        n_bad += start[i] != i * MAX_C;
    assert_int_equal(n_bad, 0);
    assert_int_equal(start[n_units], N);
    br_free(&start);
    br_customers_close(&customers);
    br_free(&offset);
    unlink(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_read_every_range),
        cmocka_unit_test(test_narrow_requests),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_of_many),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
