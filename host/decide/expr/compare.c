/* SPDX-License-Identifier: Apache-2.0
 *
 * One comparison: what may stand on its sides, and the node it becomes. */
#include <stdio.h>
#include <string.h>

#include "host/decide/expr/parser.h"

static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};

static bool is_comparison(br_token_kind kind)
{
    return kind >= BR_TOKEN_EQ && kind <= BR_TOKEN_GE;
}

static bool is_literal(const br_operand *operand)
{
    return operand->kind == BR_OPERAND_TEXT ||
           (operand->kind == BR_OPERAND_NUMBER && operand->node < 0);
}

static bool is_named(const br_expr_parser *p, const br_operand *operand)
{
    return br_operand_is(p, operand, BR_COLUMN_CATEGORY) ||
           br_operand_is(p, operand, BR_COLUMN_KEY);
}

static bool is_number(const br_expr_parser *p, const br_operand *operand)
{
    return operand->kind == BR_OPERAND_NUMBER || br_operand_is(p, operand, BR_COLUMN_NUMBER);
}

static int32_t key_width(const br_expr_parser *p, int32_t column)
{
    int32_t width = p->columns->column[column].key_bytes;

    return width > 0 ? width : (int32_t)sizeof(uint64_t);
}

/* region = 'North', customer != 'C17' */
static br_status compare_named(br_expr_parser *p, const br_operand *left, const br_operand *right,
                               bool is_equal, int32_t *out)
{
    br_status    st   = BR_OK;
    br_expr_node node = {.left = -1, .right = -1, .column = left->column};
    char         text[128];

    if (!is_literal(right))
        BR_TRY(st, br_token_fail(&p->source, right->at,
                                 "%s, expected a text in '...' on the right of '%s'",
                                 br_operand_text(p, right, text), is_equal ? "=" : "!="));
    if (br_operand_is(p, left, BR_COLUMN_CATEGORY)) {
        node.op = is_equal ? BR_OP_CATEGORY_EQ : BR_OP_CATEGORY_NE;
        BR_TRY(st, br_value_code(p, left->column, &right->token, &node.value.code));
    } else {
        node.op = is_equal ? BR_OP_KEY_IN : BR_OP_KEY_NOT_IN;
        BR_TRY(st, br_value_set(p, 1, key_width(p, left->column), &node.value.set));
        BR_TRY(st, br_value_key(p, left->column, &right->token, p->expr->set[node.value.set].data));
    }
    BR_TRY(st, br_fold(p, node, out));
done:
    return st;
}

static br_status compare(br_expr_parser *p, const br_operand *left, int32_t *out)
{
    br_status    st   = BR_OK;
    int32_t      sign = (int32_t)p->token.kind - BR_TOKEN_EQ;
    br_expr_node node = {.op = BR_OP_EQ + sign, .column = -1};
    br_operand   right;
    char         text[128], where[32];
    bool         is_equality = sign < 2;

    if (is_equality && !is_named(p, left) && !is_number(p, left))
        BR_TRY(st, br_token_fail(&p->source, left->at,
                                 "%s, expected a number, a category or a key on the left of '%s'",
                                 br_operand_text(p, left, text), signs[sign]));
    if (!is_equality || !is_named(p, left)) {
        (void)snprintf(where, sizeof where, "on the left of '%s'", signs[sign]);
        BR_TRY(st, br_operand_number(p, left, where, &node.left));
    }
    p->wants_text = is_named(p, left);
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, br_parse_sum(p, &right));
    p->wants_text = false;
    if (is_named(p, left)) {
        BR_TRY(st, compare_named(p, left, &right, sign == 0, out));
    } else {
        (void)snprintf(where, sizeof where, "on the right of '%s'", signs[sign]);
        BR_TRY(st, br_operand_number(p, &right, where, &node.right));
        BR_TRY(st, br_fold(p, node, out));
    }
done:
    return st;
}

/* One value of a list into place `i` of the set. */
static br_status list_value(br_expr_parser *p, const br_operand *left, int32_t i, br_expr_set *set)
{
    br_status st          = BR_OK;
    bool      is_negative = p->token.kind == BR_TOKEN_MINUS && is_number(p, left);
    uint8_t  *table       = set->data;
    int32_t   code;

    if (is_negative)
        BR_TRY(st, br_parse_next(p));
    if (is_number(p, left)) {
        float *number = (float *)set->data + i;

        if (p->token.kind != BR_TOKEN_NUMBER)
            BR_TRY(st, br_parse_expected(p, "a number in the list"));
        BR_TRY(st, br_value_number(p, &p->token, number));
        *number = is_negative ? -*number : *number;
    } else {
        if (p->token.kind != BR_TOKEN_TEXT && p->token.kind != BR_TOKEN_NUMBER)
            BR_TRY(st, br_parse_expected(p, "a text in '...' in the list"));
        if (br_operand_is(p, left, BR_COLUMN_CATEGORY)) {
            BR_TRY(st, br_value_code(p, left->column, &p->token, &code));
            table[code + 1] = 1;
        } else {
            BR_TRY(st,
                   br_value_key(p, left->column, &p->token, table + (int64_t)i * set->width_bytes));
        }
    }
    BR_TRY(st, br_parse_next(p));
done:
    return st;
}

static br_status parse_list(br_expr_parser *p, const br_operand *left, br_expr_set *set)
{
    br_status st = BR_OK;
    int32_t   n  = 0;

    if (p->token.kind != BR_TOKEN_OPEN)
        BR_TRY(st, br_parse_expected(p, "'(' and a list after 'in'"));
    do {
        BR_TRY(st, br_parse_next(p));
        BR_TRY(st, list_value(p, left, n++, set));
    } while (p->token.kind == BR_TOKEN_COMMA);
    if (p->token.kind != BR_TOKEN_CLOSE)
        BR_TRY(st, br_parse_expected(p, "',' or ')' in the list"));
    BR_TRY(st, br_parse_next(p));
    if (!br_operand_is(p, left, BR_COLUMN_CATEGORY))
        set->n = n;
done:
    return st;
}

/* The current token is `in`. */
static br_status parse_in(br_expr_parser *p, const br_operand *left, bool is_not, int32_t *out)
{
    br_status    st       = BR_OK;
    br_expr_node node     = {.left = -1, .right = -1, .column = left->column};
    int32_t      capacity = 1, width = (int32_t)sizeof(float);
    bool         is_category = br_operand_is(p, left, BR_COLUMN_CATEGORY);
    char         text[128];
    br_expr_set *set;

    for (const char *c = p->token.at; *c != '\0'; c++)
        capacity += *c == ',';
    if (is_number(p, left)) {
        node.op     = is_not ? BR_OP_NUMBER_NOT_IN : BR_OP_NUMBER_IN;
        node.column = -1;
        BR_TRY(st, br_operand_number(p, left, "on the left of 'in'", &node.left));
    } else if (is_category) {
        node.op  = BR_OP_CATEGORY_IN;
        capacity = p->columns->column[left->column].n_names + 1;
        width    = 1;
    } else if (br_operand_is(p, left, BR_COLUMN_KEY)) {
        node.op = is_not ? BR_OP_KEY_NOT_IN : BR_OP_KEY_IN;
        width   = key_width(p, left->column);
    } else {
        BR_TRY(st, br_token_fail(&p->source, left->at,
                                 "%s, expected a category, a number or a key on the left of 'in'",
                                 br_operand_text(p, left, text)));
    }
    BR_TRY(st, br_value_set(p, capacity, width, &node.value.set));
    set = &p->expr->set[node.value.set];
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, parse_list(p, left, set));
    for (int64_t c = 1; is_category && is_not && c < set->n; c++)
        ((uint8_t *)set->data)[c] ^= 1; /* place 0, the missing, stays 0 */
    if (node.op == BR_OP_KEY_IN || node.op == BR_OP_KEY_NOT_IN)
        br_value_sort(set);
    BR_TRY(st, br_fold(p, node, out));
done:
    return st;
}

/* The current token is `is`. */
static br_status parse_is(br_expr_parser *p, const br_operand *left, int32_t *out)
{
    br_status    st     = BR_OK;
    br_expr_node node   = {.left = -1, .right = -1, .column = left->column};
    bool         is_not = false;
    char         text[128];

    BR_TRY(st, br_parse_next(p));
    if (p->token.kind == BR_TOKEN_NOT) {
        is_not = true;
        BR_TRY(st, br_parse_next(p));
    }
    if (p->token.kind != BR_TOKEN_MISSING)
        BR_TRY(st, br_parse_expected(p, "'missing' or 'not missing' after 'is'"));
    if (is_number(p, left)) {
        node.op     = is_not ? BR_OP_NUMBER_PRESENT : BR_OP_NUMBER_MISSING;
        node.column = -1;
        BR_TRY(st, br_operand_number(p, left, "on the left of 'is'", &node.left));
    } else if (br_operand_is(p, left, BR_COLUMN_CATEGORY)) {
        node.op = is_not ? BR_OP_CATEGORY_PRESENT : BR_OP_CATEGORY_MISSING;
    } else {
        BR_TRY(st, br_token_fail(&p->source, left->at,
                                 "%s, which is never missing; expected a category or a number on "
                                 "the left of 'is'",
                                 br_operand_text(p, left, text)));
    }
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, br_fold(p, node, out));
done:
    return st;
}

br_status br_compare(br_expr_parser *p, const br_operand *left, br_operand *out)
{
    br_status     st     = BR_OK;
    br_token_kind kind   = p->token.kind;
    bool          is_not = kind == BR_TOKEN_NOT;

    if (is_comparison(kind)) {
        BR_TRY(st, compare(p, left, &out->node));
    } else if (kind == BR_TOKEN_IN || is_not) {
        if (is_not)
            BR_TRY(st, br_parse_next(p));
        if (p->token.kind != BR_TOKEN_IN)
            BR_TRY(st, br_parse_expected(p, "'in' after 'not'"));
        BR_TRY(st, parse_in(p, left, is_not, &out->node));
    } else if (kind == BR_TOKEN_IS) {
        BR_TRY(st, parse_is(p, left, &out->node));
    } else {
        return BR_OK;
    }
    out->kind = BR_OPERAND_TRUTH;
    if (is_comparison(p->token.kind) || p->token.kind == BR_TOKEN_IN ||
        p->token.kind == BR_TOKEN_IS)
        BR_TRY(st, br_token_fail(&p->source, p->token.at,
                                 "comparisons do not chain: join two with 'and'"));
done:
    return st;
}
