/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io/h5: opening, walking, shapes, row blocks, keys, attributes. Damaged and hostile files
 * are the table in bad_inputs.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/io/h5.h"
#include "tests/host/io/h5_fixture.h"

static char path[FIXTURE_PATH_BYTES];

/* A file with /a/matrix f32[6][3] = 0..17, /a/key S4[3], /number u64[2], version 1. */
static int make_file(void **state)
{
    const hsize_t  matrix_dims[2] = {6, 3};
    float          matrix[18];
    const char     key[3][4] = {"ab", "", "wxyz"};
    const uint64_t number[2] = {5, UINT64_MAX};
    hid_t          file;

    (void)state;
    for (int i = 0; i < 18; i++)
        matrix[i] = (float)i;
    file = fixture_create("h5", "test-format", path);
    fixture_put(file, "/a/matrix", H5T_IEEE_F32LE, 2, matrix_dims, matrix);
    fixture_keys(file, "/a/key", 3, 4, &key[0][0]);
    fixture_put_1d(file, "/number", H5T_STD_U64LE, 2, number);
    H5Fclose(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_walk(void **state)
{
    br_h5_file         *file = NULL;
    const br_h5_object *object;
    int32_t             cursor = 0;

    (void)state;
    assert_true(br_h5_is(path));
    assert_false(br_h5_is("/dev/null"));
    assert_int_equal(br_h5_open(path, &file), BR_OK);
    assert_int_equal(br_h5_check_format(file, "test-format", 1), BR_OK);
    ASSERT_FAILS(br_h5_check_format(file, "test-format", 2), BR_E_INPUT,
                 "version 1 of format 'test-format'; this program reads version 2");
    ASSERT_FAILS(br_h5_check_format(file, "other", 1), BR_E_INPUT,
                 "format is 'test-format'; expected 'other'");
    assert_int_equal(br_h5_walk(file), BR_OK);
    object = br_h5_find(file, "/a");
    assert_true(object != NULL && object->is_group);
    assert_null(br_h5_find(file, "/b"));
    object = br_h5_child(file, "/a", &cursor);
    assert_string_equal(object->path + object->name_at, "key");
    object = br_h5_child(file, "/a", &cursor);
    assert_string_equal(object->path, "/a/matrix");
    assert_null(br_h5_child(file, "/a", &cursor));
    ASSERT_FAILS(br_h5_check_all_known(file), BR_E_INPUT, "/number: unknown dataset");
    br_h5_close(&file);
    assert_null(file);
}

static void test_read(void **state)
{
    br_h5_file    *file = NULL;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {
            .path = "/a/matrix", .type = BR_H5_F32, .rank = 2, .n_rows = -1, .n_cols = -1};
    float block[6];

    (void)state;
    assert_int_equal(br_h5_open(path, &file), BR_OK);
    assert_int_equal(br_h5_dataset_open(file, &want, &set), BR_OK);
    assert_int_equal(set->n_rows, 6);
    assert_int_equal(set->n_cols, 3);
    assert_int_equal(br_h5_read(set, 4, 2, block), BR_OK);
    for (int i = 0; i < 6; i++)
        assert_true(block[i] == (float)(12 + i));
    assert_int_equal(br_h5_read(set, 6, 0, block), BR_OK);
    ASSERT_FAILS(br_h5_read(set, 5, 2, block), BR_E_INPUT, "2 rows from row 5 asked for");
    ASSERT_FAILS(br_h5_read(set, INT64_MAX, 2, block), BR_E_INPUT, "asked for");
    ASSERT_FAILS(br_h5_read(set, -1, 1, block), BR_E_INPUT, "asked for");
    br_h5_dataset_close(&set);
    want.n_rows  = 7;
    want.rows_of = "/item/key";
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT,
                 "/a/matrix: 6 rows; expected 7, one per row of /item/key");
    want.n_rows = 6;
    want.n_cols = 4;
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "3 columns; expected 4");
    want.n_cols   = -1;
    want.max_cols = 2;
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "3 columns; expected 1 to 2");
    want.rank = 1;
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "2 dimensions; expected 1");
    want.type = BR_H5_I32;
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "type is f32; expected i32");
    want.path = "/a";
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "/a: is a group");
    want.path = "/a/none";
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "/a/none: missing");
    want.path = "/a/key/x";
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "/a/key/x: missing");
    br_h5_close(&file);
}

static void test_keys(void **state)
{
    br_h5_file    *file = NULL;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {.path = "/a/key", .type = BR_H5_KEY, .rank = 1, .n_rows = -1};
    br_keys        keys = {0};
    char           text[BR_KEY_TEXT_BYTES];

    (void)state;
    assert_int_equal(br_h5_open(path, &file), BR_OK);
    assert_int_equal(br_h5_dataset_open(file, &want, &set), BR_OK);
    assert_int_equal(br_h5_read_keys(set, 0, 3, &keys), BR_OK);
    assert_false(keys.is_number);
    assert_int_equal(keys.width_bytes, 4);
    assert_string_equal(br_keys_text(&keys, 2, text), "wxyz");
    assert_int_equal(br_h5_read_keys(set, 2, 1, &keys), BR_OK);
    assert_int_equal(keys.n_keys, 1);
    br_h5_dataset_close(&set);
    want.path = "/number";
    assert_int_equal(br_h5_dataset_open(file, &want, &set), BR_OK);
    assert_int_equal(br_h5_read_keys(set, 0, 2, &keys), BR_OK);
    assert_true(keys.is_number);
    assert_string_equal(br_keys_text(&keys, 1, text), "18446744073709551615");
    br_h5_dataset_close(&set);
    want.type = BR_H5_TEXT;
    ASSERT_FAILS(br_h5_dataset_open(file, &want, &set), BR_E_INPUT, "type is u64; expected S<n>");
    br_keys_free(&keys);
    br_h5_close(&file);
}

static void test_change_while_reading(void **state)
{
    br_h5_file    *file = NULL;
    br_h5_dataset *set  = NULL;
    br_h5_want     want = {
            .path = "/a/matrix", .type = BR_H5_F32, .rank = 0, .n_rows = -1, .n_cols = -1};
    float block[3];

    (void)state;
    assert_int_equal(br_h5_open(path, &file), BR_OK);
    assert_int_equal(br_h5_dataset_open(file, &want, &set), BR_OK);
    assert_int_equal(truncate(path, 1024), 0);
    ASSERT_FAILS(br_h5_read(set, 0, 1, block), BR_E_INPUT, "changed while being read");
    br_h5_dataset_close(&set);
    br_h5_close(&file);
    ASSERT_FAILS(br_h5_open(path, &file), BR_E_INPUT, "truncated: has 1024 bytes");
}

static void test_environment_is_cleared(void **state)
{
    (void)state;
    assert_null(getenv("HDF5_PLUGIN_PATH"));
    assert_null(getenv("HDF5_USE_FILE_LOCKING"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_environment_is_cleared),
        cmocka_unit_test(test_change_while_reading), /* spoils the file: last */
    };
    setenv("HDF5_PLUGIN_PATH", "/nowhere", 1);
    setenv("HDF5_USE_FILE_LOCKING", "TRUE", 1);
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
