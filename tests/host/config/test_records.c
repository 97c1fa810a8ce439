/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays of records: every kind of key inside a record can be set, printed and freed; a problem is
 * named by its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/config/table.h"

/* clang-format off */
#define INNER_KEYS(X) \
    X(INT, "n", n, "7", 0, 9, 0, "help", "") \
    X(NUMBERS, "at", at, "[0.25]", -1, 1, 0, "help", "")

#define SAMPLE_KEYS(X) \
    X(TEXT, "name", name, "", 0, 0, BR_KEY_REQUIRED, "help", "") \
    X(PATH, "file", file, "", 0, 0, 0, "help", "") \
    X(NAMES, "heads", heads, "[]", 0, 0, 0, "help", "") \
    X(BOOL, "is_on", is_on, "true", 0, 0, 0, "help", "") \
    X(INT, "count", count, "3", 1, 9007199254740992, 0, "help", "") \
    X(NUMBER, "weight", weight, "", -2.5, 1e300, BR_KEY_REQUIRED, "help", "") \
    X(NUMBERS, "prices", prices, "[1, 0.5]", 0, 100, 0, "help", "") \
    X(SIZE, "bytes", bytes, "0", 0, 0, 0, "help", "") \
    X(TIME, "since", since, "", 0, 0, 0, "help", "") \
    X(CHOICE, "kind", kind, "b", 0, 0, 0, "help", "a|b|c") \
    X(OBJECTS, "inner", inner, "[]", 0, 2, 0, "help", inner)
/* clang-format on */

BR_RECORD_TYPES(inner, INNER_KEYS)
BR_RECORD_DECLARE(inner, INNER_KEYS)
BR_RECORD_TYPES(sample, SAMPLE_KEYS)
BR_RECORD_DECLARE(sample, SAMPLE_KEYS)
#define BR_BASE br_config_inner
BR_RECORD_TABLE(inner, INNER_KEYS);
#undef BR_BASE
#define BR_BASE br_config_sample
BR_RECORD_TABLE(sample, SAMPLE_KEYS);
#undef BR_BASE

static const br_key key = {.kind   = BR_KIND_OBJECTS,
                           .name   = "test.samples",
                           .def    = "[]",
                           .hi     = 3,
                           .record = &br_record_sample};

typedef struct world {
    br_config            *config;
    br_config_sample_list list;
    br_target             target;
} world;

static int set_up(void **state)
{
    world *w = NULL;

    assert_int_equal(br_alloc(1, sizeof *w, "world", (void **)&w), BR_OK);
    assert_int_equal(br_config_parse("x", "{}", "/tmp", &w->config), BR_OK);
    w->target = (br_target){w->config, &key, &w->list, key.name};
    *state    = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;

    br_key_clear(&key, &w->list);
    br_config_close(&w->config);
    br_free(state);
    return 0;
}

static void expect_print(const world *w, const char *expected)
{
    br_strbuf text = {0};

    br_key_print(&key, &w->list, &text);
    assert_string_equal(text.data, expected);
    br_strbuf_free(&text);
}

static void test_defaults(void **state)
{
    world *w = *state;

    assert_int_equal(br_key_set_text(&w->target, "[{\"name\": \"a\", \"weight\": 1}]"), BR_OK);
    assert_null(w->config->problems.data);
    assert_int_equal(w->list.n, 1);
    assert_string_equal(w->list.item[0].file, "");
    assert_true(w->list.item[0].is_on);
    assert_int_equal(w->list.item[0].count, 3);
    assert_int_equal(w->list.item[0].prices.n, 2);
    assert_true(w->list.item[0].prices.item[1] == 0.5);
    assert_int_equal(w->list.item[0].kind, 1);
    assert_int_equal(w->list.item[0].since, INT64_MAX);
    for (int32_t i = 0; i < br_record_sample.n_keys; i++)
        if (!(br_record_sample.key[i].flags & BR_KEY_REQUIRED))
            assert_true(br_key_is_default(&br_record_sample.key[i], &w->list.item[0]));
    assert_false(br_key_is_default(br_record_find(&br_record_sample, "name"), &w->list.item[0]));
    w->list.item[0].count = 4;
    assert_false(br_key_is_default(br_record_find(&br_record_sample, "count"), &w->list.item[0]));
}

static void test_every_kind(void **state)
{
    static const char text[] =
        "[{\"name\": \"a \\\"b\\\"\", \"file\": \"/x/y\", \"heads\": [\"p\", \"q\"], "
        "\"is_on\": false, \"count\": 9007199254740992, \"weight\": 0.1, "
        "\"prices\": [1e-300, 33.333333333333336, -0.0], \"bytes\": 4096, \"since\": 12, "
        "\"kind\": \"c\", \"inner\": [{\"n\": 0, \"at\": []}, {\"n\": 9, \"at\": [-1, 1]}]}, "
        "{\"name\": \"z\", \"file\": \"\", \"heads\": [], \"is_on\": true, \"count\": 1, "
        "\"weight\": 1e+300, \"prices\": [], \"bytes\": 0, \"since\": \"\", \"kind\": \"a\", "
        "\"inner\": []}]";
    static const char printed[] =
        "[{\"name\": \"a \\\"b\\\"\", \"file\": \"/x/y\", \"heads\": [\"p\", \"q\"], "
        "\"is_on\": false, \"count\": 9007199254740992, \"weight\": 0.1, "
        "\"prices\": [1e-300, 33.333333333333336, -0], \"bytes\": 4096, \"since\": 12, "
        "\"kind\": \"c\", \"inner\": [{\"n\": 0, \"at\": []}, {\"n\": 9, \"at\": [-1, 1]}]}, "
        "{\"name\": \"z\", \"file\": \"\", \"heads\": [], \"is_on\": true, \"count\": 1, "
        "\"weight\": 1e+300, \"prices\": [], \"bytes\": 0, \"since\": \"\", \"kind\": \"a\", "
        "\"inner\": []}]";
    world *w = *state;

    assert_int_equal(br_key_set_text(&w->target, text), BR_OK);
    assert_null(w->config->problems.data);
    expect_print(w, printed);
    assert_int_equal(br_key_set_text(&w->target, printed), BR_OK);
    expect_print(w, printed);
    assert_int_equal(br_key_set_text(&w->target, "[]"), BR_OK);
    expect_print(w, "[]");
}

#define SAMPLE "\"name\": \"a\", \"weight\": 1"

static const struct {
    const char *text;
    const char *problems; /* all of them */
} bad[] = {
    {"3", "test.samples: found a number, expected an array of objects"},
    {"{}", "test.samples: found an object, expected an array of objects"},
    {"[{\"name\": ]", "test.samples: found \"[{\"name\": ]\", expected objects: "
                      "[{\"key\": \"value\"}]"},
    {"[{\"name\": \"a\", \"weight\": NaN}]",
     "test.samples: found \"[{\"name\": \"a\", \"weight\": NaN}]\", expected objects: "
     "[{\"key\": \"value\"}]"},
    {"[3, null]", "test.samples[0]: found a number, expected an object\n  "
                  "test.samples[1]: found null, expected an object"},
    {"[{}]", "test.samples[0].name: is missing\n  test.samples[0].weight: is missing"},
    {"[{\"name\": \"\", \"weight\": 0}]", "test.samples[0].name: is missing"},
    {"[{\"name\": 3, \"weight\": 0}]", "test.samples[0].name: found a number, expected a string"},
    {"[{" SAMPLE ", \"wieght\": 3}]", "test.samples[0].wieght: unknown key, did you mean weight"},
    {"[{" SAMPLE ", \"qqqqqqqqqqqqqq\": 3}]", "test.samples[0].qqqqqqqqqqqqqq: unknown key"},
    {"[{" SAMPLE ", \"name.x\": 3}]", "test.samples[0].name.x: unknown key, did you mean name"},
    {"[{\"name\": \"a\", \"weight\": -2.6}]",
     "test.samples[0].weight: found -2.6, expected a number in [-2.5, 1e+300]"},
    {"[{\"name\": \"a\", \"weight\": 1e301}]",
     "test.samples[0].weight: found 1e+301, expected a number in [-2.5, 1e+300]"},
    {"[{\"name\": \"a\", \"weight\": \"1\"}]",
     "test.samples[0].weight: found a string, expected a number in [-2.5, 1e+300]"},
    {"[{\"name\": \"a\", \"weight\": null}]",
     "test.samples[0].weight: found null, expected a number in [-2.5, 1e+300]"},
    {"[{" SAMPLE ", \"count\": 1.5}]",
     "test.samples[0].count: found 1.5, expected a whole number in [1, 9007199254740992]"},
    {"[{" SAMPLE ", \"prices\": 1}]",
     "test.samples[0].prices: found a number, expected an array of numbers"},
    {"[{" SAMPLE ", \"prices\": [1, 100.5, 2, \"x\"]}]",
     "test.samples[0].prices[1]: found 100.5, expected a number in [0, 100]\n  "
     "test.samples[0].prices[3]: found a string, expected a number in [0, 100]"},
    {"[{" SAMPLE ", \"prices\": [1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,"
     "1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]}]",
     "test.samples[0].prices: found 65 numbers, at most 64"},
    {"[{" SAMPLE ", \"heads\": [\"a\", \"a\"]}]", "test.samples[0].heads: \"a\" is there twice"},
    {"[{" SAMPLE ", \"is_on\": 1}]",
     "test.samples[0].is_on: found a number, expected true or false"},
    {"[{" SAMPLE ", \"kind\": \"d\"}]", "test.samples[0].kind: found \"d\", expected a|b|c"},
    {"[{" SAMPLE ", \"since\": \"then\"}]",
     "test.samples[0].since: found \"then\", expected \"2017-12-01\", "
     "\"2017-12-01T08:30:00Z\" or seconds since 1970, before 2200"},
    {"[{" SAMPLE "}, {\"name\": \"b\", \"weight\": 1}, {" SAMPLE "}]",
     "test.samples[2].name: \"a\" is there twice"},
    {"[{}, {}, {}, {}]", "test.samples: found 4 objects, at most 3"},
    {"[{" SAMPLE ", \"inner\": [{\"n\": 1}, {\"n\": 10, \"on\": 2}]}]",
     "test.samples[0].inner[1].n: found 10, expected a whole number in [0, 9]\n  "
     "test.samples[0].inner[1].on: unknown key, did you mean n"},
};

static void test_problems(void **state)
{
    world *w = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        br_strbuf_free(&w->config->problems);
        assert_int_equal(br_key_set_text(&w->target, bad[i].text), BR_OK);
        assert_non_null(w->config->problems.data);
        assert_string_equal(w->config->problems.data, bad[i].problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_problems, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
