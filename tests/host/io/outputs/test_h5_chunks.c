/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks and checksums made here are libhdf5's own, byte for byte: for every width, cut, and bytes
 * whose sums fold often; and what was written is read again, checksums and all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/io/lists/h5_chunks.h"

#define MOST_BYTES 40000

static unsigned char data[MOST_BYTES], back[MOST_BYTES], one[2 * MOST_BYTES], other[2 * MOST_BYTES];

static hid_t make(hid_t file, const char *name, const br_h5_array *array, hsize_t chunk_rows)
{
    hsize_t chunk[2] = {chunk_rows, array->dims[1]};
    hid_t   space    = H5Screate_simple(array->rank, array->dims, NULL);
    hid_t   create   = H5Pcreate(H5P_DATASET_CREATE);
    hid_t   dataset;

    assert_true(H5Pset_chunk(create, array->rank, chunk) >= 0);
    assert_true(H5Pset_fletcher32(create) >= 0);
    dataset = H5Dcreate2(file, name, array->type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    assert_true(dataset >= 0);
    (void)H5Pclose(create);
    (void)H5Sclose(space);
    return dataset;
}

static void compare_chunks(hid_t ours, hid_t theirs, const br_h5_array *array, hsize_t chunk_rows)
{
    for (hsize_t row = 0; row < array->dims[0]; row += chunk_rows) {
        hsize_t  offset[2] = {row, 0}, n, m;
        uint32_t filters;

        assert_true(H5Dget_chunk_storage_size(ours, offset, &n) >= 0);
        assert_true(H5Dget_chunk_storage_size(theirs, offset, &m) >= 0);
        assert_int_equal(n, m);
        assert_true(H5Dread_chunk(ours, H5P_DEFAULT, offset, &filters, one) >= 0);
        assert_int_equal(filters, 0);
        assert_true(H5Dread_chunk(theirs, H5P_DEFAULT, offset, &filters, other) >= 0);
        assert_memory_equal(one, other, n);
    }
}

static void check(hid_t file, int number, const br_h5_array *array, hsize_t chunk_rows)
{
    size_t n_bytes = H5Tget_size(array->type) * array->dims[0] * array->dims[1];
    char   name[2][24];
    hid_t  ours, theirs;

    (void)snprintf(name[0], sizeof name[0], "ours-%d", number);
    (void)snprintf(name[1], sizeof name[1], "theirs-%d", number);
    ours   = make(file, name[0], array, chunk_rows);
    theirs = make(file, name[1], array, chunk_rows);
    assert_true(H5Dwrite(theirs, array->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    assert_true(br_h5_chunks_write(ours, chunk_rows, array));
    assert_true(H5Fflush(file, H5F_SCOPE_LOCAL) >= 0);
    compare_chunks(ours, theirs, array, chunk_rows);
    assert_true(H5Dread(ours, array->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, back) >= 0);
    assert_memory_equal(back, data, n_bytes);
    (void)H5Dclose(ours);
    (void)H5Dclose(theirs);
}

static hid_t open_file(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file;

    assert_true(H5Pset_fapl_core(access, 1 << 20, 0) >= 0);
    file = H5Fcreate("chunks", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    assert_true(file >= 0);
    (void)H5Pclose(access);
    return file;
}

/* Number i of all types, cuts and contents; false: it is too large. */
static bool check_case(hid_t file, int i)
{
    const hid_t          types[] = {H5T_STD_U8LE, H5T_STD_I32LE, H5T_STD_I64LE};
    static const hsize_t cuts[]  = {1, 7, 100, 1009};
    static const int     fills[] = {0, 255, 1, -1}; /* -1: anything */
    int                  fill    = fills[i / 12];
    br_h5_array          array   = {.type = types[i % 3], .rank = 2, .data = data};

    array.dims[0] = 1009;
    array.dims[1] = 1 + 2 * (hsize_t)(i / 12);
    if (H5Tget_size(array.type) * 1009 * array.dims[1] > MOST_BYTES)
        return false;
    for (size_t at = 0; at < MOST_BYTES; at++)
        data[at] = (unsigned char)(fill >= 0 ? fill : rand());
    check(file, i, &array, cuts[i / 3 % 4]);
    return true;
}

static void test_like_hdf5(void **state)
{
    hid_t file      = open_file();
    int   n_checked = 0;

    (void)state;
    br_h5_enter();
    for (int i = 0; i < 48; i++)
        n_checked += check_case(file, i);
    br_h5_leave();
    assert_true(n_checked > 30);
    (void)H5Fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_hdf5)};

    srand(7);
    return br_h5_setup() == BR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
