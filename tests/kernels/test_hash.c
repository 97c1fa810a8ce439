/* SPDX-License-Identifier: Apache-2.0
 *
 * hash: the card's formula, computed here on its own; every type and the odd ends; any flipped bit
 * is seen; what the card forbids is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define MOST 70000

static uint8_t bytes[MOST + 4];

static uint64_t splitmix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t expected(int64_t n_bytes)
{
    uint64_t hash = splitmix((uint64_t)n_bytes);
    uint64_t gap  = 0;

    for (int64_t at = 0; at < n_bytes; at += 4) {
        uint64_t word = 0;

        for (int64_t b = at; b < at + 4 && b < n_bytes; b++)
            word |= (uint64_t)bytes[b] << 8 * (b - at);
        gap += UINT64_C(0x9e3779b97f4a7c15);
        hash += splitmix(word + gap);
    }
    return hash;
}

static uint64_t found(br_mat mat)
{
    br_dev  *dev = op_dev(op_tested());
    br_mat   out;
    uint64_t hash = 0;

    assert_int_equal(br_dev_alloc(dev, BR_U64, 1, 1, &out), BR_OK);
    assert_int_equal(br_op_hash(dev, mat, out), BR_OK);
    assert_int_equal(br_download(dev, out, &hash), BR_OK);
    br_dev_free(&out);
    return hash;
}

static void check(br_dtype dtype, int64_t n_rows, int64_t n_cols)
{
    br_dev  *dev     = op_dev(op_tested());
    int64_t  n_bytes = n_rows * n_cols * (int64_t)br_dtype_bytes(dtype);
    uint64_t want    = expected(n_bytes);
    br_mat   mat;

    assert_int_equal(br_dev_alloc(dev, dtype, n_rows, n_cols, &mat), BR_OK);
    assert_int_equal(br_upload(dev, mat, bytes), BR_OK);
    assert_true(found(mat) == want);
    for (int64_t i = 0; n_bytes > 0 && i < 5; i++) {
        int64_t at = i < 4 ? n_bytes * i / 4 : n_bytes - 1;

        bytes[at] ^= (uint8_t)(1u << i);
        assert_int_equal(br_upload(dev, mat, bytes), BR_OK);
        bytes[at] ^= (uint8_t)(1u << i);
        if (found(mat) == want)
            fail_msg("%lld bytes: bit %lld of byte %lld is not seen", (long long)n_bytes,
                     (long long)i, (long long)at);
    }
    br_dev_free(&mat);
}

static void test_formula(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        bytes[i] = (uint8_t)((uint64_t)i * 2654435761u >> 11);
    for (int64_t n = 0; n < 10; n++)
        check(BR_U8, n, 1);
    check(BR_F32, 1, 1);
    check(BR_F32, 37, 11);
    check(BR_F32, MOST / 400, 100);
    check(BR_U64, 513, 3);
    check(BR_BF16, 7, 3);
    check(BR_U8, MOST - 1, 1);
}

static void expect(br_status st, const char *part)
{
    assert_int_equal(st, BR_E_SELFCHECK);
    if (strstr(br_error_last()->text, part) == NULL)
        fail_msg("the message is \"%s\", expected \"%s\" in it", br_error_last()->text, part);
}

static void test_refused(void **state)
{
    br_dev *dev = op_dev(op_tested());
    br_mat  mat, out;
    bool    is_done = false;

    (void)state;
    assert_int_equal(br_dev_alloc(dev, BR_U8, 6, 8, &mat), BR_OK);
    assert_int_equal(br_dev_alloc(dev, BR_U64, 1, 1, &out), BR_OK);
    expect(br_op_hash(dev, br_mat_cols(mat, 0, 4), out), "hash: x_RC has ld 8, expected 4");
    expect(br_op_hash(dev, br_mat_cols(br_mat_rows(mat, 0, 1), 2, 4), out), "begins at byte 2");
    expect(br_op_hash(dev, mat, mat), "hash: out_11 is u8 [6, 8], expected u64 [1, 1]");
    assert_int_equal(br_op_hash(dev, br_mat_rows(mat, 1, 2), out), BR_OK);
    assert_int_equal(br_dev_sync(dev), BR_OK);
    assert_int_equal(br_dev_poll(dev, &is_done), BR_OK);
    assert_true(is_done);
    assert_true((br_dev_stream(dev) != NULL) == (op_tested() == BR_BACKEND_CUDA));
    br_dev_free(&mat);
    br_dev_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formula),
                                       cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
