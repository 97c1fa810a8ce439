/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions: random ones against a slow evaluator; limits; random bytes. The mistakes a person may
 * make are in test_expr_errors.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/expr/expr.h"
#include "tests/host/decide/expr_world.h"

#define SEED 20261128

/* Compiles; on failure prints text and message. */
static br_expr *compile(const char *text, const br_columns *columns)
{
    br_expr *expr = NULL;

    if (br_expr_compile("test", text, columns, &expr) != BR_OK)
        printf("%s\n  %s\n", br_error_last()->text, text);
    assert_non_null(expr);
    return expr;
}

static void check_columns(const tree *t, const br_expr *expr)
{
    uint8_t used[WORLD_COLUMNS] = {0}, wanted[WORLD_COLUMNS] = {0};

    br_expr_columns(expr, used);
    for (int32_t i = 0; i < t->n_nodes; i++)
        if (t->node[i].column >= 0)
            wanted[t->node[i].column] = 1;
    assert_memory_equal(used, wanted, sizeof used);
}

/* Returns 0 never, 1 always, 2 neither on these rows. */
static int check_world(uint64_t *random, int64_t n_rows)
{
    expr_world world;
    tree       t;
    br_strbuf  text   = {0};
    br_expr   *expr   = NULL;
    uint8_t   *found  = malloc((size_t)n_rows + 1);
    int64_t    n_true = 0, first = world_below(random, (int32_t)n_rows);

    world_make(&world, false, n_rows, random);
    tree_make(&t, &world, 1 + world_below(random, 6), random);
    tree_write(&t, &world, random, &text);
    expr                  = compile(text.data, &world.columns);
    found[n_rows - first] = 77;
    br_expr_eval(expr, &world.columns, first, n_rows - first, found);
    assert_int_equal(found[n_rows - first], 77);
    for (int64_t i = first; i < n_rows; i++) {
        bool wanted = tree_holds(&t, &world, i);

        if (found[i - first] != wanted)
            print_error("row %lld: found %d, expected %d: %s\n", (long long)i, found[i - first],
                        wanted, text.data);
        assert_int_equal(found[i - first], wanted);
        n_true += wanted;
    }
    if (br_expr_constant_of(expr) != BR_EXPR_VARIES)
        assert_int_equal(n_true, br_expr_constant_of(expr) == BR_EXPR_ALWAYS ? n_rows - first : 0);
    check_columns(&t, expr);
    br_expr_free(&expr);
    br_strbuf_free(&text);
    world_free(&world);
    free(found);
    return n_true == 0 ? 0 : n_true == n_rows - first ? 1 : 2;
}

static void test_random(void **state)
{
    uint64_t random  = SEED;
    int      n_of[3] = {0};

    (void)state;
    for (int i = 0; i < 4000; i++)
        n_of[check_world(&random, i % 20 == 0 ? 2500 : 60)]++;
    printf("seed %d: 4000 conditions: %d never true, %d always, %d sometimes\n", SEED, n_of[0],
           n_of[1], n_of[2]);
    assert_true(n_of[2] > 2000);
}

/* What docs/RULES.md says of missing values, numbers and what is known without a row. */
static void test_meaning(void **state)
{
    static const char *const regions[] = {"North", "South"};
    const int32_t            region[2] = {-1, 0};
    const float              price[2]  = {__builtin_nanf(""), 19.99f};
    const br_column          column[]  = {{
                                              .name       = "region",
                                              .kind       = BR_COLUMN_CATEGORY,
                                              .n_names    = 2,
                                              .names_C    = regions,
                                              .category_B = region,
                                },
                                          {
                                              .name     = "price",
                                              .kind     = BR_COLUMN_NUMBER,
                                              .number_B = price,
                                }};
    const br_columns         columns   = {"item", 2, column};
    static const struct {
        const char *text;
        int         missing, there; /* the value on row 0, where all is missing, and on row 1 */
        br_expr_constant constant;
    } rows[] = {{"price = 19.99", 0, 1, BR_EXPR_VARIES},
                {"price != 20", 0, 1, BR_EXPR_VARIES},
                {"not price = 19.99", 1, 0, BR_EXPR_VARIES},
                {"not (price < 5)", 1, 1, BR_EXPR_VARIES},
                {"price >= 5", 0, 1, BR_EXPR_VARIES},
                {"region != 'South'", 0, 1, BR_EXPR_VARIES},
                {"region not in ('South')", 0, 1, BR_EXPR_VARIES},
                {"not region in ('South')", 1, 1, BR_EXPR_VARIES},
                {"region is missing", 1, 0, BR_EXPR_VARIES},
                {"price * 0 is not missing", 0, 1, BR_EXPR_VARIES},
                {"5 < price", 0, 1, BR_EXPR_VARIES},
                {"10 - price < -9.5 - 0.4", 0, 1, BR_EXPR_VARIES},
                {"region not in ('North', 'South')", 0, 0, BR_EXPR_NEVER},
                {"price < 5 and 2 + 2 * 2 = 8", 0, 0, BR_EXPR_NEVER},
                {"price < 5 or not 1 > 2", 1, 1, BR_EXPR_ALWAYS},
                {"3e38 * 10 - 3e38 * 10 is missing", 1, 1, BR_EXPR_ALWAYS},
                {"true or false and false", 1, 1, BR_EXPR_ALWAYS}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        br_expr *expr = compile(rows[i].text, &columns);
        uint8_t  found[2];

        br_expr_eval(expr, &columns, 0, 2, found);
        if (found[0] != rows[i].missing || found[1] != rows[i].there ||
            br_expr_constant_of(expr) != rows[i].constant)
            print_error("%s: found %d %d\n", rows[i].text, found[0], found[1]);
        assert_int_equal(found[0], rows[i].missing);
        assert_int_equal(found[1], rows[i].there);
        assert_int_equal(br_expr_constant_of(expr), rows[i].constant);
        br_expr_free(&expr);
    }
}

/* A balanced tree of 2^depth comparisons of two products each: the most lanes there can be. */
static void balanced(br_strbuf *text, int depth)
{
    br_strbuf_add(text, "(");
    if (depth == 0)
        br_strbuf_add(text, "p<p");
    else
        balanced(text, depth - 1);
    if (depth > 0) {
        br_strbuf_add(text, " and ");
        balanced(text, depth - 1);
    }
    br_strbuf_add(text, ")");
}

static void test_limits(void **state)
{
    const float      p[3]    = {1.0f, 2.0f, 3.0f};
    const br_column  column  = {.name = "p", .kind = BR_COLUMN_NUMBER, .number_B = p};
    const br_columns columns = {"item", 1, &column};
    br_strbuf        text    = {0};
    br_expr         *expr    = NULL;
    uint8_t          found[3];

    (void)state;
    balanced(&text, 6); /* 64 comparisons of 2 columns, 63 joins: 255 nodes */
    expr = compile(text.data, &columns);
    br_expr_eval(expr, &columns, 0, 3, found);
    assert_int_equal(found[0] + found[1] + found[2], 0);
    br_expr_free(&expr);
    br_strbuf_add(&text, " or p=p");
    assert_int_equal(br_expr_compile("test", text.data, &columns, &expr), BR_E_USAGE);
    assert_non_null(strstr(br_error_last()->text, "more than 256 parts"));
    br_strbuf_free(&text);

    for (int i = 0; i < 64; i++)
        br_strbuf_add(&text, "(");
    br_strbuf_add(&text, "p>1");
    for (int i = 0; i < 64; i++)
        br_strbuf_add(&text, ")");
    expr = compile(text.data, &columns);
    br_expr_eval(expr, &columns, 0, 3, found);
    assert_int_equal(found[0] + 2 * found[1] + 4 * found[2], 6);
    br_expr_free(&expr);
    br_strbuf_free(&text);
}

/* Brackets that open to the right to the deepest: the inner side has to be worked out first. */
static void test_right_deep(void **state)
{
    const float      p[3]    = {1.0f, 2.0f, 3.0f};
    const br_column  column  = {.name = "p", .kind = BR_COLUMN_NUMBER, .number_B = p};
    const br_columns columns = {"item", 1, &column};
    static const struct {
        const char *before, *last, *after;
        int         found; /* 1, 2, 4: holds on row 0, 1, 2 */
    } rows[] = {{"p > 0 and (", "p > 1", "", 6},
                {"p < 0 or (not (", "p > 1", ")", 6},
                {"p - (0 * p + ", "p", " > 1", 6}};

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        br_strbuf text = {0};
        br_expr  *expr = NULL;
        uint8_t   found[3];
        bool      is_number = r == 2;

        for (int i = 0; i < 20; i++)
            br_strbuf_add(&text, "%s", rows[r].before);
        br_strbuf_add(&text, "%s", rows[r].last);
        for (int i = 0; i < 20; i++)
            br_strbuf_add(&text, "%s)", is_number ? "" : rows[r].after);
        if (is_number) /* p - (p - (... p)), an even number of times: p again */
            br_strbuf_add(&text, "%s", rows[r].after);
        expr = compile(text.data, &columns);
        br_expr_eval(expr, &columns, 0, 3, found);
        assert_int_equal(found[0] + 2 * found[1] + 4 * found[2], rows[r].found);
        br_expr_free(&expr);
        br_strbuf_free(&text);
    }
}

static void test_same(void **state)
{
    uint64_t   random = SEED + 1;
    expr_world world;
    static const struct {
        const char *a, *b;
        bool        is_same;
    } rows[] = {{"price<5", " price < 5.0 ", true},
                {"5>price", "price<5", true},
                {"not not price<5", "price < 5 and true", true},
                {"region in ('North','South')", "static.region in (\"South\", 'North')", true},
                {"code in ('k1','k2')", "code in ('k2','k1')", true},
                {"price<5", "price<=5", false},
                {"price<5", "price<6", false},
                {"price<5", "orders<5", false},
                {"price<orders", "orders<price", false},
                {"region = 'North'", "region = 'South'", false},
                {"region in ('North','South')", "region in ('South')", false},
                {"account = 1", "account = 2", false},
                {"has(segment,1)", "has(segment,2)", false},
                {"price+1<orders", "price+2<orders", false}};

    (void)state;
    world_make(&world, false, 1, &random);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        br_expr *a = compile(rows[i].a, &world.columns), *b = compile(rows[i].b, &world.columns);

        if (br_expr_same(a, b) != rows[i].is_same)
            print_error("%s and %s\n", rows[i].a, rows[i].b);
        assert_int_equal(br_expr_same(a, b), rows[i].is_same);
        br_expr_free(&a);
        br_expr_free(&b);
    }
    world_free(&world);
}

/* Words, signs and bytes in no order: refused or evaluated, never a crash. */
static void test_noise(void **state)
{
    static const char *const parts[] = {"price",   "region",  "`prix moyen`",
                                        "code",    "account", "segment",
                                        "'North'", "\"k1\"",  "7",
                                        "0.5",     "1e9",     "and",
                                        "or",      "not",     "in",
                                        "is",      "missing", "has",
                                        "true",    "false",   "(",
                                        ")",       ",",       "=",
                                        "!=",      "<",       ">=",
                                        "+",       "-",       "*",
                                        "'",       "`",       "\xC3\xA9",
                                        "#",       "0"};
    uint64_t                 random  = SEED + 2;
    expr_world               world;
    int                      n_good = 0;

    (void)state;
    world_make(&world, false, 50, &random);
    for (int i = 0; i < 200000; i++) {
        char     text[512] = "";
        int32_t  n = 1 + world_below(&random, 12), used = 0;
        br_expr *expr = NULL;
        uint8_t  found[50];

        for (int32_t j = 0; j < n && i % 4 != 0; j++)
            used += snprintf(text + used, sizeof text - (size_t)used, "%s ",
                             parts[world_below(&random, sizeof parts / sizeof *parts)]);
        for (int32_t j = 0; j < n && i % 4 == 0; j++)
            text[j] = (char)world_bits(&random);
        if (br_expr_compile("noise", text, &world.columns, &expr) == BR_OK) {
            br_expr_eval(expr, &world.columns, 0, 50, found);
            n_good++;
        }
        br_expr_free(&expr);
    }
    printf("seed %d: 200000 texts, %d of them conditions\n", SEED + 2, n_good);
    assert_true(n_good > 100);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_right_deep),
        cmocka_unit_test(test_same),   cmocka_unit_test(test_noise)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
