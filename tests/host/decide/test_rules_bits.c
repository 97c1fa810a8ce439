/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules as bits: how many they take, when there are too many, what is refused at load, and which
 * columns must be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/rules/rules.h"

#define MANY  1000
#define ITEMS 3000

static char        name_text[MANY][8];
static const char *names[MANY];
static int32_t     code_N[ITEMS];
static float       price_N[ITEMS];
static uint64_t    require_N[ITEMS], segment_N[ITEMS], have_B[MANY];
static uint8_t     reason_N[ITEMS];
static int32_t     code_B[MANY];
static float       age_B[MANY];

static br_column customer_column[] = {
    {.name = "static.region", .kind = BR_COLUMN_CATEGORY, .names_C = names, .category_B = code_B},
    {.name = "age", .kind = BR_COLUMN_NUMBER, .number_B = age_B},
    {.name = "segment", .kind = BR_COLUMN_BITS},
    {.name = "static.gender", .kind = BR_COLUMN_CATEGORY, .denied_by = "governance.denied"},
};
static br_column item_column[] = {
    {.name = "group.region", .kind = BR_COLUMN_CATEGORY, .names_C = names, .category_B = code_N},
    {.name = "price", .kind = BR_COLUMN_NUMBER, .number_B = price_N},
    {.name = "key", .kind = BR_COLUMN_KEY, .key_bytes = 4},
};
static const br_columns customers = {"customer", 4, customer_column};
static const br_columns items     = {"item", 3, item_column};

/* Names "0" .. and a row for each; `n` of them. */
static void set_names(int32_t n)
{
    for (int32_t c = 0; c < MANY; c++) {
        (void)snprintf(name_text[c], sizeof name_text[c], "%d", c);
        names[c]  = name_text[c];
        code_B[c] = c < n ? c : -1;
        age_B[c]  = (float)c;
    }
    for (int32_t i = 0; i < ITEMS; i++) {
        code_N[i]  = i % (n + 1) - 1;
        price_N[i] = (float)i;
    }
    customer_column[0].n_names = item_column[0].n_names = n;
}

static int n_bits(uint64_t bits)
{
    return __builtin_popcountll(bits);
}

static br_status compile_items(const br_rule *rule_R, int32_t n_rules, br_rules **rules)
{
    br_status st = br_rules_compile(rule_R, n_rules, &customers, &items, rules);

    if (st == BR_OK)
        st = br_rules_items(*rules, &items, ITEMS, segment_N, require_N, reason_N);
    return st;
}

/* A match of n categories takes the fewest bits; every customer gets their own category alone. */
static void test_match(void **state)
{
    static const int32_t n_names[] = {1, 2, 3, 4, 6, 7, 20, 21, 252, 253, 924, 925};
    static const int     wanted[]  = {1, 2, 3, 4, 4, 5, 6, 7, 10, 11, 12, 13};
    const br_rule        rule      = {"rules.items[0]", BR_RULE_MATCH, NULL, "region", "region"};

    (void)state;
    memset(segment_N, 0, sizeof segment_N);
    segment_N[17] = 0x8000000000000005u;
    for (size_t r = 0; r < sizeof n_names / sizeof *n_names; r++) {
        br_rules *rules = NULL;

        set_names(n_names[r]);
        assert_int_equal(compile_items(&rule, 1, &rules), BR_OK);
        br_rules_have(rules, &customers, MANY, NULL, have_B, NULL);
        assert_int_equal(n_bits(br_rules_bits(rules)), wanted[r]);
        assert_int_equal(br_rules_bits(rules) & segment_N[17], 0);
        assert_int_equal(require_N[17] & 0x8000000000000005u, 0x8000000000000005u);
        for (int32_t u = 0; u < MANY; u++)
            for (int32_t i = 0; i < ITEMS; i += 7)
                assert_int_equal((have_B[u] & require_N[i]) == require_N[i],
                                 code_N[i] < 0 || code_N[i] == code_B[u]);
        br_rules_free(&rules);
    }
}

static void test_sharing(void **state)
{
    static const char *const old = "age >= 18";
    const struct {
        const char *what;
        br_rule     rule[3];
        int         n_bits;
    } rows[] = {
        {"one condition, three rules",
         {{"a", BR_RULE_NEVER, old, "price < 5", NULL},
          {"b", BR_RULE_ONLY, "18 <= age", "price < 900", NULL},
          {"c", BR_RULE_NEVER, "age>=18 and true", "region = '2'", NULL}},
         1},
        {"the same items under two conditions",
         {{"a", BR_RULE_NEVER, old, "price < 5", NULL},
          {"b", BR_RULE_ONLY, "age < 3", "price >= 5", NULL},
          {"c", BR_RULE_NEVER, "age = 7", "region = '2'", NULL}},
         2},
        {"no item at all, no customer, everyone",
         {{"a", BR_RULE_NEVER, old, "price < 0", NULL},
          {"b", BR_RULE_ONLY, "1 > 2", "price > 5", NULL},
          {"c", BR_RULE_NEVER, "", "price > 5", NULL}},
         0},
        {"items that are barred already",
         {{"a", BR_RULE_NEVER, NULL, "price < 50", NULL},
          {"b", BR_RULE_NEVER, old, "price < 20", NULL},
          {"c", BR_RULE_NEVER, "true or age < 3", "price > 2000", NULL}},
         0},
        {"three of each",
         {{"a", BR_RULE_NEVER, "age < 1", "price < 5", NULL},
          {"b", BR_RULE_NEVER, "age < 2", "price < 6", NULL},
          {"c", BR_RULE_NEVER, "age < 3", "price < 7", NULL}},
         3},
    };

    (void)state;
    set_names(5);
    memset(segment_N, 0, sizeof segment_N);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        br_rules *rules = NULL;

        assert_int_equal(compile_items(rows[r].rule, 3, &rules), BR_OK);
        printf("%s: %d bits, expected %d\n", rows[r].what, n_bits(br_rules_bits(rules)),
               rows[r].n_bits);
        assert_int_equal(n_bits(br_rules_bits(rules)), rows[r].n_bits);
        br_rules_free(&rules);
    }
}

static void test_room(void **state)
{
    br_rule   rule[8];
    char      when[7][16], never[7][16];
    br_rules *rules = NULL;

    (void)state;
    set_names(20);
    for (int r = 0; r < 7; r++) {
        (void)snprintf(when[r], sizeof when[r], "age < %d", r + 1);
        (void)snprintf(never[r], sizeof never[r], "price < %d", r + 1);
        rule[r] = (br_rule){"rules.items[0]", BR_RULE_NEVER, when[r], never[r], NULL};
    }
    rule[7] = (br_rule){"rules.items[7]", BR_RULE_MATCH, NULL, "region", "region"};
    memset(segment_N, 0, sizeof segment_N);
    segment_N[5] = ~(uint64_t)0 << 13; /* 13 are free, 7 + 6 are needed */
    assert_int_equal(compile_items(rule, 8, &rules), BR_OK);
    assert_int_equal(br_rules_bits(rules), 0x1FFF);
    br_rules_free(&rules);
    segment_N[6] = 1; /* and now 12 */
    assert_int_equal(compile_items(rule, 8, &rules), BR_E_USAGE);
    assert_string_equal(br_error_last()->text,
                        "rules on items need 13 bits (7 for conditions on customers, 6 for "
                        "matches), 12 of 64 are free: /item/segment uses 52; rules with the same "
                        "condition share a bit");
    br_rules_free(&rules);
}

static void test_refused(void **state)
{
    static const struct {
        br_rule     rule;
        const char *message;
    } rows[] = {
        {{"rules.items[3]", BR_RULE_MATCH, NULL, "price", "region"},
         "rules.items[3].match: 'price' is a number, expected a category: whether two numbers are "
         "equal hangs on their rounding"},
        {{"rules.items[3]", BR_RULE_MATCH, NULL, "region", "age"},
         "rules.items[3].match: 'age' is a number, expected a category: whether two numbers are "
         "equal hangs on their rounding"},
        {{"rules.items[3]", BR_RULE_MATCH, NULL, "key", "region"},
         "rules.items[3].match: 'key' is a key, expected a category"},
        {{"rules.items[3]", BR_RULE_MATCH, NULL, "region", "segment"},
         "rules.items[3].match: 'segment' is a set of bits, expected a category"},
        {{"rules.items[3]", BR_RULE_MATCH, NULL, "regoin", "region"},
         "rules.items[3].match: unknown item column 'regoin', did you mean 'region'?"},
        {{"rules.items[3]", BR_RULE_MATCH, NULL, "region", "gender"},
         "rules.items[3].match: customer column 'static.gender' is denied by governance.denied"},
        {{"rules.items[3]", BR_RULE_MATCH, "age > 3", "region", "region"},
         "rules.items[3].when: a match is for every customer, expected no condition"},
        {{"rules.items[3]", BR_RULE_ONLY, "price > 3", "price > 3", NULL},
         "rules.items[3].when: column 1: unknown customer column 'price'"},
        {{"rules.items[3]", BR_RULE_ONLY, NULL, "age > 3", NULL},
         "rules.items[3].only: column 1: unknown item column 'age'"},
        {{"rules.items[3]", BR_RULE_NEVER, "age > 3", "", NULL},
         "rules.items[3].never: column 1: found nothing, expected a condition such as price < 20"},
        {{"rules.items[3]", BR_RULE_NEVER, "gender = 'f'", "price > 3", NULL},
         "rules.items[3].when: column 1: customer column 'static.gender' is denied by "
         "governance.denied"},
    };
    br_rule many[BR_RULES_MAX + 1];

    (void)state;
    set_names(5);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        br_rules *rules = NULL;

        assert_int_equal(br_rules_compile(&rows[r].rule, 1, &customers, &items, &rules),
                         BR_E_USAGE);
        assert_string_equal(br_error_last()->text, rows[r].message);
        assert_null(rules);
    }
    for (int r = 0; r <= BR_RULES_MAX; r++) {
        br_rules *rules = NULL;

        many[r] = (br_rule){"rules.items[0]", BR_RULE_NEVER, NULL, "price < 1", NULL};
        assert_int_equal(br_rules_compile(many, r + 1, &customers, &items, &rules),
                         r < BR_RULES_MAX ? BR_OK : BR_E_USAGE);
        br_rules_free(&rules);
    }
    assert_string_equal(br_error_last()->text,
                        "rules.items[0]: found 65 rules on items, at most 64");
}

/* Sixty-four rules on sixty-four conditions, each of its own item. */
static void test_full(void **state)
{
    br_rule   rule[BR_RULES_MAX];
    char      when[BR_RULES_MAX][16], never[BR_RULES_MAX][16];
    br_rules *rules = NULL;

    (void)state;
    set_names(5);
    memset(segment_N, 0, sizeof segment_N);
    for (int r = 0; r < BR_RULES_MAX; r++) {
        (void)snprintf(when[r], sizeof when[r], "age = %d", r);
        (void)snprintf(never[r], sizeof never[r], "price = %d", r);
        rule[r] = (br_rule){"rules.items[0]", BR_RULE_NEVER, when[r], never[r], NULL};
    }
    assert_int_equal(compile_items(rule, BR_RULES_MAX, &rules), BR_OK);
    assert_true(br_rules_bits(rules) == ~(uint64_t)0);
    br_rules_have(rules, &customers, 70, NULL, have_B, NULL);
    for (int u = 0; u < 70; u++)
        for (int i = 0; i < 70; i++)
            assert_int_equal((have_B[u] & require_N[i]) == require_N[i],
                             u != i || u >= BR_RULES_MAX);
    assert_true(br_rules_forbid(rules, &customers, 63, &items, 63) == (uint64_t)1 << 63);
    br_rules_free(&rules);
}

static void test_columns(void **state)
{
    const br_rule rule[]           = {{"a", BR_RULE_NEVER, "false and age < 2", "price < 5", NULL},
                                      {"b", BR_RULE_MATCH, NULL, "region", "region"}};
    uint8_t       customer_used[4] = {0}, item_used[3] = {0};
    br_rules     *rules = NULL;

    (void)state;
    set_names(5);
    assert_int_equal(br_rules_compile(rule, 2, &customers, &items, &rules), BR_OK);
    br_rules_columns(rules, customer_used, item_used);
    assert_memory_equal(customer_used, ((uint8_t[]){1, 1, 0, 0}), 4);
    assert_memory_equal(item_used, ((uint8_t[]){1, 1, 0}), 3);
    assert_true(br_rules_info(rules, 0).never_applies);
    assert_true(br_rules_info(rules, 1).is_for_everyone);
    br_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match), cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_room),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full),  cmocka_unit_test(test_columns)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
