/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules at load: conditions compiled, equal conditions on customers found. */
#include "host/decide/rules/rules.h"

#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/rules/ruleset.h"

#define NAME_BYTES 256

/* The place of the condition among `when`; it is freed where an equal one is there. */
static int32_t keep_when(br_rules *rules, br_expr **when)
{
    if (br_expr_constant_of(*when) == BR_EXPR_ALWAYS)
        return BR_WHEN_EVERYONE;
    if (br_expr_constant_of(*when) == BR_EXPR_NEVER)
        return BR_WHEN_NEVER;
    for (int32_t w = 0; w < rules->n_whens; w++)
        if (br_expr_same(rules->when[w], *when))
            return w;
    rules->when[rules->n_whens] = *when;
    *when                       = NULL;
    return rules->n_whens++;
}

static br_status compile_rule(const br_rule *rule, const br_columns *customers,
                              const br_columns *items, br_rules *rules)
{
    br_status         st       = BR_OK;
    br_compiled_rule *c        = &rules->rule[rules->n_rules++];
    br_expr          *when     = NULL;
    bool              has_when = rule->when != NULL && rule->when[0] != '\0';
    char              name[NAME_BYTES];

    c->kind = rule->kind;
    c->when = BR_WHEN_EVERYONE;
    if (rule->kind == BR_RULE_MATCH) {
        if (has_when)
            BR_FAIL(st, BR_E_USAGE, "%s.when: a match is for every customer, expected no condition",
                    rule->name);
        BR_TRY(st, br_match_create(rule, customers, items, &c->match));
        rules->customer_used_C[c->match->customer_column] = 1;
        rules->item_used_C[c->match->item_column]         = 1;
    } else {
        (void)snprintf(name, sizeof name, "%s.%s", rule->name,
                       rule->kind == BR_RULE_ONLY ? "only" : "never");
        BR_TRY(st, br_expr_compile(name, rule->item, items, &c->item));
        br_expr_columns(c->item, rules->item_used_C);
        (void)snprintf(name, sizeof name, "%s.when", rule->name);
        if (has_when) {
            BR_TRY(st, br_expr_compile(name, rule->when, customers, &when));
            br_expr_columns(when, rules->customer_used_C);
            c->when = keep_when(rules, &when);
        }
    }
    c->info.is_for_everyone = c->when == BR_WHEN_EVERYONE;
    c->info.never_applies   = c->when == BR_WHEN_NEVER;
done:
    br_expr_free(&when);
    return st;
}

br_status br_rules_compile(const br_rule *rule_R, int32_t n_rules, const br_columns *customers,
                           const br_columns *items, br_rules **out)
{
    br_status st    = BR_OK;
    br_rules *rules = NULL;

    *out = NULL;
    if (n_rules > BR_RULES_MAX)
        BR_FAIL(st, BR_E_USAGE, "%s: found %d rules on items, at most %d", rule_R[0].name, n_rules,
                BR_RULES_MAX);
    BR_ALLOC(st, rules, 1, "rules");
    rules->n_customer_columns = customers->n_columns;
    rules->n_item_columns     = items->n_columns;
    BR_ALLOC(st, rules->customer_used_C, customers->n_columns, "columns of rules");
    BR_ALLOC(st, rules->item_used_C, items->n_columns, "columns of rules");
    for (int32_t r = 0; r < n_rules; r++)
        BR_TRY(st, compile_rule(&rule_R[r], customers, items, rules));
    *out  = rules;
    rules = NULL;
done:
    br_rules_free(&rules);
    return st;
}

void br_rules_free(br_rules **rules)
{
    if (*rules == NULL)
        return;
    for (int32_t r = 0; r < (*rules)->n_rules; r++) {
        br_expr_free(&(*rules)->rule[r].item);
        br_match_free(&(*rules)->rule[r].match);
    }
    for (int32_t w = 0; w < (*rules)->n_whens; w++)
        br_expr_free(&(*rules)->when[w]);
    br_free(&(*rules)->customer_used_C);
    br_free(&(*rules)->item_used_C);
    br_free(rules);
}

static void mark(const uint8_t *from_C, int32_t n, uint8_t *used_C)
{
    for (int32_t c = 0; c < n; c++)
        if (from_C[c] != 0)
            used_C[c] = 1;
}

void br_rules_columns(const br_rules *rules, uint8_t *customer_used_C, uint8_t *item_used_C)
{
    mark(rules->customer_used_C, rules->n_customer_columns, customer_used_C);
    mark(rules->item_used_C, rules->n_item_columns, item_used_C);
}

br_rule_info br_rules_info(const br_rules *rules, int32_t rule)
{
    return rules->rule[rule].info;
}

uint64_t br_rules_bits(const br_rules *rules)
{
    return rules->rule_bits;
}
