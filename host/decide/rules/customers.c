/* SPDX-License-Identifier: Apache-2.0
 *
 * The customers' side: bits for blocks of them, called for every customer of a run; and the verdict
 * on one pair. */
#include <string.h>

#include "host/decide/rules/ruleset.h"

/* Rules with that condition applied to n customers more. */
static void count_when(const br_rules *rules, int32_t when, int64_t n, br_rule_count *count_R)
{
    for (int32_t r = 0; r < rules->n_rules; r++) {
        if (rules->rule[r].match != NULL || rules->rule[r].when != when)
            continue;
        count_R[r].n_customers += n;
        count_R[r].n_pairs += n * rules->rule[r].info.n_items;
    }
}

/* A customer loses the bit of a condition that holds. */
static void apply_whens(const br_rules *rules, const br_columns *customers, int64_t first,
                        int64_t n, uint64_t *have_B, br_rule_count *count_R)
{
    uint8_t holds[BR_RULES_BLOCK];

    for (int32_t w = 0; w < rules->n_whens; w++) {
        uint64_t bit     = rules->when_bit[w];
        int64_t  n_holds = 0;

        if (bit == 0 && count_R == NULL)
            continue;
        br_expr_eval(rules->when[w], customers, first, n, holds);
        for (int64_t i = 0; i < n; i++) {
            have_B[i] &= ~(holds[i] ? bit : 0);
            n_holds += holds[i];
        }
        if (count_R != NULL)
            count_when(rules, w, n_holds, count_R);
    }
}

static void apply_match(const br_match *match, const br_columns *customers, int64_t first,
                        int64_t n, uint64_t *have_B, br_rule_count *count)
{
    int64_t n_pairs = 0;

    for (int64_t i = 0; i < n; i++) {
        int32_t code = br_match_code(customers, match->customer_column, first + i);

        have_B[i] |= match->have_C1[code + 1];
        n_pairs += match->forbidden_C1[code + 1];
    }
    if (count != NULL) {
        count->n_customers += n;
        count->n_pairs += n_pairs;
    }
}

void br_rules_have(const br_rules *rules, const br_columns *customers, int64_t n_rows,
                   const uint64_t *segment_B, uint64_t *have_B, br_rule_count *count_R)
{
    uint64_t when_bits = 0;

    for (int32_t w = 0; w < rules->n_whens; w++)
        when_bits |= rules->when_bit[w];
    for (int64_t i = 0; i < n_rows; i++)
        have_B[i] =
            (segment_B != NULL ? segment_B[i] & rules->catalogue_bits : rules->catalogue_bits) |
            when_bits;
    for (int64_t first = 0; first < n_rows; first += BR_RULES_BLOCK) {
        int64_t n = n_rows - first < BR_RULES_BLOCK ? n_rows - first : BR_RULES_BLOCK;

        apply_whens(rules, customers, first, n, have_B + first, count_R);
        for (int32_t r = 0; r < rules->n_rules; r++)
            if (rules->rule[r].match != NULL)
                apply_match(rules->rule[r].match, customers, first, n, have_B + first,
                            count_R != NULL ? &count_R[r] : NULL);
    }
    if (count_R != NULL)
        count_when(rules, BR_WHEN_EVERYONE, n_rows, count_R);
}

static bool holds_for(const br_expr *expr, const br_columns *columns, int64_t row)
{
    uint8_t holds;

    br_expr_eval(expr, columns, row, 1, &holds);
    return holds != 0;
}

static bool is_mismatch(const br_match *match, const br_columns *customers, int64_t customer_row,
                        const br_columns *items, int64_t item_row)
{
    int32_t of_customer = br_match_code(customers, match->customer_column, customer_row);
    int32_t of_item     = br_match_code(items, match->item_column, item_row);

    if (of_item < 0)
        return false;
    return of_customer < 0 || match->item_of_C[of_customer] != of_item;
}

uint64_t br_rules_forbid(const br_rules *rules, const br_columns *customers, int64_t customer_row,
                         const br_columns *items, int64_t item_row)
{
    uint64_t forbidden = 0;

    for (int32_t r = 0; r < rules->n_rules; r++) {
        const br_compiled_rule *rule = &rules->rule[r];
        bool                    forbids;

        if (rule->match != NULL)
            forbids = is_mismatch(rule->match, customers, customer_row, items, item_row);
        else if (rule->when == BR_WHEN_NEVER ||
                 (rule->when >= 0 && !holds_for(rules->when[rule->when], customers, customer_row)))
            forbids = false;
        else
            forbids = holds_for(rule->item, items, item_row) == (rule->kind == BR_RULE_NEVER);
        forbidden |= (uint64_t)forbids << r;
    }
    return forbidden;
}
