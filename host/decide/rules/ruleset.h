/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the rules: what is kept of them between load, catalogue and customers. */
#ifndef BR_HOST_DECIDE_RULES_RULESET_H
#define BR_HOST_DECIDE_RULES_RULESET_H

#include "host/decide/expr/expr.h"
#include "host/decide/rules/rules.h"

#define BR_RULES_BLOCK 1024

/* Categories of customers and items, joined by name; C: the customer column's, I: the item's. */
typedef struct br_match {
    int32_t   customer_column, item_column;
    int32_t   n_customer_names, n_item_names;
    int32_t  *item_of_C;  /* the item category of that name; -1: none */
    uint8_t  *is_known_I; /* a customer category has the name */
    int64_t  *n_items_I;
    int64_t   n_items; /* with a category */
    int32_t   n_bits;
    uint64_t *require_I; /* 0: of no listable item */
    uint64_t *have_C1;   /* by customer category + 1 */
    int64_t  *forbidden_C1;
} br_match;

#define BR_WHEN_EVERYONE (-1)
#define BR_WHEN_NEVER    (-2)

typedef struct br_compiled_rule {
    br_rule_kind kind;
    int32_t      when;  /* index into br_rules.when */
    br_expr     *item;  /* NULL: a match */
    br_match    *match; /* NULL: none */
    br_rule_info info;
} br_compiled_rule;

struct br_rules {
    int32_t          n_rules;
    br_compiled_rule rule[BR_RULES_MAX];
    int32_t          n_whens;
    br_expr         *when[BR_RULES_MAX];     /* no two the same */
    uint64_t         when_bit[BR_RULES_MAX]; /* of the word; 0: forbids no listable item */
    uint64_t         catalogue_bits, rule_bits;
    int32_t          n_customer_columns, n_item_columns;
    uint8_t         *customer_used_C, *item_used_C;
};

/* --- match.c --- */
br_status br_match_create(const br_rule *rule, const br_columns *customers, const br_columns *items,
                          br_match **out);
void      br_match_free(br_match **match);
int32_t   br_match_code(const br_columns *columns, int32_t column, int64_t row);
/* Counts items; gives those of a category unknown to customers the reason. */
void      br_match_count(br_match *match, const br_columns *items, int64_t n_items, uint8_t reason,
                         uint8_t *reason_N);
/* How many bits the categories of listable items take; fills n_bits. */
void      br_match_measure(br_match *match, const br_columns *items, int64_t n_items,
                           const uint8_t *reason_N);
/* Gives each category its combination out of the lowest n_bits of `free_bits`; returns those. */
uint64_t  br_match_assign(br_match *match, uint64_t free_bits);

#endif
