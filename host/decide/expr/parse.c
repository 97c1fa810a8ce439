/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar, from loosest to tightest: or, and, not, one comparison, + and -, *, sign, operand.
 * Called once per condition at load. */
#include <stdio.h>

#include "host/decide/expr/parser.h"

static br_status parse_or(br_expr_parser *p, br_operand *out);

br_status br_parse_next(br_expr_parser *p)
{
    p->end = p->token.at == NULL ? p->source.text : p->token.at + p->token.n_bytes;
    return br_token_next(&p->source, &p->token);
}

br_status br_parse_expected(const br_expr_parser *p, const char *expected)
{
    bool        is_sign = p->token.kind >= BR_TOKEN_OPEN && p->token.kind <= BR_TOKEN_GE;
    const char *quote   = is_sign ? "'" : "";
    char        shown[BR_SHOWN_BYTES];

    return br_token_fail(&p->source, p->token.at, "found %s%s%s, expected %s", quote,
                         br_token_show(p->token.at, p->token.n_bytes, shown), quote, expected);
}

static br_status deeper(br_expr_parser *p)
{
    if (++p->depth > BR_EXPR_MAX_DEPTH)
        return br_token_fail(&p->source, p->token.at, "nested more than %d deep",
                             BR_EXPR_MAX_DEPTH);
    return BR_OK;
}

static br_status take(br_expr_parser *p, br_token_kind kind, const char *expected)
{
    return p->token.kind == kind ? br_parse_next(p) : br_parse_expected(p, expected);
}

static br_status add_truth(br_expr_parser *p, br_expr_node node, br_operand *out)
{
    out->kind = BR_OPERAND_TRUTH;
    return br_fold(p, node, &out->node);
}

/* has(segment, 3) */
static br_status parse_has(br_expr_parser *p, br_operand *out)
{
    br_status    st   = BR_OK;
    br_expr_node node = {.op = BR_OP_HAS, .left = -1, .right = -1};
    br_operand   bits = {0};
    char         text[128];
    float        bit;

    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, take(p, BR_TOKEN_OPEN, "'(' after has, as in has(segment, 3)"));
    if (p->token.kind != BR_TOKEN_NAME)
        BR_TRY(st, br_parse_expected(p, "a column of bits, as in has(segment, 3)"));
    bits.at = p->token.at;
    BR_TRY(st, br_operand_name(p, &bits));
    if (!br_operand_is(p, &bits, BR_COLUMN_BITS))
        BR_TRY(st, br_token_fail(&p->source, bits.at, "%s, expected a set of bits in has()",
                                 br_operand_text(p, &bits, text)));
    node.column = bits.column;
    BR_TRY(st, take(p, BR_TOKEN_COMMA, "',' and the bit, as in has(segment, 3)"));
    if (p->token.kind != BR_TOKEN_NUMBER)
        BR_TRY(st, br_parse_expected(p, "the bit, 0 to 63"));
    BR_TRY(st, br_value_number(p, &p->token, &bit));
    if (bit != (float)(int32_t)(bit < 64.0f ? bit : -1.0f))
        BR_TRY(st, br_parse_expected(p, "the bit, 0 to 63"));
    node.value.bit = (int32_t)bit;
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, take(p, BR_TOKEN_CLOSE, "')' after the bit"));
    BR_TRY(st, add_truth(p, node, out));
done:
    return st;
}

static br_status parse_bracket(br_expr_parser *p, br_operand *out)
{
    br_status   st = BR_OK;
    const char *at = p->token.at;

    BR_TRY(st, deeper(p));
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, parse_or(p, out));
    if (p->token.kind != BR_TOKEN_CLOSE)
        BR_TRY(st, br_parse_expected(p, "')', 'and' or 'or'"));
    BR_TRY(st, br_parse_next(p));
    p->depth--;
    out->at = at;
done:
    return st;
}

static br_status parse_operand(br_expr_parser *p, br_operand *out)
{
    br_expr_node truth = {.op = BR_OP_TRUTH, .left = -1, .right = -1, .column = -1};
    br_status    st    = BR_OK;

    *out = (br_operand){.node = -1, .column = -1, .token = p->token, .at = p->token.at};
    switch (p->token.kind) {
    case BR_TOKEN_NUMBER:
    case BR_TOKEN_TEXT:
        out->kind = p->token.kind == BR_TOKEN_TEXT ? BR_OPERAND_TEXT : BR_OPERAND_NUMBER;
        BR_TRY(st, br_parse_next(p));
        break;
    case BR_TOKEN_NAME:
        BR_TRY(st, br_operand_name(p, out));
        break;
    case BR_TOKEN_TRUE:
    case BR_TOKEN_FALSE:
        truth.value.truth = p->token.kind == BR_TOKEN_TRUE;
        BR_TRY(st, add_truth(p, truth, out));
        BR_TRY(st, br_parse_next(p));
        break;
    case BR_TOKEN_HAS:
        BR_TRY(st, parse_has(p, out));
        break;
    case BR_TOKEN_OPEN:
        BR_TRY(st, parse_bracket(p, out));
        break;
    default:
        BR_TRY(st, br_parse_expected(p, "a column, a number, a text or '('"));
    }
    out->end = p->end;
done:
    return st;
}

static br_status parse_sign(br_expr_parser *p, br_operand *out)
{
    br_status    st   = BR_OK;
    br_expr_node node = {.op = BR_OP_NEGATE, .right = -1, .column = -1};
    const char  *at   = p->token.at;

    if (p->token.kind != BR_TOKEN_MINUS)
        return parse_operand(p, out);
    BR_TRY(st, deeper(p));
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, parse_sign(p, out));
    BR_TRY(st, br_operand_number(p, out, "after '-'", &node.left));
    out->kind = BR_OPERAND_NUMBER;
    out->at   = at;
    BR_TRY(st, br_fold(p, node, &out->node));
    p->depth--;
done:
    return st;
}

/* *out becomes the join of itself and `right`, numbers or truths by the operation. */
static br_status join(br_expr_parser *p, br_expr_op op, const char *sign, br_operand *out,
                      const br_operand *right)
{
    br_status    st       = BR_OK;
    br_expr_node node     = {.op = op, .column = -1};
    bool         is_truth = op == BR_OP_AND || op == BR_OP_OR;
    char         left_of[32], right_of[32];

    (void)snprintf(left_of, sizeof left_of, "on the left of '%s'", sign);
    (void)snprintf(right_of, sizeof right_of, "on the right of '%s'", sign);
    if (is_truth) {
        BR_TRY(st, br_operand_truth(p, out, left_of, &node.left));
        BR_TRY(st, br_operand_truth(p, right, right_of, &node.right));
    } else {
        BR_TRY(st, br_operand_number(p, out, left_of, &node.left));
        BR_TRY(st, br_operand_number(p, right, right_of, &node.right));
    }
    out->kind = is_truth ? BR_OPERAND_TRUTH : BR_OPERAND_NUMBER;
    out->end  = right->end;
    BR_TRY(st, br_fold(p, node, &out->node));
done:
    return st;
}

static br_status parse_product(br_expr_parser *p, br_operand *out)
{
    br_status  st = BR_OK;
    br_operand right;

    BR_TRY(st, parse_sign(p, out));
    while (p->token.kind == BR_TOKEN_TIMES) {
        BR_TRY(st, br_parse_next(p));
        BR_TRY(st, parse_sign(p, &right));
        BR_TRY(st, join(p, BR_OP_MULTIPLY, "*", out, &right));
    }
done:
    return st;
}

br_status br_parse_sum(br_expr_parser *p, br_operand *out)
{
    br_status  st = BR_OK;
    br_operand right;

    BR_TRY(st, parse_product(p, out));
    while (p->token.kind == BR_TOKEN_PLUS || p->token.kind == BR_TOKEN_MINUS) {
        bool is_plus = p->token.kind == BR_TOKEN_PLUS;

        BR_TRY(st, br_parse_next(p));
        BR_TRY(st, parse_product(p, &right));
        BR_TRY(st, join(p, is_plus ? BR_OP_ADD : BR_OP_SUBTRACT, is_plus ? "+" : "-", out, &right));
    }
done:
    return st;
}

static br_status parse_comparison(br_expr_parser *p, br_operand *out)
{
    br_status  st = BR_OK;
    br_operand left;

    BR_TRY(st, br_parse_sum(p, &left));
    *out = left;
    BR_TRY(st, br_compare(p, &left, out));
    out->at  = left.at;
    out->end = p->end;
done:
    return st;
}

static br_status parse_not(br_expr_parser *p, br_operand *out)
{
    br_status    st   = BR_OK;
    br_expr_node node = {.op = BR_OP_NOT, .right = -1, .column = -1};
    const char  *at   = p->token.at;

    if (p->token.kind != BR_TOKEN_NOT)
        return parse_comparison(p, out);
    BR_TRY(st, deeper(p));
    BR_TRY(st, br_parse_next(p));
    BR_TRY(st, parse_not(p, out));
    BR_TRY(st, br_operand_truth(p, out, "after 'not'", &node.left));
    BR_TRY(st, add_truth(p, node, out));
    out->at = at;
    p->depth--;
done:
    return st;
}

static br_status parse_and(br_expr_parser *p, br_operand *out)
{
    br_status  st = BR_OK;
    br_operand right;

    BR_TRY(st, parse_not(p, out));
    while (p->token.kind == BR_TOKEN_AND) {
        BR_TRY(st, br_parse_next(p));
        BR_TRY(st, parse_not(p, &right));
        BR_TRY(st, join(p, BR_OP_AND, "and", out, &right));
    }
done:
    return st;
}

static br_status parse_or(br_expr_parser *p, br_operand *out)
{
    br_status  st = BR_OK;
    br_operand right;

    BR_TRY(st, parse_and(p, out));
    while (p->token.kind == BR_TOKEN_OR) {
        BR_TRY(st, br_parse_next(p));
        BR_TRY(st, parse_and(p, &right));
        BR_TRY(st, join(p, BR_OP_OR, "or", out, &right));
    }
done:
    return st;
}

br_status br_parse(br_expr_parser *p, int32_t *root)
{
    br_status  st = BR_OK;
    br_operand all;

    BR_TRY(st, br_parse_next(p));
    if (p->token.kind == BR_TOKEN_END)
        BR_TRY(st, br_token_fail(&p->source, p->token.at,
                                 "found nothing, expected a condition such as price < 20"));
    BR_TRY(st, parse_or(p, &all));
    if (p->token.kind != BR_TOKEN_END)
        BR_TRY(st, br_parse_expected(p, "'and', 'or' or the end"));
    BR_TRY(st, br_operand_truth(p, &all, "", root));
done:
    return st;
}
