/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of keys from text files: sorted, none twice, found whatever the width, refused by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/io/sets/key_set.h"
#include "tests/host/io/lists_fixture.h"

static char folder[FIXTURE_PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    fixture_folder(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    fixture_remove(folder);
    return 0;
}

static br_status read_text(const char *text, bool is_number, br_key_set *out)
{
    char  path[FIXTURE_PATH_BYTES + 16];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/keys.txt", folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return br_key_set_read(path, is_number, out);
}

static void test_numbers(void **state)
{
    uint64_t   asked[] = {7, 70, 256, UINT64_MAX, 0, 8};
    br_keys    keys    = {true, 8, 6, (uint8_t *)asked};
    br_key_set set;

    (void)state;
    assert_int_equal(read_text("256\n7\n18446744073709551615\r\n007\n70", true, &set), BR_OK);
    assert_int_equal(set.keys.n_keys, 4);
    for (int64_t i = 0; i < 6; i++)
        assert_int_equal(br_key_set_has(&set, &keys, i), i < 4);
    br_key_set_free(&set);
}

/* Keys of customers may be wider than the file's, or narrower. */
static void test_texts(void **state)
{
    char       wide[3][8] = {"b", "ab", "abc"}, narrow[3][2] = {{'b'}, {'a', 'b'}, {'a'}};
    br_keys    in_8 = {false, 8, 3, (uint8_t *)wide}, in_2 = {false, 2, 3, (uint8_t *)narrow};
    br_key_set set;

    (void)state;
    assert_int_equal(read_text("b\nabcd\nab\nb\n", false, &set), BR_OK);
    assert_int_equal(set.keys.n_keys, 3);
    assert_int_equal(set.keys.width_bytes, 4);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(br_key_set_has(&set, &in_8, i), i < 2);
        assert_int_equal(br_key_set_has(&set, &in_2, i), i < 2);
    }
    br_key_set_free(&set);
    assert_int_equal(read_text("", false, &set), BR_OK);
    assert_false(br_key_set_has(&set, &in_8, 0));
    br_key_set_free(&set);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"C7", "-7", " -7", " 7",
                                      "+7", "7 ", "7.0", "18446744073709551616"};
    char                     text[64];
    br_key_set               set;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(text, sizeof text, "12\n%s\n", bad[i]);
        assert_int_equal(read_text(text, true, &set), BR_E_INPUT);
        assert_non_null(strstr(br_error_last()->text, "keys.txt: line 2: found '"));
        assert_non_null(strstr(br_error_last()->text, bad[i]));
    }
    (void)snprintf(text, sizeof text, "/no/such/%s", "keys.txt");
    assert_int_equal(br_key_set_read(text, true, &set), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "/no/such/keys.txt: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_texts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
