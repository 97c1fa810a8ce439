/* SPDX-License-Identifier: Apache-2.0
 *
 * Literals: numbers, and texts that must be a category or a key of a column. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/nearest.h"
#include "host/decide/expr/parser.h"

/* Finding the nearest name costs 4,096 steps per name. */
#define NEAREST_MAX 10000

br_status br_value_number(const br_expr_parser *p, const br_token *token, float *out)
{
    *out = strtof(token->at, NULL);
    if (isinf(*out))
        return br_token_fail(&p->source, token->at,
                             "%.*s is too large: numbers are 32-bit, at most 3.4e38",
                             token->n_bytes < 40 ? token->n_bytes : 40, token->at);
    return BR_OK;
}

br_status br_value_code(const br_expr_parser *p, int32_t column, const br_token *token,
                        int32_t *code)
{
    const br_column *c       = &p->columns->column[column];
    const char      *nearest = NULL;
    char             name[BR_EXPR_MAX_BYTES + 1];

    br_token_unquote(token, name);
    for (*code = 0; *code < c->n_names; (*code)++)
        if (strcmp(c->names_C[*code], name) == 0)
            return BR_OK;
    if (c->n_names <= NEAREST_MAX)
        nearest = br_nearest(name, c->names_C, c->n_names);
    if (nearest != NULL)
        return br_token_fail(&p->source, token->at,
                             "'%.80s' is no category of '%s', did you mean '%.80s'?", name, c->name,
                             nearest);
    return br_token_fail(&p->source, token->at, "'%.80s' is no category of '%s' (it has %d)", name,
                         c->name, c->n_names);
}

br_status br_value_key(const br_expr_parser *p, int32_t column, const br_token *token, void *key)
{
    const br_column *c = &p->columns->column[column];
    char             text[BR_EXPR_MAX_BYTES + 1];
    uint64_t         number;

    br_token_unquote(token, text);
    if (c->key_bytes > 0) {
        size_t n = strlen(text);

        if (n > (size_t)c->key_bytes)
            return br_token_fail(&p->source, token->at,
                                 "'%.80s' has %zu bytes, no '%s' has more than %d", text, n,
                                 c->name, c->key_bytes);
        memcpy(key, text, n);
        return BR_OK;
    }
    errno  = 0;
    number = strtoull(text, NULL, 10);
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' || errno != 0)
        return br_token_fail(&p->source, token->at,
                             "'%.80s' is no '%s', expected a whole number below 2^64", text,
                             c->name);
    memcpy(key, &number, sizeof number);
    return BR_OK;
}

br_status br_value_set(br_expr_parser *p, int32_t n, int32_t width_bytes, int32_t *set)
{
    br_status    st = BR_OK;
    br_expr_set *s;

    if (p->expr->n_sets == BR_EXPR_MAX_NODES)
        return br_token_fail(&p->source, p->token.at, "more than %d parts", BR_EXPR_MAX_NODES);
    *set = p->expr->n_sets;
    s    = &p->expr->set[*set];
    BR_TRY(st, br_alloc(n, (size_t)width_bytes, "values of a condition", &s->data));
    s->n           = n;
    s->width_bytes = width_bytes;
    p->expr->n_sets++;
done:
    return st;
}

static int by_bytes(const void *a, const void *b, void *width_bytes)
{
    return memcmp(a, b, (size_t) * (const int32_t *)width_bytes);
}

void br_value_sort(br_expr_set *set)
{
    qsort_r(set->data, (size_t)set->n, (size_t)set->width_bytes, by_bytes, &set->width_bytes);
}
