/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands on either side of a sign: columns looked up, types checked and told. */
#include <stdio.h>

#include "host/decide/expr/parser.h"

static br_status unknown_column(const br_expr_parser *p, const char *name)
{
    const char *nearest = br_columns_nearest(p->columns, name), *whose = p->columns->whose;

    if (nearest != NULL)
        return br_token_fail(&p->source, p->token.at,
                             "unknown %s column '%.80s', did you mean '%s'?", whose, name, nearest);
    if (p->wants_text)
        return br_token_fail(&p->source, p->token.at,
                             "unknown %s column '%.80s'; a text stands in quotes: '%.80s'", whose,
                             name, name);
    return br_token_fail(&p->source, p->token.at, "unknown %s column '%.80s'", whose, name);
}

br_status br_operand_name(br_expr_parser *p, br_operand *out)
{
    char    name[BR_EXPR_MAX_BYTES + 1];
    int32_t c;

    br_token_unquote(&p->token, name);
    c = br_columns_find(p->columns, name);
    if (c == BR_COLUMN_UNKNOWN)
        return unknown_column(p, name);
    if (c == BR_COLUMN_AMBIGUOUS)
        return br_token_fail(&p->source, p->token.at,
                             "several %s columns end in '.%.80s': write the one that is meant in "
                             "full",
                             p->columns->whose, name);
    if (p->columns->column[c].denied_by != NULL)
        return br_token_fail(&p->source, p->token.at, "%s column '%s' is denied by %s",
                             p->columns->whose, p->columns->column[c].name,
                             p->columns->column[c].denied_by);
    p->expr->used_C[c] = 1;
    out->kind          = BR_OPERAND_COLUMN;
    out->column        = c;
    return br_parse_next(p);
}

const char *br_operand_text(const br_expr_parser *p, const br_operand *operand, char out[128])
{
    char        shown[BR_SHOWN_BYTES];
    const char *kind = operand->kind == BR_OPERAND_TRUTH    ? "a condition"
                       : operand->kind == BR_OPERAND_NUMBER ? "a number"
                                                            : "a text";

    if (operand->kind == BR_OPERAND_COLUMN)
        (void)snprintf(out, 128, "'%.90s' is %s", p->columns->column[operand->column].name,
                       br_column_kind_text(p->columns->column[operand->column].kind));
    else
        (void)snprintf(out, 128, "%s is %s",
                       br_token_show(operand->at, operand->end - operand->at, shown), kind);
    return out;
}

bool br_operand_is(const br_expr_parser *p, const br_operand *operand, br_column_kind kind)
{
    return operand->kind == BR_OPERAND_COLUMN && p->columns->column[operand->column].kind == kind;
}

br_status br_operand_number(br_expr_parser *p, const br_operand *operand, const char *where,
                            int32_t *node)
{
    char         text[128];
    br_expr_node leaf = {.op = BR_OP_NUMBER, .left = -1, .right = -1, .column = -1};

    *node = operand->node;
    if (br_operand_is(p, operand, BR_COLUMN_NUMBER)) {
        leaf.op     = BR_OP_COLUMN;
        leaf.column = operand->column;
        return br_fold(p, leaf, node);
    }
    if (operand->kind != BR_OPERAND_NUMBER)
        return br_token_fail(&p->source, operand->at, "%s, expected a number %s",
                             br_operand_text(p, operand, text), where);
    if (operand->node >= 0)
        return BR_OK;
    if (br_value_number(p, &operand->token, &leaf.value.number) != BR_OK)
        return BR_E_USAGE;
    return br_fold(p, leaf, node);
}

br_status br_operand_truth(br_expr_parser *p, const br_operand *operand, const char *where,
                           int32_t *node)
{
    char text[128];

    *node = operand->node;
    if (operand->kind == BR_OPERAND_TRUTH)
        return BR_OK;
    return br_token_fail(&p->source, operand->at,
                         "%s, expected a condition%s%s, such as price < 20",
                         br_operand_text(p, operand, text), *where != '\0' ? " " : "", where);
}
