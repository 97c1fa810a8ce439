/* SPDX-License-Identifier: Apache-2.0
 *
 * Text -> typed tree: what the files of the parser share. */
#ifndef BR_HOST_DECIDE_EXPR_PARSER_H
#define BR_HOST_DECIDE_EXPR_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/decide/expr/tokens.h"
#include "host/decide/expr/tree.h"

typedef struct br_expr_parser {
    br_token_source   source;
    const br_columns *columns;
    br_expr          *expr; /* sets and used columns are noted here */
    br_token          token;
    const char       *end;        /* of the last token taken */
    bool              wants_text; /* for a hint: this name is compared with a category */
    int32_t           depth;
    int32_t           n_nodes;
    br_expr_node      node[BR_EXPR_MAX_NODES];
} br_expr_parser;

typedef enum {
    BR_OPERAND_TRUTH,
    BR_OPERAND_NUMBER,
    BR_OPERAND_TEXT,
    BR_OPERAND_COLUMN
} br_operand_kind;

/* A part of the text with its type. Literals and columns become nodes when numbers are wanted. */
typedef struct br_operand {
    br_operand_kind kind;
    int32_t         node;     /* of a truth or number; -1: a literal, `token` */
    int32_t         column;   /* of a column */
    br_token        token;    /* of a literal */
    const char     *at, *end; /* in the source */
} br_operand;

/* --- parse.c --- */
br_status br_parse_next(br_expr_parser *p);
/* "found X, expected ..." at the current token. */
br_status br_parse_expected(const br_expr_parser *p, const char *expected);
br_status br_parse_sum(br_expr_parser *p, br_operand *out);
br_status br_parse(br_expr_parser *p, int32_t *root);

/* --- operand.c --- */
br_status   br_operand_name(br_expr_parser *p, br_operand *out); /* the current token, a name */
/* "'region' is a category", "price * 2 is a number" */
const char *br_operand_text(const br_expr_parser *p, const br_operand *operand, char out[128]);
bool        br_operand_is(const br_expr_parser *p, const br_operand *operand, br_column_kind kind);
/* The node of a number or a truth; else "X is ..., expected a number|condition <where>". */
br_status   br_operand_number(br_expr_parser *p, const br_operand *operand, const char *where,
                              int32_t *node);
br_status   br_operand_truth(br_expr_parser *p, const br_operand *operand, const char *where,
                             int32_t *node);

/* --- compare.c: operand, comparison -> truth --- */
br_status br_compare(br_expr_parser *p, const br_operand *left, br_operand *out);

/* --- values.c: literals compared with categories and keys --- */
br_status br_value_number(const br_expr_parser *p, const br_token *token, float *out);
br_status br_value_code(const br_expr_parser *p, int32_t column, const br_token *token,
                        int32_t *code);
br_status br_value_set(br_expr_parser *p, int32_t n, int32_t width_bytes, int32_t *set);
br_status br_value_key(const br_expr_parser *p, int32_t column, const br_token *token, void *key);
void      br_value_sort(br_expr_set *set);

/* --- fold.c: adds a node, or a simpler one that means the same --- */
br_status br_fold(br_expr_parser *p, br_expr_node node, int32_t *out);

#endif
