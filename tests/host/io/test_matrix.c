/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain matrices and keys: blocks of rows from .npy and HDF5, keys from .npy, HDF5 and text. What
 * a broken matrix is told stands in inputs/bad_inputs.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/io/matrix.h"
#include "tests/host/io/h5_fixture.h"

static char path[FIXTURE_PATH_BYTES];

static void put_file(const char *name, const void *data, size_t n_bytes)
{
    FILE *file;

    (void)snprintf(path, sizeof path, "/tmp/batchrank-test-%ld-%s", (long)getpid(), name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

/* A .npy file of format 1 to 3. */
static void put_npy(int version, const char *dtype, const char *shape, const void *data,
                    size_t n_bytes)
{
    unsigned char file[4096];
    char          header[256];
    size_t        at = version == 1 ? 10 : 12;
    int           n;

    n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                 dtype, shape);
    memcpy(file, "\x93NUMPY", 6);
    file[6]  = (unsigned char)version;
    file[7]  = 0;
    file[8]  = (unsigned char)(n + 1);
    file[9]  = 0;
    file[10] = file[11] = 0;
    memcpy(file + at, header, (size_t)n);
    file[at + (size_t)n] = '\n';
    memcpy(file + at + (size_t)n + 1, data, n_bytes);
    put_file("x.npy", file, at + (size_t)n + 1 + n_bytes);
}

static void check_matrix(const char *where, int64_t n_rows, int64_t n_cols, const float *want)
{
    br_matrix *m = NULL;
    float      got[64];

    assert_int_equal(br_matrix_open(where, &m), BR_OK);
    assert_int_equal(br_matrix_n_rows(m), n_rows);
    assert_int_equal(br_matrix_n_cols(m), n_cols);
    for (int64_t row = 0; row <= n_rows; row++)
        for (int64_t n = 0; row + n <= n_rows; n++) {
            memset(got, 0xff, sizeof got);
            assert_int_equal(br_matrix_read(m, row, n, got), BR_OK);
            assert_memory_equal(got, want + row * n_cols, (size_t)(n * n_cols) * sizeof *got);
        }
    ASSERT_FAILS(br_matrix_read(m, 0, n_rows + 1, got), BR_E_INPUT, "found");
    ASSERT_FAILS(br_matrix_read(m, -1, 1, got), BR_E_INPUT, "found");
    br_matrix_close(&m);
    assert_null(m);
}

static void test_blocks(void **state)
{
    float       want[12];
    char        where[FIXTURE_PATH_BYTES + 16], file_path[FIXTURE_PATH_BYTES];
    hsize_t     dims[2] = {4, 3};
    hid_t       file;
    const char *dataset;
    char        split[64];

    (void)state;
    for (int i = 0; i < 12; i++)
        want[i] = (float)i * 0.37f - 2.0f;
    want[5] = -0.0f;
    for (int version = 1; version <= 3; version++) {
        put_npy(version, "<f4", "(4, 3)", want, sizeof want);
        check_matrix(path, 4, 3, want);
        put_npy(version, "<f4", "(12,)", want, sizeof want);
        check_matrix(path, 12, 1, want);
        put_npy(version, "<f4", "(0, 3)", want, 0);
        check_matrix(path, 0, 3, want);
        (void)unlink(path);
    }
    file = fixture_create("matrix", "anything", file_path);
    fixture_put(file, "/deep/x", H5T_NATIVE_FLOAT, 2, dims, want);
    assert_true(H5Fclose(file) >= 0);
    (void)snprintf(where, sizeof where, "%s:/deep/x", file_path);
    check_matrix(where, 4, 3, want);
    (void)unlink(file_path);
    assert_true(br_matrix_split_h5("a:/b.h5:/c/d", split, sizeof split, &dataset));
    assert_string_equal(split, "a:/b.h5");
    assert_string_equal(dataset, "/c/d");
    assert_false(br_matrix_split_h5("/a/b.npy", split, sizeof split, &dataset));
}

static void test_npy_keys(void **state)
{
    static const uint64_t number[] = {7, 1ull << 62, 3};
    static const int64_t  below[]  = {7, -1, 3};
    br_keys               keys;

    (void)state;
    put_npy(1, "<u8", "(3,)", number, sizeof number);
    assert_int_equal(br_matrix_read_keys(path, 3, &keys), BR_OK);
    assert_true(keys.is_number && keys.n_keys == 3 && keys.width_bytes == 8);
    assert_memory_equal(keys.data, number, sizeof number);
    br_keys_free(&keys);
    ASSERT_FAILS(br_matrix_read_keys(path, 4, &keys), BR_E_INPUT, "found 3 keys, expected 4");
    put_npy(1, "<i8", "(3,)", number, sizeof number);
    assert_int_equal(br_matrix_read_keys(path, 3, &keys), BR_OK);
    br_keys_free(&keys);
    put_npy(1, "<i8", "(3,)", below, sizeof below);
    ASSERT_FAILS(br_matrix_read_keys(path, 3, &keys), BR_E_INPUT, "row 1: found a negative key");
    put_npy(1, "|S4", "(3,)", "ab\0\0cde\0fghi", 12);
    assert_int_equal(br_matrix_read_keys(path, 3, &keys), BR_OK);
    assert_true(!keys.is_number && keys.width_bytes == 4);
    assert_memory_equal(keys.data, "ab\0\0cde\0fghi", 12);
    br_keys_free(&keys);
    put_npy(1, "|S300", "(1,)", (char[300]){"x"}, 300);
    ASSERT_FAILS(br_matrix_read_keys(path, 1, &keys), BR_E_INPUT, "at most 255");
    put_npy(1, "<f4", "(1,)", "1234", 4);
    ASSERT_FAILS(br_matrix_read_keys(path, 1, &keys), BR_E_INPUT, "'<f4'");
    (void)unlink(path);
}

static void check_text(const char *text, size_t n_bytes, int64_t n_keys, const char *complaint)
{
    br_keys keys;

    put_file("keys.txt", text, n_bytes);
    if (complaint != NULL) {
        ASSERT_FAILS(br_matrix_read_keys(path, n_keys, &keys), BR_E_INPUT, complaint);
        assert_non_null(strstr(br_error_last()->text, "keys.txt"));
        assert_null(keys.data);
    } else {
        assert_int_equal(br_matrix_read_keys(path, n_keys, &keys), BR_OK);
        assert_true(!keys.is_number && keys.n_keys == n_keys && keys.width_bytes == 3);
        assert_memory_equal(keys.data, "a\0\0b c\xc3\xa9\0", 9);
        br_keys_free(&keys);
    }
    (void)unlink(path);
}

static void test_text_keys(void **state)
{
    static const char whole[] = "a\nb c\n\xc3\xa9\n", dos[] = "a\r\nb c\r\n\xc3\xa9\r\n";
    char              longest[300];
    br_keys           keys;

    (void)state;
    check_text(whole, sizeof whole - 1, 3, NULL);
    check_text(whole, sizeof whole - 2, 3, NULL); /* the last line without its end */
    check_text(dos, sizeof dos - 1, 3, NULL);
    check_text(whole, sizeof whole - 1, 4, "found 3 keys, expected 4");
    check_text("", 0, 1, "empty file");
    check_text("a\n\nb\n", 5, 3, "line 2 is empty");
    check_text("a\nb\n\n", 5, 2, "line 3 is empty");
    check_text("a\nb\tc\n", 6, 2, "line 2: found the control character 0x09");
    check_text("a\0b\n", 4, 1, "0x00");
    check_text("a\n\xff\xfe\n", 5, 2, "line 2: found bytes that are not UTF-8");
    memset(longest, 'x', sizeof longest);
    check_text(longest, 256, 1, "line 1 has more than 255 bytes");
    check_text(longest, sizeof longest, 1, "line 1 has more than 255 bytes");
    put_file("keys.txt", longest, 255);
    assert_int_equal(br_matrix_read_keys(path, 1, &keys), BR_OK);
    assert_int_equal(keys.width_bytes, 255);
    br_keys_free(&keys);
    (void)unlink(path);
    ASSERT_FAILS(br_matrix_read_keys(path, 1, &keys), BR_E_IO, "cannot open");
    ASSERT_FAILS(br_matrix_read_keys("/tmp", 1, &keys), BR_E_IO, "folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks),
                                       cmocka_unit_test(test_npy_keys),
                                       cmocka_unit_test(test_text_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
