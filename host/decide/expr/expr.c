/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling a condition, once at load, and what is known of it afterwards. */
#include "host/decide/expr/expr.h"

#include <string.h>

#include "host/base/memory.h"
#include "host/decide/expr/parser.h"

br_status br_expr_compile(const char *what, const char *text, const br_columns *columns,
                          br_expr **out)
{
    br_status       st     = BR_OK;
    br_expr        *expr   = NULL;
    br_expr_parser *parser = NULL;
    int32_t         root;

    *out = NULL;
    if (strlen(text) > BR_EXPR_MAX_BYTES)
        BR_FAIL(st, BR_E_USAGE, "%s: %zu bytes long, at most %d", what, strlen(text),
                BR_EXPR_MAX_BYTES);
    BR_ALLOC(st, expr, 1, "condition");
    BR_ALLOC(st, expr->used_C, columns->n_columns, "columns of a condition");
    expr->n_columns = columns->n_columns;
    BR_ALLOC(st, parser, 1, "parser of conditions");
    parser->source  = (br_token_source){what, text};
    parser->columns = columns;
    parser->expr    = expr;
    BR_TRY(st, br_parse(parser, &root));
    br_program_write(parser->node, parser->n_nodes, root, expr);
    if (parser->node[root].op == BR_OP_TRUTH)
        expr->constant = parser->node[root].value.truth ? BR_EXPR_ALWAYS : BR_EXPR_NEVER;
    *out = expr;
    expr = NULL;
done:
    br_free(&parser);
    br_expr_free(&expr);
    return st;
}

void br_expr_free(br_expr **expr)
{
    if (*expr == NULL)
        return;
    for (int32_t s = 0; s < (*expr)->n_sets; s++)
        br_free(&(*expr)->set[s].data);
    br_free(&(*expr)->used_C);
    br_free(expr);
}

void br_expr_columns(const br_expr *expr, uint8_t *used_C)
{
    for (int32_t c = 0; c < expr->n_columns; c++)
        if (expr->used_C[c] != 0)
            used_C[c] = 1;
}

br_expr_constant br_expr_constant_of(const br_expr *expr)
{
    return expr->constant;
}

static bool is_same_set(const br_expr_set *a, const br_expr_set *b)
{
    return a->n == b->n && a->width_bytes == b->width_bytes &&
           memcmp(a->data, b->data, (size_t)a->n * (size_t)a->width_bytes) == 0;
}

static bool is_same_step(const br_expr *a, const br_expr *b, int32_t i)
{
    const br_expr_step *x = &a->step[i], *y = &b->step[i];

    if (x->op != y->op || x->lane != y->lane || x->column != y->column ||
        x->with_column != y->with_column || x->has_constant != y->has_constant)
        return false;
    switch (x->op) {
    case BR_OP_NUMBER_IN:
    case BR_OP_NUMBER_NOT_IN:
    case BR_OP_CATEGORY_IN:
    case BR_OP_KEY_IN:
    case BR_OP_KEY_NOT_IN:
        return is_same_set(&a->set[x->value.set], &b->set[y->value.set]);
    case BR_OP_CATEGORY_EQ:
    case BR_OP_CATEGORY_NE:
        return x->value.code == y->value.code;
    case BR_OP_HAS:
        return x->value.bit == y->value.bit;
    case BR_OP_TRUTH:
        return x->value.truth == y->value.truth;
    case BR_OP_NUMBER:
        return memcmp(&x->value.number, &y->value.number, sizeof(float)) == 0;
    default:
        return !x->has_constant || memcmp(&x->value.number, &y->value.number, sizeof(float)) == 0;
    }
}

bool br_expr_same(const br_expr *a, const br_expr *b)
{
    if (a->n_steps != b->n_steps)
        return false;
    for (int32_t i = 0; i < a->n_steps; i++)
        if (!is_same_step(a, b, i))
            return false;
    return true;
}
