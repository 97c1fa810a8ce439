/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io: files are whole under their final name, or not there; digests. */
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

#include "host/base/memory.h"
#include "host/io/publish.h"
#include "tests/host/io/lists_fixture.h"

static char folder[FIXTURE_PATH_BYTES];

static const char *in_folder(const char *name)
{
    static char path[2 * FIXTURE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

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

static void assert_holds(const char *path, const char *text)
{
    char  found[64] = {0};
    FILE *file      = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found - 1, file), strlen(text));
    (void)fclose(file);
    assert_string_equal(found, text);
}

static void test_digest(void **state)
{
    char     text[BR_DIGEST_TEXT_BYTES], again[BR_DIGEST_TEXT_BYTES];
    int64_t  n_bytes = -1;
    uint8_t *big     = NULL;

    (void)state;
    assert_int_equal(br_digest_bytes("abc", 3, text), BR_OK);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(br_digest_bytes(NULL, 0, text), BR_OK);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(br_alloc(3000001, 1, "big", (void **)&big), BR_OK);
    for (int i = 0; i < 3000001; i++)
        big[i] = (uint8_t)(i * 31);
    assert_int_equal(br_publish_file(in_folder("big"), big, 3000001), BR_OK);
    assert_int_equal(br_digest_bytes(big, 3000001, text), BR_OK);
    assert_int_equal(br_digest_file_sized(in_folder("big"), again, &n_bytes), BR_OK);
    assert_string_equal(text, again);
    assert_int_equal(n_bytes, 3000001);
    br_free(&big);
    assert_int_equal(br_digest_file(in_folder("absent"), again), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "absent: cannot open: No such file"));
}

static void test_publish_replaces(void **state)
{
    struct stat found;

    (void)state;
    assert_int_equal(br_publish_file(in_folder("a"), "one", 3), BR_OK);
    assert_holds(in_folder("a"), "one");
    assert_int_equal(br_publish_file(in_folder("a"), "second", 6), BR_OK);
    assert_holds(in_folder("a"), "second");
    assert_int_equal(br_publish_file(in_folder("a"), "", 0), BR_OK);
    assert_int_equal(stat(in_folder("a"), &found), 0);
    assert_int_equal(found.st_size, 0);
    assert_int_equal(found.st_mode & 0777, 0600);
}

static void test_publish_new_keeps(void **state)
{
    bool existed = true;

    (void)state;
    assert_int_equal(br_publish_new_file(in_folder("a"), "one", 3, &existed), BR_OK);
    assert_false(existed);
    assert_int_equal(br_publish_new_file(in_folder("a"), "two", 3, &existed), BR_OK);
    assert_true(existed);
    assert_holds(in_folder("a"), "one");
}

static void test_publish_link(void **state)
{
    char target[64] = {0};

    (void)state;
    assert_int_equal(br_publish_link(in_folder("latest"), "run-1"), BR_OK);
    assert_int_equal(br_publish_link(in_folder("latest"), "run-2"), BR_OK);
    assert_int_equal(readlink(in_folder("latest"), target, sizeof target - 1), 5);
    assert_string_equal(target, "run-2");
    assert_int_equal(br_publish_file(in_folder("file"), "x", 1), BR_OK);
    assert_int_equal(br_publish_link(in_folder("file"), "run-2"), BR_E_IO);
    assert_holds(in_folder("file"), "x");
}

static void test_publish_errors(void **state)
{
    (void)state;
    assert_int_equal(br_publish_file(in_folder("no/such/folder"), "x", 1), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "No such file or directory"));
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    assert_int_equal(br_publish_file(in_folder("d"), "x", 1), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "/d: cannot give the finished file its name"));
    assert_int_equal(br_publish_file(in_folder("d/"), "x", 1), BR_E_IO);
    if (geteuid() != 0) {
        assert_int_equal(chmod(in_folder("d"), 0500), 0);
        assert_int_equal(br_publish_file(in_folder("d/x"), "x", 1), BR_E_IO);
        assert_non_null(strstr(br_error_last()->text, "Permission denied"));
        assert_int_equal(br_publish_check_space(in_folder("d"), 1), BR_E_IO);
    }
    assert_int_equal(br_publish_check_space(folder, 1), BR_OK);
    assert_int_equal(br_publish_check_space(folder, INT64_MAX), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "9223372036854775807 bytes wanted, "));
    assert_int_equal(br_publish_check_space(in_folder("absent"), 1), BR_E_IO);
    assert_true(br_publish_is_temporary(".a.tmp-1-2-3"));
    assert_false(br_publish_is_temporary("a.tmp-1-2-3"));
    assert_false(br_publish_is_temporary(".lock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digest, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_publish_replaces, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_publish_new_keeps, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_publish_link, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_publish_errors, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
