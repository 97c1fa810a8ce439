/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person may get wrong in a condition, and what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/expr/expr.h"

static const char *const regions[] = {"North", "South", "North-West"};
static const char *const levels[]  = {"1", "2"};

static const br_column column[] = {
    {.name = "static.region", .kind = BR_COLUMN_CATEGORY, .n_names = 3, .names_C = regions},
    {.name = "static.level", .kind = BR_COLUMN_CATEGORY, .n_names = 2, .names_C = levels},
    {.name = "aggregate.orders", .kind = BR_COLUMN_NUMBER},
    {.name = "price", .kind = BR_COLUMN_NUMBER},
    {.name = "a.age", .kind = BR_COLUMN_NUMBER},
    {.name = "b.age", .kind = BR_COLUMN_NUMBER},
    {.name = "segment", .kind = BR_COLUMN_BITS},
    {.name = "key", .kind = BR_COLUMN_KEY, .key_bytes = 4},
    {.name = "account", .kind = BR_COLUMN_KEY},
    {.name = "static.gender", .kind = BR_COLUMN_CATEGORY, .denied_by = "governance.denied"},
};

static const br_columns columns = {"customer", sizeof column / sizeof *column, column};

static const struct {
    const char *text, *message; /* the whole message after "rules.customers[1].hold: " */
} rows[] = {
    {"", "column 1: found nothing, expected a condition such as price < 20"},
    {"   ", "column 4: found nothing, expected a condition such as price < 20"},
    {"price", "column 1: 'price' is a number, expected a condition, such as price < 20"},
    {"3", "column 1: 3 is a number, expected a condition, such as price < 20"},
    {"'x'", "column 1: 'x' is a text, expected a condition, such as price < 20"},
    {"price + 1", "column 1: price + 1 is a number, expected a condition, such as price < 20"},
    /* columns */
    {"prise < 5", "column 1: unknown customer column 'prise', did you mean 'price'?"},
    {"true and regoin = 'North'",
     "column 10: unknown customer column 'regoin', did you mean 'region'?"},
    {"zzzzzzzz = 1", "column 1: unknown customer column 'zzzzzzzz'"},
    {"region = Toulouse",
     "column 10: unknown customer column 'Toulouse'; a text stands in quotes: 'Toulouse'"},
    {"age > 3",
     "column 1: several customer columns end in '.age': write the one that is meant in full"},
    {"price > 1 or gender = 'f'",
     "column 14: customer column 'static.gender' is denied by governance.denied"},
    {"true or gender is missing",
     "column 9: customer column 'static.gender' is denied by governance.denied"},
    {"`no such` < 1", "column 1: unknown customer column 'no such'"},
    /* types */
    {"price > 1 and region < 5",
     "column 15: 'static.region' is a category, expected a number on the left of '<'"},
    {"price < region",
     "column 9: 'static.region' is a category, expected a number on the right of '<'"},
    {"price = '5'", "column 9: '5' is a text, expected a number on the right of '='"},
    {"price <= 'a'", "column 10: 'a' is a text, expected a number on the right of '<='"},
    {"region = price",
     "column 10: 'price' is a number, expected a text in '...' on the right of '='"},
    {"region != level",
     "column 11: 'static.level' is a category, expected a text in '...' on the right of '!='"},
    {"region = -1", "column 10: -1 is a number, expected a text in '...' on the right of '='"},
    {"'North' = region",
     "column 1: 'North' is a text, expected a number, a category or a key on the left of '='"},
    {"segment = 3", "column 1: 'segment' is a set of bits, expected a number, a category or a key "
                    "on the left of '='"},
    {"(price > 1) = (price > 2)", "column 1: (price > 1) is a condition, expected a number, a "
                                  "category or a key on the left of '='"},
    {"key < 'a'", "column 1: 'key' is a key, expected a number on the left of '<'"},
    {"price and true", "column 1: 'price' is a number, expected a condition on the left of 'and', "
                       "such as price < 20"},
    {"true or price + 2", "column 9: price + 2 is a number, expected a condition on the right of "
                          "'or', such as price < 20"},
    {"not price",
     "column 5: 'price' is a number, expected a condition after 'not', such as price < 20"},
    {"region + 1 > 2",
     "column 1: 'static.region' is a category, expected a number on the left of '+'"},
    {"price * 'x' > 2", "column 9: 'x' is a text, expected a number on the right of '*'"},
    {"-region > 2", "column 2: 'static.region' is a category, expected a number after '-'"},
    {"price > true", "column 9: true is a condition, expected a number on the right of '>'"},
    /* categories and keys */
    {"region = 'Nort'",
     "column 10: 'Nort' is no category of 'static.region', did you mean 'North'?"},
    {"region in ('South', 'Soth')",
     "column 21: 'Soth' is no category of 'static.region', did you mean 'South'?"},
    {"region not in (\"Ouest-Pacifique\")",
     "column 16: 'Ouest-Pacifique' is no category of 'static.region' (it has 3)"},
    {"level = 7", "column 9: '7' is no category of 'static.level' (it has 2)"},
    {"key = 'abcde'", "column 7: 'abcde' has 5 bytes, no 'key' has more than 4"},
    {"account = 'C17'", "column 11: 'C17' is no 'account', expected a whole number below 2^64"},
    {"account in (1, 18446744073709551616)",
     "column 16: '18446744073709551616' is no 'account', expected a whole number below 2^64"},
    {"account = 1.5", "column 11: '1.5' is no 'account', expected a whole number below 2^64"},
    /* in, is, has */
    {"region in 'North'", "column 11: found 'North', expected '(' and a list after 'in'"},
    {"region in ()", "column 12: found ')', expected a text in '...' in the list"},
    {"region in ('North'", "column 19: found the end, expected ',' or ')' in the list"},
    {"region in ('North' 'South')", "column 20: found 'South', expected ',' or ')' in the list"},
    {"region in (North)", "column 12: found North, expected a text in '...' in the list"},
    {"price in (1, 'a')", "column 14: found 'a', expected a number in the list"},
    {"price not (1)", "column 11: found '(', expected 'in' after 'not'"},
    {"segment in (1)", "column 1: 'segment' is a set of bits, expected a category, a number or a "
                       "key on the left of 'in'"},
    {"region is North", "column 11: found North, expected 'missing' or 'not missing' after 'is'"},
    {"key is missing", "column 1: 'key' is a key, which is never missing; expected a category or a "
                       "number on the left of 'is'"},
    {"has segment", "column 5: found segment, expected '(' after has, as in has(segment, 3)"},
    {"has(price, 3)", "column 5: 'price' is a number, expected a set of bits in has()"},
    {"has(3, segment)", "column 5: found 3, expected a column of bits, as in has(segment, 3)"},
    {"has(segment)", "column 12: found ')', expected ',' and the bit, as in has(segment, 3)"},
    {"has(segment, 64)", "column 14: found 64, expected the bit, 0 to 63"},
    {"has(segment, 1.5)", "column 14: found 1.5, expected the bit, 0 to 63"},
    {"has(segment, -1)", "column 14: found '-', expected the bit, 0 to 63"},
    {"has(segment, 3", "column 15: found the end, expected ')' after the bit"},
    /* grammar */
    {"1 < price < 3", "column 11: comparisons do not chain: join two with 'and'"},
    {"price > 1 is missing", "column 11: comparisons do not chain: join two with 'and'"},
    {"price >", "column 8: found the end, expected a column, a number, a text or '('"},
    {"price > 1 and", "column 14: found the end, expected a column, a number, a text or '('"},
    {"(price > 1", "column 11: found the end, expected ')', 'and' or 'or'"},
    {"price > 1)", "column 10: found ')', expected 'and', 'or' or the end"},
    {"price > 1 price < 3", "column 11: found price, expected 'and', 'or' or the end"},
    {"price > 1 , true", "column 11: found ',', expected 'and', 'or' or the end"},
    {"> 3", "column 1: found '>', expected a column, a number, a text or '('"},
    /* words and signs */
    {"price == 3", "column 7: found '==': equal is written '='"},
    {"price <> 3", "column 7: found '<>': unequal is written '!='"},
    {"price => 3", "column 7: found '=>': at least is written '>='"},
    {"price =< 3", "column 7: found '=<': at most is written '<='"},
    {"price > 1 && true", "column 11: found '&&': write 'and'"},
    {"price > 1 || true", "column 11: found '||': write 'or'"},
    {"!(price > 1)", "column 1: found '!': write 'not', or '!=' for unequal"},
    {"price / 2 > 1", "column 7: found '/': there is no division: multiply the other side"},
    {"price > 1; true",
     "column 10: found ';', expected a column, a number, a text in '...' or a sign"},
    {"price > 5eur", "column 9: found '5e', expected a number such as 12 or 0.5 (a column's name "
                     "that begins with a digit stands in `...`)"},
    {"price > 1.2.3", "column 9: found '1.2.', expected a number such as 12 or 0.5 (a column's "
                      "name that begins with a digit stands in `...`)"},
    {"price > 1e40", "column 9: 1e40 is too large: numbers are 32-bit, at most 3.4e38"},
    {"region = 'North", "column 10: a text begins here with ' and does not end"},
    {"region = 'it''s", "column 10: a text begins here with ' and does not end"},
    {"`price > 1", "column 1: a text begins here with ` and does not end"},
    {"price > \xC3\xA9", "column 9: found the byte 0xc3: texts stand in '...', columns with "
                         "letters beyond a-z in `...`"},
    {"region = '\xC3\xA9\xC3\xA9' or true",
     "column 10: '\xC3\xA9\xC3\xA9' is no category of 'static.region' (it has 3)"},
    {"region != 'South' and '\xC3\xA9' > 1",
     "column 23: '\xC3\xA9' is a text, expected a number on the left of '>'"},
};

static void test_messages(void **state)
{
    int32_t n_equal = 0, n_rows = sizeof rows / sizeof *rows;

    (void)state;
    for (int32_t i = 0; i < n_rows; i++) {
        br_expr   *expr = NULL;
        br_status  st   = br_expr_compile("rules.customers[1].hold", rows[i].text, &columns, &expr);
        const char head[] = "rules.customers[1].hold: ", *found = br_error_last()->text;
        bool       is_equal = st == BR_E_USAGE && expr == NULL &&
                        strncmp(found, head, strlen(head)) == 0 &&
                        strcmp(found + strlen(head), rows[i].message) == 0;

        if (!is_equal)
            print_error("%s\n  found    %s\n  expected %s\n", rows[i].text,
                        st == BR_OK ? "no error" : found, rows[i].message);
        n_equal += is_equal;
        br_expr_free(&expr);
    }
    printf("%d of %d messages as expected\n", n_equal, n_rows);
    assert_int_equal(n_equal, n_rows);
}

/* Too long, too deep: by brackets, by not, by signs. */
static void test_sizes(void **state)
{
    char     text[BR_EXPR_MAX_BYTES + 2];
    br_expr *expr = NULL;

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "true", 4);
    text[BR_EXPR_MAX_BYTES + 1] = '\0';
    assert_int_equal(br_expr_compile("x", text, &columns, &expr), BR_E_USAGE);
    assert_string_equal(br_error_last()->text, "x: 4097 bytes long, at most 4096");
    text[BR_EXPR_MAX_BYTES] = '\0';
    assert_int_equal(br_expr_compile("x", text, &columns, &expr), BR_OK);
    br_expr_free(&expr);
    for (int kind = 0; kind < 3; kind++) {
        static const char *const parts[] = {"(", "not ", "-"};

        text[0] = '\0';
        for (int i = 0; i < 900; i++)
            strcat(text, parts[kind]);
        assert_int_equal(br_expr_compile("x", text, &columns, &expr), BR_E_USAGE);
        assert_non_null(strstr(br_error_last()->text, ": nested more than 64 deep"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages),
                                       cmocka_unit_test(test_sizes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
