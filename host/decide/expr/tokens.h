/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of a condition, one after the other, and messages that say where. */
#ifndef BR_HOST_DECIDE_EXPR_TOKENS_H
#define BR_HOST_DECIDE_EXPR_TOKENS_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/expr/expr.h"

typedef enum br_token_kind {
    BR_TOKEN_END,
    BR_TOKEN_NUMBER,
    BR_TOKEN_TEXT,
    BR_TOKEN_NAME,
    BR_TOKEN_OPEN,
    BR_TOKEN_CLOSE,
    BR_TOKEN_COMMA,
    BR_TOKEN_PLUS,
    BR_TOKEN_MINUS,
    BR_TOKEN_TIMES,
    BR_TOKEN_EQ, /* from here to GE: comparisons */
    BR_TOKEN_NE,
    BR_TOKEN_LT,
    BR_TOKEN_LE,
    BR_TOKEN_GT,
    BR_TOKEN_GE,
    BR_TOKEN_AND, /* from here on: words, in any case of letters */
    BR_TOKEN_OR,
    BR_TOKEN_NOT,
    BR_TOKEN_IN,
    BR_TOKEN_IS,
    BR_TOKEN_MISSING,
    BR_TOKEN_HAS,
    BR_TOKEN_TRUE,
    BR_TOKEN_FALSE,
} br_token_kind;

typedef struct br_token {
    br_token_kind kind;
    const char   *at; /* in the source, with its quotes */
    int32_t       n_bytes;
} br_token;

typedef struct br_token_source {
    const char *what; /* the condition's name in messages */
    const char *text;
} br_token_source;

/* The token after *token; the first when token->at is NULL. */
br_status br_token_next(const br_token_source *source, br_token *token);

/* The text or name without quotes, doubled quotes made one; out has BR_EXPR_MAX_BYTES + 1 bytes. */
void br_token_unquote(const br_token *token, char *out);

/* "<what>: column <n>: <message>", as BR_E_USAGE. */
br_status br_token_fail(const br_token_source *source, const char *at, const char *fmt, ...)
    BR_PRINTF(3, 4);

#define BR_SHOWN_BYTES 64

/* Source from `at`, at most 48 bytes of it, else cut with "..."; "the end" when n_bytes is 0. */
const char *br_token_show(const char *at, int64_t n_bytes, char out[BR_SHOWN_BYTES]);

#endif
