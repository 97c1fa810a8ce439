/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict JSON: what must be refused, with line, column and reason; what must be read; and whatever
 * our scan accepts, cJSON accepts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/config/json.h"

typedef struct bad_text {
    const char *text;
    const char *message; /* part of it */
} bad_text;

static const bad_text bad[] = {
    {"", "the text is empty"},
    {" \n\t ", "the text is empty"},
    {"{\"a\": 1, \"a\": 2}", ":1:11: this key is there twice"},
    {"{\"a\": {\"b\": 1,\n \"b\": 2}}", ":2:3: this key is there twice"},
    {"{\"a\": 1} x", ":1:10: text after the end"},
    {"{} {}", ":1:4: text after the end"},
    {"1 2", ":1:3: text after the end"},
    {"007", "must not start with 0"},
    {"-01", "must not start with 0"},
    {"1.", "digits are missing after the decimal point"},
    {".5", "expected a value"},
    {"+1", "expected a value"},
    {"-", "digits are missing"},
    {"1e", "digits are missing in the exponent"},
    {"1e+", "digits are missing in the exponent"},
    {"0x10", "unexpected character"},
    {"1e999", "does not fit a double"},
    {"-1e999", "does not fit a double"},
    {"NaN", "expected a value"},
    {"Infinity", "expected a value"},
    {"-Infinity", "digits are missing"},
    {"True", "expected a value"},
    {"nul", "expected a value"},
    {"trueish", "text after the end"},
    {"'a'", "expected a value"},
    {"\"a", "the text ends inside this string"},
    {"\"a\\", "the text ends inside a string"},
    {"\"\\x41\"", "unknown escape"},
    {"\"\\u12\"", "four hexadecimal digits"},
    {"\"\\u0000\"", "\\u0000 is not allowed"},
    {"\"\\ud800\"", "high surrogate stands alone"},
    {"\"\\ud800\\u0041\"", "high surrogate stands alone"},
    {"\"\\udc00\"", "low surrogate stands alone"},
    {"\"a\nb\"", "control character"},
    {"\"\x01\"", "control character"},
    {"\"\xff\"", "not valid UTF-8"},
    {"\"\xc0\xaf\"", "not valid UTF-8"},
    {"\"\xed\xa0\x80\"", "not valid UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "not valid UTF-8"},
    {"\"\xe2\x82\"", "not valid UTF-8"},
    {"\xef\xbb\xbf{}", "byte order mark"},
    {"{\"a\" 1}", "expected ':'"},
    {"{\"a\": 1 \"b\": 2}", "expected ',' or '}'"},
    {"{\"a\": 1,}", "expected a key"},
    {"{a: 1}", "expected a key"},
    {"{\"\": 1}", "an empty key"},
    {"{\"a\": 1, \"\\u0061\": 2}", ":1:11: this key is there twice"},
    {"{\"\\u00e9\": 1, \"\xc3\xa9\": 2}", "this key is there twice"},
    {"{\"\\ud83d\\ude00\": 1, \"\xf0\x9f\x98\x80\": 2}", "this key is there twice"},
    {"{\"\\n\\/\\u20ac\": 1, \"\\u000a/\xe2\x82\xac\": 2}", "this key is there twice"},
    {"[{\"b\": 1, \"a\": {\"b\": 1}, \"c\": 1, \"a\": 2, \"b\": 3}]",
     ":1:35: this key is there twice"},
    {"[1, 2", "never closed"},
    {"[1 2]", "expected ',' or ']'"},
    {"[1,]", "expected a value"},
    {"{\"a\": 1", "never closed"},
    {"{\"a\":", "the text ends where a value is expected"},
    {"[1, 2}", "expected ',' or ']'"},
    {"// comment\n{}", "expected a value"},
    {"{\"a\": 1 /* c */}", "expected ',' or '}'"},
    {"\x00", "expected a value"},
};

static void test_bad_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t   n    = i + 1 == sizeof bad / sizeof *bad ? 1 : strlen(bad[i].text);
        br_json *json = NULL;

        if (br_json_read_text(&br_json_config_limits, "job.json", bad[i].text, n, &json) !=
                BR_E_USAGE ||
            strstr(br_error_last()->text, bad[i].message) == NULL ||
            strncmp(br_error_last()->text, "job.json:", 9) != 0)
            fail_msg("'%s': found '%s', expected '%s'", bad[i].text, br_error_last()->text,
                     bad[i].message);
        assert_null(json);
    }
}

static void expect_refused(const char *text, const br_json_limits *limits, const char *message)
{
    br_json *json = NULL;

    assert_int_equal(br_json_read_text(limits, "x", text, strlen(text), &json), limits->code);
    assert_non_null(strstr(br_error_last()->text, message));
}

static void test_limits(void **state)
{
    static char          deep[200], wide[60000];
    const br_json_limits data = {BR_E_INPUT, 100, 10};
    size_t               n    = 0;
    br_json             *json = NULL;

    (void)state;
    memset(deep, '[', 33);
    expect_refused(deep, &br_json_config_limits, "nested more than 32 deep");
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    deep[64] = '\0';
    assert_int_equal(br_json_read_text(&br_json_config_limits, "x", deep, 64, &json), BR_OK);
    br_json_close(&json);
    wide[n++] = '[';
    for (int i = 0; i < 10001; i++) {
        wide[n++] = '1';
        wide[n++] = ',';
    }
    wide[n - 1] = ']';
    expect_refused(wide, &br_json_config_limits, "too many values");
    expect_refused("[1,2,3,4,5,6,7,8,9,10]", &data, "too many values");
    memset(deep, ' ', 150);
    deep[150] = '\0';
    expect_refused(deep, &data, "found 150 bytes, at most 100");
}

/* Equal keys in different objects are fine, and a wide object is read in no time. */
static void test_keys(void **state)
{
    static const char    nested[] = "{\"a\": {\"a\": [{\"a\": 1}, {\"a\": 2}]}, \"\\u0062\": {}}";
    static char          wide[200000 * 14];
    const br_json_limits data = {BR_E_INPUT, sizeof wide, 200001};
    size_t               n    = 0;
    br_json             *json = NULL;

    (void)state;
    assert_int_equal(
        br_json_read_text(&br_json_config_limits, "x", nested, sizeof nested - 1, &json), BR_OK);
    assert_non_null(br_json_member(br_json_root(json), "b"));
    br_json_close(&json);
    for (int i = 0; i < 200000; i++)
        n += (size_t)snprintf(wide + n, sizeof wide - n, "%s\"k%d\":1", i == 0 ? "{" : ",", i);
    wide[n++] = '}';
    assert_int_equal(br_json_read_text(&data, "x", wide, n, &json), BR_OK);
    assert_int_equal(br_json_count(br_json_root(json)), 200000);
    br_json_close(&json);
    memcpy(strstr(wide, "\"k10\""), "\"k11\"", 5);
    assert_int_equal(br_json_read_text(&data, "x", wide, n, &json), BR_E_INPUT);
}

static void test_values(void **state)
{
    static const char   text[] = "{\"a\": [1, -2.5, 9007199254740992, 9007199254740994, 1.5], "
                                 "\"s\": \"\\u00e9\\n\\ud83d\\ude00\", \"t\": true, \"n\": null}";
    br_json            *json   = NULL;
    const br_json_node *root, *a;
    int64_t             whole;

    (void)state;
    assert_int_equal(br_json_read_text(&br_json_config_limits, "x", text, sizeof text - 1, &json),
                     BR_OK);
    root = br_json_root(json);
    assert_int_equal(br_json_type_of(root), BR_JSON_OBJECT);
    assert_int_equal(br_json_count(root), 4);
    a = br_json_first(br_json_member(root, "a"));
    assert_true(br_json_integer(a, &whole) && whole == 1);
    a = br_json_next(a);
    assert_true(br_json_number(a) == -2.5 && !br_json_integer(a, &whole));
    a = br_json_next(a);
    assert_true(br_json_integer(a, &whole) && whole == 9007199254740992);
    a = br_json_next(a);
    assert_false(br_json_integer(a, &whole));
    assert_string_equal(br_json_string(br_json_member(root, "s")), "\xc3\xa9\n\xf0\x9f\x98\x80");
    assert_true(br_json_bool(br_json_member(root, "t")));
    assert_int_equal(br_json_type_of(br_json_member(root, "n")), BR_JSON_NULL);
    assert_null(br_json_member(root, "A"));
    assert_true(isnan(br_json_number(br_json_member(root, "t"))));
    br_json_close(&json);
}

/* Random edits of good texts: no crash, and the scan never accepts what cJSON refuses. */
static void test_random_edits(void **state)
{
    static const char seed_text[] = "{\"input\": {\"k\": [1, 2.5e3, \"a\\u00e9\"], \"b\": true}}";
    static const char bytes[]     = "{}[]\",:0123456789.eE+-\\untrfalse \n\xc3\xa9";
    uint64_t          random      = 88172645463325252u;
    int64_t           n_accepted  = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char     text[sizeof seed_text];
        br_json *json = NULL;

        memcpy(text, seed_text, sizeof text);
        for (int edit = 0; edit < 1 + i % 3; edit++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            text[random % (sizeof text - 1)] = bytes[(random >> 20) % (sizeof bytes - 1)];
        }
        if (br_json_read_text(&br_json_config_limits, "x", text, sizeof text - 1, &json) == BR_OK)
            n_accepted++;
        else
            assert_null(strstr(br_error_last()->text, "cJSON refuses"));
        br_json_close(&json);
    }
    assert_true(n_accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_texts),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_keys),         cmocka_unit_test(test_values),
        cmocka_unit_test(test_random_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
