/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration: every problem is named, all at once; what is read can be written and read again;
 * the committed schema is the one the table makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/config/config.h"

#define GOOD                                                                                       \
    "\"input\": {\"customers\": \"c.h5\", \"catalogue\": \"i.h5\"}, \"output\": {\"path\": "       \
    "\"run\"}"

typedef struct bad_config {
    const char *text;
    const char *message;
} bad_config;

static const bad_config bad[] = {
    {"[]", "found an array, expected an object"},
    {"3", "found a number, expected an object"},
    {"{}", "input.customers: is missing"},
    {"{}", "input.catalogue: is missing"},
    {"{}", "output.path: is missing"},
    {"{" GOOD ", \"lst\": {}}", "lst: unknown key"},
    {"{" GOOD ", \"list\": 3}", "list: found a number, expected an object"},
    {"{" GOOD ", \"list\": {\"K\": 3}}", "list.K: unknown key, did you mean list.k"},
    {"{" GOOD ", \"run\": {\"thread\": 3}}", "run.thread: unknown key, did you mean run.threads"},
    {"{" GOOD ", \"list\": {\"k\": 0}}", "list.k: found 0, expected a whole number in [1, 1024]"},
    {"{" GOOD ", \"list\": {\"k\": 1025}}", "list.k: found 1025"},
    {"{" GOOD ", \"list\": {\"k\": 2.5}}", "list.k: found 2.5"},
    {"{" GOOD ", \"list\": {\"k\": 1e300}}", "list.k: found 1e+300"},
    {"{" GOOD ", \"list\": {\"k\": \"10\"}}", "list.k: found a string, expected a whole number"},
    {"{" GOOD ", \"list\": {\"k\": null}}", "list.k: found null"},
    {"{" GOOD ", \"list\": {\"k\": [10]}}", "list.k: found an array"},
    {"{" GOOD ", \"list\": {\"fallback\": \"random\"}}",
     "list.fallback: found \"random\", expected none|popularity"},
    {"{" GOOD ", \"list\": {\"channel\": 3}}", "list.channel: found a number, expected a string"},
    {"{" GOOD ", \"list\": {\"exclude_history\": \"buy\"}}", "expected an array of strings"},
    {"{" GOOD ", \"list\": {\"exclude_history\": [\"a\", \"a\"]}}", "\"a\" is there twice"},
    {"{" GOOD ", \"list\": {\"exclude_history\": [3]}}", "element 0: found a number"},
    {"{" GOOD ", \"list\": {\"exclude_history\": [\"\"]}}", "expected a string that is not empty"},
    {"{" GOOD ", \"list\": {\"probabilities\": 1}}", "found a number, expected true or false"},
    {"{" GOOD ", \"list\": {\"probabilities\": false, \"heads\": [\"a\"]}}", "names heads, but"},
    {"{" GOOD ", \"list\": {\"fallback\": \"none\", \"fallback_modality\": \"a\"}}",
     "list.fallback_modality: is set, but list.fallback is none"},
    {"{" GOOD ", \"run\": {\"backend\": \"gpu\"}}", "expected auto|ref|cpu|cuda"},
    {"{" GOOD ", \"run\": {\"threads\": -1}}", "run.threads: found -1"},
    {"{" GOOD ", \"run\": {\"as_of\": \"yesterday\"}}", "run.as_of: found \"yesterday\""},
    {"{" GOOD ", \"run\": {\"as_of\": \"2017-02-30\"}}", "run.as_of: found \"2017-02-30\""},
    {"{" GOOD ", \"run\": {\"as_of\": \"2017-13-01\"}}", "run.as_of: found"},
    {"{" GOOD ", \"run\": {\"as_of\": -1}}", "run.as_of: found \"-1\""},
    {"{" GOOD ", \"run\": {\"as_of\": 1512086400000}}", "seconds since 1970, before 2200"},
    {"{" GOOD ", \"run\": {\"as_of\": \"2200-01-01\"}}", "run.as_of: found \"2200-01-01\""},
    {"{" GOOD ", \"run\": {\"as_of\": 1.5}}", "run.as_of: found a number, expected a string"},
    {"{" GOOD ", \"run\": {\"unit_customers\": 65537}}", "expected a whole number in [1, 65536]"},
    {"{" GOOD ", \"run\": {\"memory_limit_bytes\": \"4 GB\"}}", "expected bytes such as"},
    {"{" GOOD ", \"run\": {\"memory_limit_bytes\": \"99999999999TiB\"}}", "expected bytes such as"},
    {"{" GOOD ", \"log\": {\"level\": \"loud\"}}", "expected error|warn|info|debug"},
    {"{\"input\": {\"customers\": \"\", \"catalogue\": \"i\"}, \"output\": {\"path\": \"r\"}}",
     "input.customers: is missing"},
    {"{\"input\": {\"customers\": 3, \"catalogue\": \"i\"}, \"output\": {\"path\": \"r\"}}",
     "input.customers: found a number, expected a string"},
    {"{\"input\": {\"customers\": \"a/c.h5\", \"catalogue\": \"i\"}, \"output\": {\"path\": "
     "\"a\"}}",
     "are one inside the other"},
    {"{\"input\": {\"customers\": \"c\", \"catalogue\": \"i\", \"model\": \"m\"}, "
     "\"output\": {\"path\": \"m/run\"}}",
     "are one inside the other"},
    {"{\"input\": {\"customers\": \"c\", \"catalogue\": \"i\"}, \"output\": {\"path\": \"c\"}}",
     "are one inside the other"},
    {"{" GOOD ", \"list\": {\"k\": 0}, \"run\": {\"threads\": 999}, \"x\": 1}", "run.threads"},
};

static br_status read_and_check(const char *text, br_config **out)
{
    br_status st = br_config_parse("job.json", text, "/tmp", out);

    return st == BR_OK ? br_config_check(*out) : st;
}

static void test_bad_configs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        br_config *config = NULL;

        if (read_and_check(bad[i].text, &config) != BR_E_USAGE ||
            strstr(br_error_last()->text, bad[i].message) == NULL)
            fail_msg("%s: found '%s', expected '%s'", bad[i].text, br_error_last()->text,
                     bad[i].message);
        br_config_close(&config);
    }
}

static void test_all_problems_at_once(void **state)
{
    br_config *config = NULL;

    (void)state;
    assert_int_equal(read_and_check(bad[sizeof bad / sizeof *bad - 1].text, &config), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "list.k: found 0"));
    assert_non_null(strstr(br_error_last()->text, "\n  run.threads: found 999"));
    assert_non_null(strstr(br_error_last()->text, "\n  x: unknown key"));
    br_config_close(&config);
}

/* A path is refused, not cut. */
static void test_long_path(void **state)
{
    static char text[8192], name[5001];
    br_config  *config = NULL;

    (void)state;
    memset(name, 'a', sizeof name - 1);
    (void)snprintf(text, sizeof text,
                   "{\"input\": {\"customers\": \"%s\", \"catalogue\": \"i.h5\"}, "
                   "\"output\": {\"path\": \"run\"}}",
                   name);
    assert_int_equal(read_and_check(text, &config), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text,
                           "input.customers: found a path of 5005 bytes (with its folder), "
                           "expected fewer than 4096"));
    assert_null(strstr(br_error_last()->text, "is missing"));
    br_config_close(&config);
}

/* A word of another section inside a problem does not hide that section's problems. */
static void test_every_section(void **state)
{
    static const char text[] = "{" GOOD ", \"run\": {\"as_of\": \"list. \"}, \"list\": "
                               "{\"probabilities\": false, \"heads\": [\"a\"]}}";
    br_config        *config = NULL;

    (void)state;
    assert_int_equal(read_and_check(text, &config), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "run.as_of: found \"list. \""));
    assert_non_null(strstr(br_error_last()->text, "\n  list.heads: names heads, but"));
    br_config_close(&config);
}

static void test_good_config(void **state)
{
    static const char text[] =
        "{\"$schema\": \"x\", " GOOD ", \"list\": {\"k\": 50, \"heads\": [\"buy\"]}, "
        "\"run\": {\"as_of\": \"2017-12-01T08:30:00Z\", \"memory_limit_bytes\": \"4GiB\"}}";
    br_config *config = NULL, *again = NULL;
    char      *dump = NULL, *second = NULL;

    (void)state;
    assert_int_equal(read_and_check(text, &config), BR_OK);
    assert_int_equal(config->list_k, 50);
    assert_int_equal(config->run_as_of, 1512117000);
    assert_int_equal(config->run_memory_limit_bytes, (int64_t)4 << 30);
    assert_true(br_config_has(&config->list_heads, "buy"));
    assert_int_equal(config->list_fallback, BR_FALLBACK_POPULARITY);
    assert_string_equal(config->input_customers, "/tmp/c.h5");
    assert_int_equal(br_config_dump(config, &dump), BR_OK);
    assert_int_equal(read_and_check(dump, &again), BR_OK);
    assert_int_equal(br_config_dump(again, &second), BR_OK);
    assert_string_equal(dump, second);
    br_free(&dump);
    br_free(&second);
    br_config_close(&again);
    br_config_close(&config);
}

static void test_set(void **state)
{
    br_config *config = NULL;

    (void)state;
    assert_int_equal(br_config_parse("x", "{" GOOD "}", "/tmp", &config), BR_OK);
    assert_int_equal(br_config_set(config, "list.k=7"), BR_OK);
    assert_int_equal(br_config_set(config, "list.exclude_history=[\"a\", \"b\"]"), BR_OK);
    assert_int_equal(br_config_set(config, "run.backend=ref"), BR_OK);
    assert_int_equal(br_config_set(config, "run.as_of=2017-12-01"), BR_OK);
    assert_int_equal(br_config_set(config, "run.as_of=12"), BR_OK);
    assert_int_equal(br_config_set(config, "input.model=/m"), BR_OK);
    assert_int_equal(br_config_check(config), BR_OK);
    assert_int_equal(config->list_k, 7);
    assert_int_equal(config->list_exclude_history.n, 2);
    assert_int_equal(config->run_as_of, 12);
    assert_string_equal(config->input_model, "/m");
    assert_int_equal(br_config_set(config, "list.k"), BR_E_USAGE);
    assert_int_equal(br_config_set(config, "=3"), BR_E_USAGE);
    assert_int_equal(br_config_set(config, "list.k=x"), BR_OK);
    assert_int_equal(br_config_set(config, "list.kk=3"), BR_OK);
    assert_int_equal(br_config_set(config, "list.heads=buy"), BR_OK);
    assert_int_equal(br_config_set(config, "output.gates=yes"), BR_OK);
    assert_int_equal(br_config_check(config), BR_E_USAGE);
    assert_non_null(
        strstr(br_error_last()->text, "list.k: found \"x\", expected a whole number in"));
    assert_non_null(strstr(br_error_last()->text,
                           "list.heads: found \"buy\", expected names: [\"one\", \"two\"]"));
    assert_non_null(strstr(br_error_last()->text, "found \"yes\", expected true or false"));
    assert_non_null(strstr(br_error_last()->text, "list.kk: unknown key, did you mean list.k"));
    br_config_close(&config);
}

static void test_files(void **state)
{
    br_config *config = NULL;

    (void)state;
    assert_int_equal(br_config_read("/nonexistent/job.json", &config), BR_E_IO);
    assert_int_equal(br_config_read("/tmp", &config), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "found a folder, expected a file"));
    assert_int_equal(br_config_read("/dev/null", &config), BR_E_IO);
}

static void test_schema_is_committed(void **state)
{
    char *schema           = NULL;
    char  committed[65536] = {0};
    FILE *file             = fopen("configs/batchrank.schema.json", "r");

    (void)state;
    assert_non_null(file);
    assert_true(fread(committed, 1, sizeof committed - 1, file) > 0);
    (void)fclose(file);
    assert_int_equal(br_config_schema(&schema), BR_OK);
    assert_string_equal(schema, committed);
    br_free(&schema);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_configs), cmocka_unit_test(test_all_problems_at_once),
        cmocka_unit_test(test_good_config), cmocka_unit_test(test_set),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_schema_is_committed),
        cmocka_unit_test(test_long_path),   cmocka_unit_test(test_every_section),
    };
    char *schema = NULL;

    if (argc == 2 && strcmp(argv[1], "--print-schema") == 0) {
        if (br_config_schema(&schema) != BR_OK)
            return 1;
        (void)fputs(schema, stdout);
        br_free(&schema);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
