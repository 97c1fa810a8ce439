/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io/h5_stream: blocks become one file, which has its name only when it is whole; nothing is
 * left behind otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/io/h5_stream.h"
#include "tests/host/io/h5_fixture.h"

static char folder[FIXTURE_PATH_BYTES];
static char path[FIXTURE_PATH_BYTES + 32];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/batchrank-test-stream-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/out.h5", folder);
    return 0;
}

/* The folder must be empty by now: rmdir tells. */
static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* /a/number u64[3] and /a/matrix f32[2][2], nothing written yet. */
static br_h5_stream *open_stream(int32_t *number, int32_t *matrix)
{
    br_h5_stream *s = NULL;

    assert_int_equal(br_h5_stream_create(path, "test-format", 100, &s), BR_OK);
    assert_int_equal(
        br_h5_stream_dataset(s, &(br_h5_stream_set){"/a/number", BR_H5_U64, 0, 3, 0}, number),
        BR_OK);
    assert_int_equal(
        br_h5_stream_dataset(s, &(br_h5_stream_set){"/a/matrix", BR_H5_F32, 0, 2, 2}, matrix),
        BR_OK);
    return s;
}

static void write_all(br_h5_stream *s, int32_t number, int32_t matrix)
{
    const uint64_t first[] = {7, 8}, last[] = {UINT64_MAX};
    const float    row[] = {1.5f, -2.0f};

    assert_int_equal(br_h5_stream_append(s, number, 2, first), BR_OK);
    assert_int_equal(br_h5_stream_append(s, matrix, 1, row), BR_OK);
    assert_int_equal(br_h5_stream_append(s, number, 0, NULL), BR_OK);
    assert_int_equal(br_h5_stream_append(s, number, 1, last), BR_OK);
    assert_int_equal(br_h5_stream_append(s, matrix, 1, row), BR_OK);
}

static void test_blocks_become_a_file(void **state)
{
    uint64_t      number[3];
    float         matrix[4];
    struct stat   info;
    int32_t       a, b;
    hid_t         file, set;
    br_h5_stream *s = open_stream(&a, &b);

    (void)state;
    assert_int_equal(br_h5_stream_attr(s, "/a", "word", "value"), BR_OK);
    write_all(s, a, b);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(br_h5_stream_commit(&s), BR_OK);
    assert_null(s);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    set = H5Dopen2(file, "/a/number", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, number) >= 0);
    assert_true(number[0] == 7 && number[1] == 8 && number[2] == UINT64_MAX);
    (void)H5Dclose(set);
    set = H5Dopen2(file, "/a/matrix", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, matrix) >= 0);
    assert_true(matrix[0] == 1.5f && matrix[3] == -2.0f);
    (void)H5Dclose(set);
    assert_true(H5Aexists_by_name(file, "/a", "word", H5P_DEFAULT) > 0);
    (void)H5Fclose(file);
    assert_int_equal(unlink(path), 0);
}

static void test_a_gap_is_our_mistake(void **state)
{
    int32_t       a, b;
    br_h5_stream *s       = open_stream(&a, &b);
    uint64_t      four[4] = {0};

    (void)state;
    ASSERT_FAILS(br_h5_stream_append(s, a, 4, four), BR_E_SELFCHECK, "more than 3 rows");
    ASSERT_FAILS(br_h5_stream_commit(&s), BR_E_SELFCHECK, "/a/number: 0 of 3 rows written");
    assert_null(s);
}

static void test_abort_leaves_nothing(void **state)
{
    int32_t       a, b;
    br_h5_stream *s = open_stream(&a, &b);

    (void)state;
    br_h5_stream_abort(&s);
    assert_null(s);
    br_h5_stream_abort(&s);
}

static void test_room_is_asked_for(void **state)
{
    br_h5_stream *s = NULL;

    (void)state;
    ASSERT_FAILS(br_h5_stream_create(path, "test-format", INT64_MAX, &s), BR_E_IO,
                 "bytes are needed, the file system has");
    assert_null(s);
    ASSERT_FAILS(br_h5_stream_create("/nonexistent/a/out.h5", "test-format", 1, &s), BR_E_IO,
                 "/nonexistent/a");
}

/* A folder stands where the file should be named: the temporary file must not stay. */
static void test_a_failed_rename_leaves_nothing(void **state)
{
    int32_t       a, b;
    br_h5_stream *s = open_stream(&a, &b);

    (void)state;
    write_all(s, a, b);
    assert_int_equal(mkdir(path, 0700), 0);
    ASSERT_FAILS(br_h5_stream_commit(&s), BR_E_IO, "cannot rename");
    assert_int_equal(rmdir(path), 0);
}

static void test_the_same_calls_give_the_same_bytes(void **state)
{
    static char bytes[2][65536];
    size_t      n[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        int32_t       a, b;
        br_h5_stream *s = open_stream(&a, &b);
        FILE         *file;

        write_all(s, a, b);
        assert_int_equal(br_h5_stream_commit(&s), BR_OK);
        file = fopen(path, "rb");
        assert_non_null(file);
        n[i] = fread(bytes[i], 1, sizeof bytes[i], file);
        (void)fclose(file);
        assert_int_equal(unlink(path), 0);
    }
    assert_true(n[0] > 0 && n[0] < sizeof bytes[0] && n[0] == n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_blocks_become_a_file),
        WITH_FOLDER(test_a_gap_is_our_mistake),
        WITH_FOLDER(test_abort_leaves_nothing),
        WITH_FOLDER(test_room_is_asked_for),
        WITH_FOLDER(test_a_failed_rename_leaves_nothing),
        WITH_FOLDER(test_the_same_calls_give_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
