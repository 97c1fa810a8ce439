/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io/catalogue: what is read is what was written; optional parts stay absent. Broken files
 * are the table in bad_inputs.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/io/catalogue.h"
#include "tests/host/io/h5_fixture.h"

enum { N = 3, D = 2 };

static void test_everything(void **state)
{
    const hsize_t  vector_dims[2] = {N, D}, valid_dims[2] = {N, 2};
    const int32_t  brand[N] = {0, -1, 9}, department[N] = {1, 0, -1};
    const float    price[N] = {1.5f, 0, 2}, margin[N] = {-1, 0, 1}, bias[N] = {0, 1, -2};
    const float    vector[N * D] = {1, 2, 3, 4, 5, 6};
    const uint64_t segment[N]    = {0, 1, UINT64_MAX};
    const int64_t  valid[N * 2] = {0, 10, 5, 5, INT64_MIN, INT64_MAX}, capacity[N] = {-1, 0, 7};
    char           path[FIXTURE_PATH_BYTES], text[BR_KEY_TEXT_BYTES];
    hid_t          file      = fixture_create("catalogue", "batchrank-catalogue", path);
    br_catalogue   catalogue = {0};

    (void)state;
    fixture_keys(file, "/item/key", N, 2, "a\0b\0cc");
    fixture_keys(file, "/item/name", N, 3, "Ax\0B\xc3\xa9\0\0\0");
    fixture_put_1d(file, "/item/group/department", H5T_STD_I32LE, N, department);
    fixture_keys(file, "/item/group_key/department", 2, 4, "foodhome");
    fixture_put_1d(file, "/item/group/brand", H5T_STD_I32LE, N, brand);
    fixture_put_1d(file, "/item/value/price", H5T_IEEE_F32LE, N, price);
    fixture_put_1d(file, "/item/value/margin", H5T_IEEE_F32LE, N, margin);
    fixture_put_1d(file, "/item/segment", H5T_STD_U64LE, N, segment);
    fixture_put(file, "/item/valid", H5T_STD_I64LE, 2, valid_dims, valid);
    fixture_put_1d(file, "/item/capacity", H5T_STD_I64LE, N, capacity);
    fixture_put(file, "/item/vector", H5T_IEEE_F32LE, 2, vector_dims, vector);
    fixture_put_1d(file, "/item/bias", H5T_IEEE_F32LE, N, bias);
    H5Fclose(file);
    assert_int_equal(br_catalogue_read(path, NULL, &catalogue), BR_OK);
    assert_int_equal(catalogue.n_items, N);
    assert_string_equal(br_keys_text(&catalogue.key, 2, text), "cc");
    assert_string_equal(br_keys_text(&catalogue.name, 1, text), "B\\xc3\\xa9");
    assert_int_equal(catalogue.n_groups, 2);
    assert_string_equal(catalogue.group_name[0], "brand");
    assert_int_equal(catalogue.group_key[0].n_keys, 0);
    assert_memory_equal(catalogue.group_N[0], brand, sizeof brand);
    assert_string_equal(catalogue.group_name[1], "department");
    assert_memory_equal(catalogue.group_N[1], department, sizeof department);
    assert_string_equal(br_keys_text(&catalogue.group_key[1], 1, text), "home");
    assert_int_equal(catalogue.n_values, 2);
    assert_string_equal(catalogue.value_name[0], "margin");
    assert_memory_equal(catalogue.value_N[0], margin, sizeof margin);
    assert_memory_equal(catalogue.value_N[1], price, sizeof price);
    assert_memory_equal(catalogue.segment_N, segment, sizeof segment);
    assert_memory_equal(catalogue.valid_N2, valid, sizeof valid);
    assert_memory_equal(catalogue.capacity_N, capacity, sizeof capacity);
    assert_int_equal(catalogue.vector_dim, D);
    assert_memory_equal(catalogue.vector_ND, vector, sizeof vector);
    assert_memory_equal(catalogue.bias_N, bias, sizeof bias);
    br_catalogue_free(&catalogue);
    assert_null(catalogue.key.data);
    unlink(path);
}

static void test_keys_only(void **state)
{
    const uint64_t key[N] = {7, 0, 9};
    char           path[FIXTURE_PATH_BYTES];
    hid_t          file      = fixture_create("catalogue", "batchrank-catalogue", path);
    br_catalogue   catalogue = {0};

    (void)state;
    fixture_put_1d(file, "/item/key", H5T_STD_U64LE, N, key);
    H5Fclose(file);
    assert_int_equal(br_catalogue_read(path, NULL, &catalogue), BR_OK);
    assert_true(catalogue.key.is_number);
    assert_int_equal(catalogue.n_items, N);
    assert_int_equal(catalogue.name.n_keys, 0);
    assert_int_equal(catalogue.n_groups + catalogue.n_values + catalogue.vector_dim, 0);
    assert_null(catalogue.segment_N);
    assert_null(catalogue.valid_N2);
    assert_null(catalogue.capacity_N);
    assert_null(catalogue.vector_ND);
    assert_null(catalogue.bias_N);
    br_catalogue_free(&catalogue);
    unlink(path);
}

static void test_failure_leaves_nothing(void **state)
{
    const uint64_t key[N]  = {7, 0, 9};
    const float    bias[2] = {0, 0};
    char           path[FIXTURE_PATH_BYTES];
    hid_t          file      = fixture_create("catalogue", "batchrank-catalogue", path);
    br_catalogue   catalogue = {.n_items = 5};

    (void)state;
    fixture_put_1d(file, "/item/key", H5T_STD_U64LE, N, key);
    fixture_put_1d(file, "/item/bias", H5T_IEEE_F32LE, 2, bias);
    H5Fclose(file);
    ASSERT_FAILS(br_catalogue_read(path, NULL, &catalogue), BR_E_INPUT,
                 "/item/bias: 2 rows; expected 3, one per row of /item/key");
    assert_int_equal(catalogue.n_items, 0);
    assert_null(catalogue.key.data);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_keys_only),
        cmocka_unit_test(test_failure_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
