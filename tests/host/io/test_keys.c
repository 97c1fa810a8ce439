/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io/keys: text, the join by key, duplicates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/io/keys.h"

static br_keys text_keys(int32_t width_bytes, int64_t n_keys, const char *const *key)
{
    br_keys   keys = {false, width_bytes, n_keys, NULL};
    br_status st   = br_alloc(n_keys, (size_t)width_bytes, "keys", (void **)&keys.data);

    assert_int_equal(st, BR_OK);
    for (int64_t i = 0; i < n_keys; i++)
        memcpy(keys.data + i * width_bytes, key[i], strlen(key[i]));
    return keys;
}

static br_keys number_keys(int64_t n_keys, uint64_t start, uint64_t step)
{
    br_keys   keys = {true, 8, n_keys, NULL};
    br_status st   = br_alloc(n_keys, 8, "keys", (void **)&keys.data);

    assert_int_equal(st, BR_OK);
    for (int64_t i = 0; i < n_keys; i++) {
        uint64_t value = start + step * (uint64_t)i;
        memcpy(keys.data + 8 * i, &value, 8);
    }
    return keys;
}

static void test_text(void **state)
{
    const char *const key[] = {"abc", "", "a\xc3\xa9\x01", "\\"};
    br_keys           keys  = text_keys(120, 4, key);
    br_keys           big   = number_keys(1, UINT64_MAX, 0);
    char              text[BR_KEY_TEXT_BYTES];

    (void)state;
    assert_string_equal(br_keys_text(&keys, 0, text), "abc");
    assert_string_equal(br_keys_text(&keys, 1, text), "");
    assert_string_equal(br_keys_text(&keys, 2, text), "a\\xc3\\xa9\\x01");
    assert_string_equal(br_keys_text(&keys, 3, text), "\\x5c");
    assert_string_equal(br_keys_text(&big, 0, text), "18446744073709551615");
    assert_true(br_keys_is_empty(&keys, 1));
    assert_false(br_keys_is_empty(&keys, 0));
    memset(keys.data, 0xff, 120);
    assert_true(strlen(br_keys_text(&keys, 0, text)) < BR_KEY_TEXT_BYTES);
    assert_string_equal(text + strlen(text) - 7, "\\xff...");
    memset(keys.data, 'x', 120);
    br_keys_text(&keys, 0, text);
    assert_true(strlen(text) < BR_KEY_TEXT_BYTES);
    assert_string_equal(text + strlen(text) - 4, "x...");
    br_keys_free(&keys);
    br_keys_free(&big);
}

static void test_join(void **state)
{
    const char *const table_key[]  = {"", "b", "a", "", "longest"};
    const char *const wanted_key[] = {"a", "zz", "", "b", "longest", "a"};
    const int64_t     expected[]   = {2, -1, -1, 1, 4, 2};
    br_keys           table        = text_keys(7, 5, table_key); /* "longest" fills its width */
    br_keys           wanted       = text_keys(12, 6, wanted_key);
    int64_t           row_of[6];

    (void)state;
    assert_int_equal(br_keys_join(&table, "t", &wanted, "w", row_of), BR_OK);
    assert_memory_equal(row_of, expected, sizeof expected);
    br_keys_free(&table);
    assert_int_equal(br_keys_join(&table, "t", &wanted, "w", row_of), BR_OK); /* empty table */
    for (int i = 0; i < 6; i++)
        assert_int_equal(row_of[i], -1);
    br_keys_free(&wanted);
}

static void test_join_numbers(void **state)
{
    enum { N = 100000 };
    br_keys  table  = number_keys(N, 0, 3);
    br_keys  wanted = number_keys(N, 0, 2);
    int64_t *row_of = NULL;
    int64_t  n_bad  = 0;

    (void)state;
    assert_int_equal(br_alloc(N, sizeof *row_of, "rows", (void **)&row_of), BR_OK);
    assert_int_equal(br_keys_join(&table, "t", &wanted, "w", row_of), BR_OK);
    for (int64_t i = 0; i < N; i++)
        n_bad += row_of[i] != (2 * i % 3 == 0 ? 2 * i / 3 : -1);
    assert_int_equal(n_bad, 0);
    assert_int_equal(row_of[0], 0); /* the number 0 is a key */
    br_free(&row_of);
    br_keys_free(&table);
    br_keys_free(&wanted);
}

static void test_refusals(void **state)
{
    const char *const key[] = {"b", "a", "c", "a"};
    br_keys           table = text_keys(4, 4, key);
    br_keys           some  = number_keys(2, 1, 1);
    int64_t           row_of[4];

    (void)state;
    assert_int_equal(br_keys_join(&table, "x.h5: /item/key", &table, "w", row_of), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "x.h5: /item/key: key 'a' is in rows 1 and 3"));
    assert_int_equal(br_keys_join(&table, "t", &some, "w", row_of), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "t has keys that are bytes, w has u64 numbers"));
    br_keys_free(&table);
    br_keys_free(&some);
}

/* What a person wrote, found among bytes and among numbers. */
static void test_find_text(void **state)
{
    const char *const key[]   = {"ab", "abc", "a\xc3\xa9"};
    br_keys           keys    = text_keys(4, 3, key);
    br_keys           numbers = number_keys(3, 5, 10);
    int64_t           row;

    (void)state;
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(br_keys_find_text(&keys, key[i], &row), BR_OK);
        assert_int_equal(row, i);
    }
    assert_int_equal(br_keys_find_text(&keys, "abcd", &row), BR_OK);
    assert_int_equal(row, -1);
    assert_int_equal(br_keys_find_text(&numbers, "25", &row), BR_OK);
    assert_int_equal(row, 2);
    assert_int_equal(br_keys_find_text(&numbers, "26", &row), BR_OK);
    assert_int_equal(row, -1);
    assert_int_equal(br_keys_find_text(&numbers, "-5", &row), BR_E_USAGE);
    assert_int_equal(br_keys_find_text(&numbers, "5 ", &row), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "expected a number in [0, 1844"));
    br_keys_free(&keys);
    br_keys_free(&numbers);
}

/* The nearest of several blocks; a block without a nearer one leaves it. */
static void test_nearest(void **state)
{
    const char *const key[]                   = {"c0010", "x", "c0099"};
    br_keys           keys                    = text_keys(8, 3, key);
    br_keys           numbers                 = number_keys(2, 70000, 1);
    char              best[BR_KEY_TEXT_BYTES] = "";

    (void)state;
    assert_int_equal(br_keys_nearest(&numbers, "c0098", best), BR_OK);
    assert_string_equal(best, "");
    assert_int_equal(br_keys_nearest(&keys, "c0098", best), BR_OK);
    assert_string_equal(best, "c0099");
    assert_int_equal(br_keys_nearest(&numbers, "c0098", best), BR_OK);
    assert_string_equal(best, "c0099");
    br_keys_free(&keys);
    br_keys_free(&numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),         cmocka_unit_test(test_join),
        cmocka_unit_test(test_join_numbers), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_find_text),    cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
