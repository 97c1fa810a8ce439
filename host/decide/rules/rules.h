/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules on which items a customer may be shown, compiled to the 64 bits that score_topk looks at:
 * an item is eligible iff (have & require) == require. Rules act before selection, so lists stay
 * exact. In order: br_rules_compile at load, from names and kinds alone; br_rules_items once, when
 * the catalogue is there; br_rules_have for each block of customers; br_rules_forbid for one pair.
 */
#ifndef BR_HOST_DECIDE_RULES_RULES_H
#define BR_HOST_DECIDE_RULES_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/columns.h"

#define BR_RULES_MAX 64

typedef enum br_rule_kind {
    BR_RULE_ONLY,  /* where `when` holds: only items for which `item` holds */
    BR_RULE_NEVER, /* where `when` holds: no item for which `item` holds */
    BR_RULE_MATCH, /* the customer's category and the item's have the same name */
} br_rule_kind;

/* A match forbids a customer without a category, or with one that no item has, all items that have
 * one; an item without a category is free for all. */
typedef struct br_rule {
    const char  *name; /* "rules.items[2]", in messages */
    br_rule_kind kind;
    const char  *when;     /* condition on customers; NULL or "": everyone */
    const char  *item;     /* condition on items; MATCH: an item column */
    const char  *customer; /* MATCH: a customer column */
} br_rule;

typedef struct br_rules br_rules;

/* Conditions are compiled and types checked; no data. BR_E_USAGE names rule, place and what was
 * expected (host/decide/expr/expr.h). */
br_status br_rules_compile(const br_rule *rule_R, int32_t n_rules, const br_columns *customers,
                           const br_columns *items, br_rules **out);
void      br_rules_free(br_rules **rules);

/* used[c] = 1 for the columns that rules name; others are left alone. */
void br_rules_columns(const br_rules *rules, uint8_t *customer_used_C, uint8_t *item_used_C);

/* items: the whole catalogue
 *   in     the item columns with data; segment_N, the catalogue's own required bits (NULL: none)
 *   out    require_N: segment_N with the rules' bits; reason_N: 0, or 1 + the first rule that
 *          forbids the item to everyone (such an item is not to be scored: it gets no rule bits)
 *   bits   those of segment_N keep their meaning. A `when` takes one bit, also for many rules; so
 *          do several that forbid the same items; a match of C categories takes the fewest bits
 *          with C combinations of half of them (6: 4, 20: 6, 252: 10, 3,432: 14). More than are
 * free is BR_E_USAGE. cost   one evaluation per rule and item, and 64 * N steps May be called once.
 */
br_status br_rules_items(br_rules *rules, const br_columns *items, int64_t n_items,
                         const uint64_t *segment_N, uint64_t *require_N, uint8_t *reason_N);

typedef struct br_rule_count {
    int64_t n_customers; /* to whom the rule applied; a match applies to all */
    int64_t n_pairs;     /* items it forbade them, whatever other rules say */
} br_rule_count;

/* have: a block of customers, rows 0 .. n_rows-1 of the columns' data
 *   in     segment_B, the customers' own bits (NULL: they have all that the catalogue requires)
 *   out    have_B; count_R is added to (NULL: not wanted)
 * Pure: any number of threads; allocates nothing; 60 KiB of stack. */
void br_rules_have(const br_rules *rules, const br_columns *customers, int64_t n_rows,
                   const uint64_t *segment_B, uint64_t *have_B, br_rule_count *count_R);

typedef struct br_rule_info {
    bool    is_for_everyone; /* no condition on customers, or one that always holds */
    bool    never_applies;   /* a condition that no customer can meet */
    int64_t n_items;         /* forbidden where it applies; a match: items with a category */
} br_rule_info;

/* n_items is known after br_rules_items. */
br_rule_info br_rules_info(const br_rules *rules, int32_t rule);
/* The bits that rules took of the word. */
uint64_t     br_rules_bits(const br_rules *rules);

/* Bit r: rule r forbids this customer that item. Evaluates the conditions anew, not the bits. */
uint64_t br_rules_forbid(const br_rules *rules, const br_columns *customers, int64_t customer_row,
                         const br_columns *items, int64_t item_row);

#endif
