/* SPDX-License-Identifier: Apache-2.0
 *
 * The conditions that docs/RULES.md shows compile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/expr/expr.h"

static const char *const regions[] = {"North", "North-West"};
static const char *const brands[]  = {"Acme"};

static const br_column column[] = {
    {.name = "static.region", .kind = BR_COLUMN_CATEGORY, .n_names = 2, .names_C = regions},
    {.name = "group.brand", .kind = BR_COLUMN_CATEGORY, .n_names = 1, .names_C = brands},
    {.name = "age", .kind = BR_COLUMN_NUMBER},
    {.name = "value.price", .kind = BR_COLUMN_NUMBER},
    {.name = "value.margin", .kind = BR_COLUMN_NUMBER},
    {.name = "prix moyen", .kind = BR_COLUMN_NUMBER},
    {.name = "segment", .kind = BR_COLUMN_BITS},
    {.name = "key", .kind = BR_COLUMN_KEY, .key_bytes = 8},
};

static const br_columns columns = {"item", sizeof column / sizeof *column, column};

static void test_manual(void **state)
{
    FILE   *file = fopen("docs/RULES.md", "r");
    char    line[512];
    bool    is_inside    = false;
    int32_t n_conditions = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        br_expr *expr = NULL;

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "```", 3) == 0) {
            is_inside = strcmp(line, "```conditions") == 0;
            continue;
        }
        if (!is_inside)
            continue;
        if (br_expr_compile("docs/RULES.md", line, &columns, &expr) != BR_OK)
            print_error("%s\n  %s\n", br_error_last()->text, line);
        assert_non_null(expr);
        assert_int_equal(br_expr_constant_of(expr), BR_EXPR_VARIES);
        br_expr_free(&expr);
        n_conditions++;
    }
    (void)fclose(file);
    printf("%d conditions\n", n_conditions);
    assert_true(n_conditions >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_manual)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
