/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns that are denied: whatever they hold, the readers do not open them, and the record of what
 * was opened says so. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "host/base/strbuf.h"
#include "host/io/catalogue.h"
#include "host/io/columns/input_columns.h"
#include "host/io/customers.h"
#include "host/io/h5/access.h"
#include "host/io/run_dir.h"
#include "tests/host/io/h5_fixture.h"

enum { U = 3, A = 4 };

static char customers_path[FIXTURE_PATH_BYTES];
static char catalogue_path[FIXTURE_PATH_BYTES];

static void name_aggregates(hid_t file)
{
    const hsize_t n    = A;
    hid_t         type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &n, NULL);
    hid_t         set = H5Dopen2(file, "/aggregate", H5P_DEFAULT), attr;

    H5Tset_size(type, 6);
    attr = H5Acreate2(set, "names", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attr, type, "age\0\0\0incomespend\0visits") >= 0);
    H5Aclose(attr);
    H5Dclose(set);
    H5Sclose(space);
    H5Tclose(type);
}

static void put_timeline(hid_t file, const char *group, const int64_t *time)
{
    static const uint64_t offset[U + 1] = {0, 1, 1, 1};
    static const int32_t  item[1]       = {0};
    char                  name[64];
    hid_t                 id;

    (void)snprintf(name, sizeof name, "%s/offset", group);
    fixture_put_1d(file, name, H5T_STD_U64LE, U + 1, offset);
    (void)snprintf(name, sizeof name, "%s/item", group);
    fixture_put_1d(file, name, H5T_STD_I32LE, 1, item);
    (void)snprintf(name, sizeof name, "%s/time", group);
    fixture_put_1d(file, name, H5T_STD_I64LE, 1, time);
    id = H5Gopen2(file, group, H5P_DEFAULT);
    fixture_text(id, "vocabulary", "catalogue");
    H5Gclose(id);
}

/* Each column that the tests deny breaks the format in its own way. */
static void make_customers(void)
{
    static const int64_t good[1] = {1000}, bad[1] = {-7};
    static const int32_t region[U]    = {0, 1, -1};
    static const float   gender[U]    = {0, 1, 2};
    static const float   values[U][A] = {
          {20, INFINITY, 1, 5}, {30, -INFINITY, 2, 6}, {NAN, INFINITY, 3, 7}};
    const hsize_t dims[2] = {U, A};
    hid_t         file    = fixture_create("denied", "batchrank-customers", customers_path);

    fixture_keys(file, "/customer/key", U, 1, "abc");
    fixture_put_1d(file, "/static/region", H5T_STD_I32LE, U, region);
    fixture_keys(file, "/static_key/region", 2, 1, "NS");
    fixture_put_1d(file, "/static/gender", H5T_IEEE_F32LE, U, gender); /* and no categories */
    fixture_put(file, "/aggregate", H5T_IEEE_F32LE, 2, dims, values);
    name_aggregates(file);
    put_timeline(file, "/timeline/buy", good);
    put_timeline(file, "/timeline/service", bad);
    fixture_put_1d(file, "/consent/sms", H5T_STD_I32LE, U, region);
    H5Fclose(file);
}

static void make_catalogue(void)
{
    static const int32_t brand[2] = {0, 5};
    static const float   price[2] = {1, NAN};
    hid_t file = fixture_create("denied-items", "batchrank-catalogue", catalogue_path);

    fixture_keys(file, "/item/key", 2, 1, "xy");
    fixture_put_1d(file, "/item/group/brand", H5T_STD_I32LE, 2, brand);
    fixture_keys(file, "/item/group_key/brand", 1, 4, "Acme");
    fixture_put_1d(file, "/item/value/price", H5T_IEEE_F32LE, 2, price);
    H5Fclose(file);
}

static int make_files(void **state)
{
    (void)state;
    make_customers();
    make_catalogue();
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    return unlink(customers_path) + unlink(catalogue_path);
}

static void expect(const br_names *names, const char *joined)
{
    char    found[1024] = "";
    int32_t at          = 0;

    for (int32_t i = 0; i < names->n; i++)
        at += snprintf(found + at, sizeof found - (size_t)at, "%s%s", i > 0 ? " " : "",
                       names->name[i]);
    assert_string_equal(found, joined);
}

static void test_names(void **state)
{
    br_names names = {0}, more = {0};
    char     name[16];

    (void)state;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "n%03d", (i * 77) % 100);
        assert_int_equal(br_names_add(&names, name), BR_OK);
    }
    assert_int_equal(names.n, 100); /* each came twice */
    for (int i = 1; i < names.n; i++)
        assert_true(strcmp(names.name[i - 1], names.name[i]) < 0);
    assert_true(br_names_has(&names, "n000") && br_names_has(&names, "n099"));
    assert_false(br_names_has(&names, "n100") || br_names_has(&names, "n0"));
    assert_int_equal(br_names_add_all(&more, &names), BR_OK);
    assert_int_equal(more.n, 100);
    br_names_free(&names);
    br_names_free(&more);
    assert_false(br_names_has(&names, "n000"));
}

static void test_columns(void **state)
{
    br_names names = {0}, objects = {0};

    (void)state;
    assert_int_equal(br_input_columns(BR_INPUT_CUSTOMERS, customers_path, &names), BR_OK);
    expect(&names, "aggregate.age aggregate.income aggregate.spend aggregate.visits consent.sms "
                   "key static.gender static.region timeline.buy timeline.service");
    br_names_free(&names);
    assert_int_equal(br_input_columns(BR_INPUT_CATALOGUE, catalogue_path, &names), BR_OK);
    expect(&names, "group.brand key value.price");
    br_names_free(&names);
    assert_int_equal(br_input_column_objects(BR_INPUT_CUSTOMERS, "static.age", &objects), BR_OK);
    assert_int_equal(br_input_column_objects(BR_INPUT_CUSTOMERS, "aggregate.a b", &objects), BR_OK);
    assert_int_equal(br_input_column_objects(BR_INPUT_CUSTOMERS, "timeline.buy", &objects), BR_OK);
    assert_int_equal(br_input_column_objects(BR_INPUT_CUSTOMERS, "segment", &objects), BR_OK);
    expect(&objects,
           "/aggregate[a b] /segment /state/buy /static/age /static_key/age /timeline/buy");
    br_names_free(&objects);
    assert_int_equal(br_input_column_objects(BR_INPUT_CATALOGUE, "group.brand", &objects), BR_OK);
    expect(&objects, "/item/group/brand /item/group_key/brand");
    br_names_free(&objects);
    ASSERT_FAILS(br_input_column_objects(BR_INPUT_CATALOGUE, "static.age", &objects),
                 BR_E_SELFCHECK, "no item column is called 'static.age'");
    assert_null(br_input_column_place(BR_INPUT_CUSTOMERS, "static."));
    assert_null(br_input_column_place(BR_INPUT_CUSTOMERS, "static.a/b"));
    assert_null(br_input_column_place(BR_INPUT_CUSTOMERS, "segments"));
    assert_non_null(br_input_column_place(BR_INPUT_CUSTOMERS, "exclude")->needed);
}

static void deny(br_input input, const char *const *columns, br_names *objects)
{
    for (; *columns != NULL; columns++)
        assert_int_equal(br_input_column_objects(input, *columns, objects), BR_OK);
}

static void check_values(br_customers *c)
{
    br_unit              unit    = {0};
    br_customers_request request = {.channel = -1, .n_aggregates = 3, .aggregate = {2, 0, 1}};

    assert_int_equal(br_customers_read(c, &request, 0, U, &unit), BR_OK);
    for (int i = 0; i < U; i++) {
        assert_true(unit.aggregate_BA[3 * i] == 5.0f + (float)i);     /* visits */
        assert_true(unit.aggregate_BA[3 * i + 2] == 1.0f + (float)i); /* spend */
    }
    assert_true(unit.aggregate_BA[1] == 20.0f && isnan(unit.aggregate_BA[7]));
    assert_int_equal(br_customers_read(c, &request, 1, 1, &unit), BR_OK);
    assert_true(unit.aggregate_BA[0] == 6.0f && unit.aggregate_BA[1] == 30.0f);
    br_unit_free(&unit);
}

static void test_denied_customers(void **state)
{
    static const char *const all[]  = {"static.gender", "aggregate.income", "timeline.service",
                                       "consent.sms", NULL};
    br_names                 denied = {0};
    br_customers            *c      = NULL;
    const br_customers_info *info;

    (void)state;
    deny(BR_INPUT_CUSTOMERS, all, &denied);
    assert_int_equal(br_customers_open(customers_path, 2, &denied, &c), BR_OK);
    info = br_customers_info_of(c);
    assert_int_equal(info->n_statics, 1);
    assert_int_equal(info->n_channels, 0);
    assert_int_equal(info->n_modalities, 1);
    assert_string_equal(info->modality[0].name, "buy");
    assert_int_equal(info->n_aggregates, 3);
    assert_string_equal(info->aggregate_name[1], "spend");
    check_values(c);
    expect(br_customers_opened(c),
           "/aggregate /aggregate[age] /aggregate[spend] /aggregate[visits] /customer/key "
           "/static/region /static_key/region /timeline/buy/item /timeline/buy/offset "
           "/timeline/buy/time");
    br_customers_close(&c);
    br_names_free(&denied);
}

/* Each of the four makes the file one that is refused, unless it is denied. */
static void test_not_denied(void **state)
{
    static const struct {
        const char *columns[4];
        br_status   status;
        const char *fragment;
    } cases[] = {
        {{"aggregate.income", "timeline.service", "consent.sms"},
         BR_E_INPUT,
         "/static/gender: type is f32"},
        {{"static.gender", "aggregate.income", "timeline.service"},
         BR_E_INPUT,
         "/consent/sms: type is i32"},
        {{"static.gender", "timeline.service", "consent.sms"}, BR_E_INPUT, "column 'income': inf"},
        {{"static.gender", "aggregate.income", "consent.sms"}, BR_E_INPUT, "time -7"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        br_names             denied  = {0};
        br_customers        *c       = NULL;
        br_unit              unit    = {0};
        br_customers_request request = {.channel = -1, .n_aggregates = 1};
        br_status            st;

        deny(BR_INPUT_CUSTOMERS, cases[i].columns, &denied);
        st = br_customers_open(customers_path, 2, &denied, &c);
        if (st == BR_OK) {
            request.n_modalities = br_customers_info_of(c)->n_modalities;
            request.modality[1]  = 1;
            st                   = br_customers_read(c, &request, 0, U, &unit);
        }
        ASSERT_FAILS(st, cases[i].status, cases[i].fragment);
        br_unit_free(&unit);
        br_customers_close(&c);
        br_names_free(&denied);
    }
}

/* With every aggregate denied the dataset that holds them is not opened at all. */
static void test_all_aggregates(void **state)
{
    static const char *const all[]  = {"static.gender",   "aggregate.income", "aggregate.age",
                                       "aggregate.spend", "aggregate.visits", "consent.sms",
                                       "timeline.buy",    "timeline.service", NULL};
    br_names                 denied = {0};
    br_customers            *c      = NULL;

    (void)state;
    deny(BR_INPUT_CUSTOMERS, all, &denied);
    assert_int_equal(br_customers_open(customers_path, 2, &denied, &c), BR_OK);
    assert_int_equal(br_customers_info_of(c)->n_aggregates, 0);
    expect(br_customers_opened(c), "/customer/key /static/region /static_key/region");
    br_customers_close(&c);
    br_names_free(&denied);
}

static void test_denied_items(void **state)
{
    static const char *const price[] = {"value.price", NULL}, *const brand[] = {"group.brand",
                                                                                NULL};
    br_names     denied = {0};
    br_catalogue catalogue;

    (void)state;
    deny(BR_INPUT_CATALOGUE, price, &denied);
    ASSERT_FAILS(br_catalogue_read(catalogue_path, &denied, &catalogue), BR_E_INPUT,
                 "/item/group/brand: row 1: group 5; expected -1 to 0");
    deny(BR_INPUT_CATALOGUE, brand, &denied);
    assert_int_equal(br_catalogue_read(catalogue_path, &denied, &catalogue), BR_OK);
    assert_int_equal(catalogue.n_groups + catalogue.n_values, 0);
    expect(&catalogue.opened, "/item/key");
    br_catalogue_free(&catalogue);
    br_names_free(&denied);
}

/* The gate itself: what is denied cannot be opened by any call. */
static void test_gate(void **state)
{
    br_names         denied   = {0};
    br_h5_file      *file     = NULL;
    br_h5_dataset   *set      = NULL;
    br_h5_want       want     = {.type = BR_H5_I32, .rank = 1, .n_rows = -1};
    const int32_t    places[] = {0, 1};
    const char      *names[]  = {"age", "income"};
    char             text[32];
    const br_h5_want matrix = {
        .path = "/aggregate", .type = BR_H5_F32, .rank = 2, .n_rows = U, .n_cols = A};

    (void)state;
    assert_int_equal(br_names_add(&denied, "/static/gender"), BR_OK);
    assert_int_equal(br_names_add(&denied, "/timeline/service"), BR_OK);
    assert_int_equal(br_names_add(&denied, "/aggregate[income]"), BR_OK);
    assert_int_equal(br_h5_open(customers_path, &file), BR_OK);
    assert_int_equal(br_h5_deny(file, &denied), BR_OK);
    assert_int_equal(br_h5_walk(file), BR_OK);
    assert_null(br_h5_find(file, "/static/gender"));
    assert_null(br_h5_find(file, "/timeline/service"));
    assert_null(br_h5_find(file, "/timeline/service/item"));
    assert_non_null(br_h5_find(file, "/timeline/buy/item"));
    assert_true(br_h5_is_denied(file, "/timeline/service/item"));
    assert_false(br_h5_is_denied(file, "/timeline/services"));
    want.path = "/static/gender";
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_SELFCHECK, "is denied");
    want.path = "/timeline/service/item";
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_SELFCHECK, "is denied");
    ASSERT_FAILS(br_h5_attr_text(file, "/timeline/service", "vocabulary", text, sizeof text),
                 BR_E_SELFCHECK, "is denied");
    assert_int_equal(br_h5_opened(file)->n, 0);
    assert_int_equal(br_h5_dataset_open(file, &matrix, &set), BR_OK);
    ASSERT_FAILS(br_h5_dataset_select(set, 2, places, names), BR_E_SELFCHECK,
                 "/aggregate[income]: is denied: it must not be read");
    br_h5_dataset_close(&set);
    br_h5_close(&file);
    br_names_free(&denied);
}

/* What a manifest says is read back, whatever columns are called. */
static void test_inputs_of_a_manifest(void **state)
{
    static const char *const odd[] = {"/a\"b",     "/back\\slash", "/c]d, [\"e\"]",
                                      "/\x01\x1f", "/\xc3\xa4",    "/{\"read\": 1}"};
    enum { N_ODD = sizeof odd / sizeof *odd };
    br_strbuf    text = {0};
    br_run_input input[BR_RUN_MAX_INPUTS];
    int32_t      n;

    (void)state;
    br_strbuf_add(&text, "[\n  {\"file\": \"customers\", \"denied\": [], \"read\": [");
    for (int i = 0; i < N_ODD; i++) {
        br_strbuf_add(&text, "%s", i > 0 ? ", " : "");
        br_strbuf_add_string(&text, odd[i]);
    }
    br_strbuf_add(&text, "]},\n  {\"file\": \"x\", \"denied\": [\"/y\"], \"read\": []}\n]");
    assert_int_equal(br_strbuf_check(&text), BR_OK);
    assert_int_equal(br_run_inputs("m", text.data, input, &n), BR_OK);
    assert_int_equal(n, 2);
    assert_string_equal(input[0].file, "customers");
    assert_int_equal(input[0].read.n, N_ODD);
    for (int i = 0; i < N_ODD; i++)
        assert_true(br_names_has(&input[0].read, odd[i]));
    expect(&input[1].denied, "/y");
    for (int i = 0; i < n; i++)
        br_run_input_free(&input[i]);
    assert_int_equal(br_run_inputs("m", NULL, input, &n), BR_OK);
    assert_int_equal(n, 0);
    ASSERT_FAILS(br_run_inputs("m", "[{\"file\": \"x\", \"denied\": []}]", input, &n), BR_E_INPUT,
                 "m: an element of `inputs` has no `read`");
    ASSERT_FAILS(br_run_inputs("m", "[{\"denied\": []}]", input, &n), BR_E_INPUT, "has no `file`");
    ASSERT_FAILS(
        br_run_inputs("m", "[{\"file\": \"x\", \"denied\": [\"\\u0\"], \"read\": []}]", input, &n),
        BR_E_INPUT, "expected a name");
    ASSERT_FAILS(
        br_run_inputs("m", "[{\"file\": \"x\", \"denied\": [7], \"read\": []}]", input, &n),
        BR_E_INPUT, "denied: found 7");
    br_strbuf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_denied_customers),
        cmocka_unit_test(test_not_denied),
        cmocka_unit_test(test_all_aggregates),
        cmocka_unit_test(test_denied_items),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_inputs_of_a_manifest),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
