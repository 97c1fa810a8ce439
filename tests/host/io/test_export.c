/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells against the standards' own examples, files cut at whole records, and folders that appear
 * whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/io/export/cell.h"
#include "host/io/export/folder.h"
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

static const char *in_folder(const char *name)
{
    static char path[4][2 * FIXTURE_PATH_BYTES];
    static int  at;

    at = (at + 1) % 4;
    (void)snprintf(path[at], sizeof path[at], "%s/%s", folder, name);
    return path[at];
}

static void assert_file(const char *path, const char *expected)
{
    char  text[4096] = {0};
    FILE *file       = fopen(path, "r");

    assert_non_null(file);
    (void)!fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    assert_string_equal(text, expected);
}

typedef void (*quote_fn)(br_strbuf *out, const char *text, size_t n_bytes);

static void assert_quoted(quote_fn quote, const char *text, size_t n_bytes, const char *expected)
{
    br_strbuf out = {0};

    quote(&out, text, n_bytes);
    assert_int_equal(br_strbuf_check(&out), BR_OK);
    assert_string_equal(out.data, expected);
    br_strbuf_free(&out);
}

static void quote_csv(br_strbuf *out, const char *text, size_t n_bytes)
{
    br_export_csv(out, ';', text, n_bytes);
}

static void test_quotes(void **state)
{
    (void)state;
    assert_quoted(quote_csv, "aaa", 3, "aaa");
    assert_quoted(quote_csv, "b\"bb", 4, "\"b\"\"bb\""); /* RFC 4180, 2.7 */
    assert_quoted(quote_csv, "\"\"", 2, "\"\"\"\"\"\"");
    assert_quoted(quote_csv, "a,b", 3, "a,b");
    assert_quoted(quote_csv, "a;b", 3, "\"a;b\"");
    assert_quoted(quote_csv, "a\r\nb", 4, "\"a\r\nb\"");
    assert_quoted(br_export_json, "a\"\\/\n\x01\x7f", 7, "\"a\\\"\\\\/\\u000a\\u0001\\u007f\"");
    assert_quoted(br_export_json, "\xc3\xa4\xf0\x9f\x8d\x8e", 6, "\"\xc3\xa4\xf0\x9f\x8d\x8e\"");
    assert_quoted(br_export_bulk, "hello", 5, "$5\r\nhello\r\n");
    assert_quoted(br_export_bulk, "", 0, "$0\r\n\r\n");
}

static void assert_number(float value, const char *expected)
{
    br_strbuf out = {0};

    br_export_float(&out, value, "none");
    assert_string_equal(out.data, expected);
    br_strbuf_free(&out);
}

static void test_numbers(void **state)
{
    br_strbuf out = {0};

    (void)state;
    assert_number(0.1f, "0.1");
    assert_number(1.0f / 3.0f, "0.33333334");
    assert_number(-2.5e-12f, "-2.5e-12");
    assert_number(16777216.0f, "16777216");
    assert_number(NAN, "none");
    assert_number(-INFINITY, "none");
    br_export_integer(&out, INT64_MIN);
    br_strbuf_add(&out, " ");
    br_export_integer(&out, 0);
    assert_string_equal(out.data, "-9223372036854775808 0");
    br_strbuf_free(&out);
}

static void assert_flags(uint32_t flags, bool is_quoted, const char *expected)
{
    br_strbuf out = {0};

    br_strbuf_add(&out, "<");
    br_export_flags(&out, flags, ", ", is_quoted);
    br_strbuf_add(&out, ">");
    assert_string_equal(out.data, expected);
    br_strbuf_free(&out);
}

/* A bit that a later version sets has a name too. */
static void test_flags(void **state)
{
    (void)state;
    assert_flags(0, true, "<>");
    assert_flags(1u << 5, false, "<held_out>");
    assert_flags(1u | 1u << 10, true, "<\"short\", \"groups_full\">");
    assert_flags(1u << 31 | 1u << 11, false, "<flag_2048, flag_2147483648>");
}

static void test_floats_read_back(void **state)
{
    uint32_t bits = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        br_strbuf out = {0};
        float     value;

        bits = bits * 1664525u + 1013904223u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        br_export_float(&out, value, "");
        assert_true(strtof(out.data, NULL) == value);
        br_strbuf_free(&out);
    }
}

static void assert_key(const char *bytes, const char *expected)
{
    br_keys               keys  = {.width_bytes = 4, .n_keys = 1, .data = (uint8_t *)bytes};
    const br_export_place place = {"f.h5: /customer/key", 100};
    br_export_key         key;
    br_status             st = br_export_key_of(&keys, 0, place, &key);

    if (expected == NULL) {
        assert_int_equal(st, BR_E_INPUT);
        assert_non_null(strstr(br_error_last()->text, "f.h5: /customer/key: row 100: the key '"));
        return;
    }
    assert_int_equal(st, BR_OK);
    assert_int_equal(key.n_bytes, strlen(expected));
    assert_memory_equal(key.text, expected, key.n_bytes);
}

static void test_keys(void **state)
{
    const uint64_t        most  = UINT64_MAX;
    br_keys               keys  = {.is_number = true, .width_bytes = 8, .n_keys = 1};
    const br_export_place place = {"x", 0};
    br_export_key         key;

    (void)state;
    assert_key("a,b\0", "a,b");
    assert_key("\xf0\x9f\x8d\x8e", "\xf0\x9f\x8d\x8e");
    assert_key("\0\0\0\0", NULL);       /* empty */
    assert_key("a\0b\0", NULL);         /* goes on after a NUL */
    assert_key("a\xff\0\0", NULL);      /* no UTF-8 */
    assert_key("\xed\xa0\x80\0", NULL); /* half of a surrogate pair */
    assert_key("\xc0\x80\0\0", NULL);   /* longer than needed */
    assert_key("\xe0\x80\x80\0", NULL);
    assert_key("\xf4\x90\x80\x80", NULL); /* beyond U+10FFFF */
    keys.data = (uint8_t *)&most;
    assert_int_equal(br_export_key_of(&keys, 0, place, &key), BR_OK);
    assert_int_equal(key.n_bytes, 20);
    assert_memory_equal(key.text, "18446744073709551615", 20);
}

static void fill(br_export_folder *out, int64_t split_bytes, const char *const *records, int n)
{
    const br_export_kind kind   = {"lists", "csv", split_bytes};
    br_export_series    *series = NULL;
    int64_t              n_records;

    assert_int_equal(br_export_open(out, kind, "h\n", 2, &series), BR_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(br_export_add(series, records[i], strlen(records[i]), 1), BR_OK);
    assert_int_equal(br_export_finish(series, &n_records), BR_OK);
    assert_int_equal(n_records, n);
    br_export_close(&series);
}

static void test_split(void **state)
{
    const char *const records[] = {"12345\n", "678\n", "9\n", "abcdefgh\n"};
    br_export_folder *out       = NULL;

    (void)state;
    assert_int_equal(br_export_begin(in_folder("p"), folder, false, &out), BR_E_USAGE); /* a run */
    assert_int_equal(br_export_begin(in_folder("p/"), in_folder("run"), false, &out), BR_OK);
    fill(out, 12, records, 4); /* 2 + 6 + 4 = 12 just fits */
    assert_int_equal(access(in_folder("p"), F_OK), -1);
    assert_int_equal(br_export_n_files(out), 3);
    assert_int_equal(br_export_file_at(out, 0)->n_rows, 2);
    assert_int_equal(br_export_file_at(out, 0)->n_bytes, 12);
    assert_int_equal(br_export_commit(out), BR_OK);
    br_export_drop(&out);
    assert_file(in_folder("p/lists-00001.csv"), "h\n12345\n678\n");
    assert_file(in_folder("p/lists-00002.csv"), "h\n9\n");
    assert_file(in_folder("p/lists-00003.csv"), "h\nabcdefgh\n");
    assert_int_equal(access(in_folder(".p.tmp-publish"), F_OK), -1);
}

static void test_too_long(void **state)
{
    const br_export_kind kind   = {"lists", "csv", 8};
    br_export_folder    *out    = NULL;
    br_export_series    *series = NULL;

    (void)state;
    assert_int_equal(br_export_begin(in_folder("p"), in_folder("run"), false, &out), BR_OK);
    assert_int_equal(br_export_open(out, kind, "h\n", 2, &series), BR_OK);
    assert_int_equal(br_export_add(series, "1234567", 7, 1), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "a header of 2 and a record of 7 bytes"));
    br_export_close(&series);
    br_export_drop(&out);
    assert_int_equal(access(in_folder(".p.tmp-publish"), F_OK), -1);
    assert_int_equal(access(in_folder("p"), F_OK), -1);
}

static void put_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

/* What is in the way: left alone. What an interrupted attempt left: deleted. */
static void test_places(void **state)
{
    br_export_folder *out = NULL, *other = NULL;
    char              run[2 * FIXTURE_PATH_BYTES];

    (void)state;
    (void)snprintf(run, sizeof run, "%s", in_folder("run"));
    assert_int_equal(br_export_begin(in_folder("no/p"), run, false, &out), BR_E_IO);
    assert_int_equal(br_export_begin(in_folder(".."), run, false, &out), BR_E_USAGE);
    put_file(in_folder("f"));
    assert_int_equal(br_export_begin(in_folder("f"), run, true, &out), BR_E_USAGE);
    assert_int_equal(mkdir(in_folder("mine"), 0700), 0);
    put_file(in_folder("mine/letter.txt"));
    assert_int_equal(br_export_begin(in_folder("mine"), run, false, &out), BR_E_USAGE);
    assert_int_equal(br_export_begin(in_folder("mine"), run, true, &out), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "holds letter.txt"));
    assert_int_equal(mkdir(in_folder(".p.tmp-publish"), 0700), 0);
    put_file(in_folder(".p.tmp-publish/lists-00007.csv"));
    assert_int_equal(mkdir(in_folder("p"), 0700), 0); /* an empty folder is no obstacle */
    assert_int_equal(br_export_begin(in_folder("p"), run, false, &out), BR_OK);
    assert_int_equal(access(in_folder(".p.tmp-publish/lists-00007.csv"), F_OK), -1);
    assert_int_equal(br_export_begin(in_folder("p"), run, false, &other), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "another process publishes there"));
    put_file(in_folder("p/letter.txt")); /* somebody came meanwhile */
    assert_int_equal(br_export_commit(out), BR_E_USAGE);
    br_export_drop(&out);
    assert_int_equal(access(in_folder("p/letter.txt"), F_OK), 0);
    assert_int_equal(mkdir(in_folder(".q.tmp-publish"), 0700), 0);
    put_file(in_folder(".q.tmp-publish/letter.txt"));
    assert_int_equal(br_export_begin(in_folder("q"), run, false, &out), BR_E_USAGE);
    assert_int_equal(access(in_folder(".q.tmp-publish/letter.txt"), F_OK), 0);
}

static void test_replaces(void **state)
{
    const char *const records[] = {"new\n"};
    br_export_folder *out       = NULL;

    (void)state;
    assert_int_equal(mkdir(in_folder("p"), 0700), 0);
    put_file(in_folder("p/lists-00001.jsonl"));
    assert_int_equal(br_export_begin(in_folder("p"), in_folder("run"), true, &out), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "has no publication.json"));
    put_file(in_folder("p/publication.json"));
    assert_int_equal(br_export_begin(in_folder("p"), in_folder("run"), false, &out), BR_E_USAGE);
    assert_int_equal(br_export_begin(in_folder("p"), in_folder("run"), true, &out), BR_OK);
    fill(out, 0, records, 1);
    assert_int_equal(br_export_commit(out), BR_OK);
    br_export_drop(&out);
    assert_file(in_folder("p/lists.csv"), "h\nnew\n");
    assert_int_equal(access(in_folder("p/lists-00001.jsonl"), F_OK), -1);
    assert_int_equal(access(in_folder(".p.tmp-publish"), F_OK), -1);
}

/* A folder whose names may not be looked up is no free place. */
static void test_hidden_place(void **state)
{
    const uid_t       nobody  = 65534;
    bool              is_root = geteuid() == 0;
    br_export_folder *f       = NULL;
    br_status         st;

    (void)state;
    assert_int_equal(chmod(folder, 0), 0);
    if (is_root && seteuid(nobody) != 0) {
        assert_int_equal(chmod(folder, 0700), 0);
        skip();
    }
    st = br_export_begin(in_folder("hidden"), in_folder("run"), false, &f);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(st, BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "cannot look at it: Permission denied"));
    assert_null(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_floats_read_back),
        cmocka_unit_test(test_keys),
        cmocka_unit_test_setup_teardown(test_split, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_too_long, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_places, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_replaces, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_hidden_place, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
