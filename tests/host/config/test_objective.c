/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `objective`: what is read, and the combinations that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/config/config.h"

#define GOOD                                                                                       \
    "\"input\": {\"customers\": \"c.h5\", \"catalogue\": \"i.h5\"}, \"output\": {\"path\": "       \
    "\"run\"}"

#define TERM       "{\"name\": \"buy\", \"head\": \"buy\", \"weight\": 2.5, \"value\": \"margin\"}"
#define REPETITION "{\"name\": \"seen\", \"type\": \"repetition\", \"weight\": 0.5"
#define LOW_VALUE  "{\"name\": \"cheap\", \"type\": \"low_value\", \"weight\": 1"

static br_status read_objective(const char *objective, br_config **out)
{
    char      text[8192];
    br_status st;

    (void)snprintf(text, sizeof text, "{" GOOD ", \"objective\": {%s}}", objective);
    st = br_config_parse("job.json", text, "/tmp", out);
    return st == BR_OK ? br_config_check(*out) : st;
}

static void test_good(void **state)
{
    static const char *const good[] = {
        "",
        "\"type\": \"score\", \"terms\": []",
        "\"type\": \"linear\", \"terms\": [{\"name\": \"s\", \"weight\": -1}]",
        "\"type\": \"linear\", \"top\": 1, \"terms\": [" TERM "]",
        "\"type\": \"expected_value\", \"terms\": [" TERM "], \"top\": 10",
        "\"penalties\": [" REPETITION "}]",
        "\"penalties\": [" REPETITION ", \"half_life_days\": 3.5, \"timeline\": \"mail\"}, "
        "" LOW_VALUE ", \"value\": \"margin\", \"floor\": -0.5}]",
        "\"penalties\": [" LOW_VALUE ", \"value\": \"margin\", \"half_life_days\": 14.0}]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        br_config *config = NULL;

        if (read_objective(good[i], &config) != BR_OK)
            fail_msg("%s: %s", good[i], br_error_last()->text);
        br_config_close(&config);
    }
}

#define BYTES_21 "margins of the brands"
#define BYTES_63 BYTES_21 BYTES_21 BYTES_21

static void test_bad(void **state)
{
    static const struct {
        const char *objective;
        const char *problems; /* all of them */
    } bad[] = {
        {"\"terms\": [" TERM "]",
         "objective.terms: is set, but objective.type is score; expected linear or expected_value"},
        {"\"type\": \"linear\"", "objective.terms: is empty, but objective.type is linear"},
        {"\"type\": \"expected_value\"",
         "objective.terms: is empty, but objective.type is expected_value"},
        {"\"type\": \"expected_value\", \"terms\": [" TERM ", {\"name\": \"s\", \"weight\": 1}]",
         "objective.terms[1].head: is missing: expected_value adds up probabilities"},
        {"\"type\": \"expected_value\", \"top\": 9, \"terms\": [" TERM "]",
         "objective.top: found 9, expected at least list.k = 10"},
        {"\"top\": 1025", "objective.top: found 1025, expected a whole number in [1, 1024]"},
        {"\"penalties\": [" LOW_VALUE "}]",
         "objective.penalties[0].value: is missing: low_value compares a column with the floor"},
        {"\"penalties\": [" LOW_VALUE ", \"value\": \"m\", \"timeline\": \"t\"}]",
         "objective.penalties[0].timeline: is set, but the penalty's type is low_value"},
        {"\"penalties\": [" LOW_VALUE ", \"value\": \"m\", \"half_life_days\": 7}]",
         "objective.penalties[0].half_life_days: is set, but the penalty's type is low_value"},
        {"\"penalties\": [" REPETITION ", \"value\": \"m\", \"floor\": 1}]",
         "objective.penalties[0].value: is set, but the penalty's type is repetition\n  "
         "objective.penalties[0].floor: is set, but the penalty's type is repetition"},
        {"\"penalties\": [" REPETITION ", \"half_life_days\": 0}]",
         "objective.penalties[0].half_life_days: found 0, expected a number in [0.001, 36500]"},
        {"\"penalties\": [{\"name\": \"a\"}]",
         "objective.penalties[0].type: is missing\n  objective.penalties[0].weight: is missing"},
        {"\"penalties\": [{\"name\": \"a\", \"type\": \"other\", \"weight\": -1}]",
         "objective.penalties[0].type: found \"other\", expected repetition|low_value\n  "
         "objective.penalties[0].weight: found -1, expected a number in [0, 1000000]"},
        {"\"type\": \"linear\", \"terms\": [{\"name\": \"seen\", \"weight\": 1}], "
         "\"penalties\": [" REPETITION "}]",
         "objective.penalties[0].name: \"seen\" is the name of a term too"},
        {"\"type\": \"linear\", \"terms\": [{\"name\": \"a/b\", \"weight\": 1}]",
         "objective.terms[0].name: found \"a/b\", expected at most 63 bytes without \"/\" that do "
         "not begin with \".\""},
        {"\"type\": \"linear\", \"terms\": [{\"name\": \"" BYTES_63 "\", \"weight\": 1}, "
         "{\"name\": \"" BYTES_63 "x\", \"weight\": 1}]",
         "objective.terms[1].name: found \"" BYTES_63 "x\", expected at most 63 bytes without "
         "\"/\" that do not begin with \".\""},
        {"\"type\": \"linear\", \"terms\": [" TERM "," TERM "]",
         "objective.terms[1].name: \"buy\" is there twice"},
        {"\"type\": \"linear\", \"terms\": [" TERM ", {\"name\": \"b\", \"wieght\": 1}]",
         "objective.terms[1].wieght: unknown key, did you mean weight\n  "
         "objective.terms[1].weight: is missing"},
        {"\"type\": \"linear\", \"terms\": "
         "[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]",
         "objective.terms: found 17 objects, at most 16"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        br_config  *config = NULL;
        static char expected[1024];

        (void)snprintf(expected, sizeof expected, "configuration:\n  %s", bad[i].problems);
        assert_int_equal(read_objective(bad[i].objective, &config), BR_E_USAGE);
        assert_string_equal(br_error_last()->text, expected);
        br_config_close(&config);
    }
}

static void test_fields_and_dump(void **state)
{
    br_config *config = NULL, *again = NULL;
    char      *dump = NULL, *second = NULL;

    (void)state;
    assert_int_equal(read_objective("\"type\": \"expected_value\", \"top\": 100, \"terms\": [" TERM
                                    "], \"penalties\": [" REPETITION "}, " LOW_VALUE
                                    ", \"value\": \"margin\", \"floor\": 0.1}]",
                                    &config),
                     BR_OK);
    assert_int_equal(config->objective_type, BR_OBJECTIVE_EXPECTED_VALUE);
    assert_int_equal(config->objective_top, 100);
    assert_int_equal(config->objective_terms.n, 1);
    assert_string_equal(config->objective_terms.item[0].head, "buy");
    assert_true(config->objective_terms.item[0].weight == 2.5);
    assert_string_equal(config->objective_terms.item[0].value, "margin");
    assert_int_equal(config->objective_penalties.n, 2);
    assert_int_equal(config->objective_penalties.item[0].type, BR_PENALTY_REPETITION);
    assert_true(config->objective_penalties.item[0].half_life_days == 14);
    assert_int_equal(config->objective_penalties.item[1].type, BR_PENALTY_LOW_VALUE);
    assert_true(config->objective_penalties.item[1].floor == 0.1);
    assert_int_equal(br_config_dump(config, &dump), BR_OK);
    assert_int_equal(br_config_parse("dump", dump, "/", &again), BR_OK);
    assert_int_equal(br_config_check(again), BR_OK);
    assert_int_equal(br_config_dump(again, &second), BR_OK);
    assert_string_equal(dump, second);
    br_free(&dump);
    assert_int_equal(br_config_dump_shaping(again, &dump), BR_OK);
    assert_non_null(strstr(dump, "\"objective.type\": \"expected_value\""));
    assert_non_null(strstr(dump, "\"objective.terms\": [" TERM "]"));
    assert_non_null(strstr(dump, "\"floor\": 0.1}]"));
    br_free(&dump);
    br_free(&second);
    br_config_close(&again);
    br_config_close(&config);
}

static void test_set(void **state)
{
    br_config *config = NULL;

    (void)state;
    assert_int_equal(read_objective("\"type\": \"linear\", \"terms\": [" TERM "]", &config), BR_OK);
    assert_int_equal(
        br_config_set(config, "objective.terms=[{\"name\": \"s\", \"weight\": 3}, " TERM "]"),
        BR_OK);
    assert_int_equal(br_config_check(config), BR_OK);
    assert_int_equal(config->objective_terms.n, 2);
    assert_true(config->objective_terms.item[0].weight == 3);
    assert_int_equal(br_config_set(config, "objective.terms=buy"), BR_OK);
    assert_int_equal(br_config_set(config, "objective.penalties=[{\"nam\": 1}]"), BR_OK);
    assert_int_equal(br_config_check(config), BR_E_USAGE);
    assert_string_equal(
        br_error_last()->text,
        "configuration:\n  "
        "objective.terms: found \"buy\", expected objects: [{\"key\": \"value\"}]\n  "
        "objective.penalties[0].nam: unknown key, did you mean name\n  "
        "objective.penalties[0].name: is missing\n  "
        "objective.penalties[0].type: is missing\n  "
        "objective.penalties[0].weight: is missing");
    br_config_close(&config);
}

static void test_help(void **state)
{
    char  *text    = NULL;
    size_t n_bytes = 0;
    FILE  *out     = open_memstream(&text, &n_bytes);

    (void)state;
    assert_non_null(out);
    br_config_print_help(out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\n  list.k  (int 1..1024, default 10)\n      items per list\n"));
    assert_non_null(strstr(text, "\n  objective.terms  (at most 16 objects, default [])\n"));
    assert_non_null(strstr(text, "\n        weight  (number -1000000..1000000, required)\n"
                                 "            factor of the term"));
    assert_non_null(strstr(text, "\n        half_life_days  (number 0.001..36500, default 14)\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_fields_and_dump),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
