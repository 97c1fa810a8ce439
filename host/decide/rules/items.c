/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue's side: which items each rule forbids, and the bits that say so. Called once per
 * run. While it works, require_N holds one bit for each `when` that forbids the item. */
#include <string.h>

#include "host/decide/rules/ruleset.h"

/* Items that a rule forbids where it applies: to `when` or, if for everyone, as a reason. */
static void forbid_items(br_rules *rules, int32_t r, const br_columns *items, int64_t n_items,
                         uint64_t *when_N, uint8_t *reason_N)
{
    br_compiled_rule *rule = &rules->rule[r];
    uint8_t           holds[BR_RULES_BLOCK], forbids = rule->kind == BR_RULE_NEVER;
    uint64_t          when   = rule->when >= 0 ? (uint64_t)1 << rule->when : 0;
    uint8_t           reason = rule->when == BR_WHEN_EVERYONE ? (uint8_t)(r + 1) : 0;

    for (int64_t first = 0; first < n_items; first += BR_RULES_BLOCK) {
        int64_t n = n_items - first < BR_RULES_BLOCK ? n_items - first : BR_RULES_BLOCK;

        br_expr_eval(rule->item, items, first, n, holds);
        for (int64_t i = 0; i < n; i++) {
            bool is_forbidden = holds[i] == forbids;

            rule->info.n_items += is_forbidden;
            when_N[first + i] |= is_forbidden ? when : 0;
            if (is_forbidden && reason_N[first + i] == 0)
                reason_N[first + i] = reason;
        }
    }
}

/* differs_W[w]: the whens that differ from w on some item. */
static void compare_whens(int32_t n_whens, const uint64_t *when_N, int64_t n_items,
                          uint64_t *differs_W, uint64_t *used)
{
    uint64_t last = 0;

    memset(differs_W, 0, (size_t)n_whens * sizeof *differs_W);
    *used = 0;
    for (int64_t i = 0; i < n_items; i++) {
        if (when_N[i] == last) /* neighbours are often alike; no bit at all: no difference */
            continue;
        last = when_N[i];
        *used |= last;
        for (int32_t w = 0; w < n_whens; w++)
            differs_W[w] |= last ^ (last >> w & 1 ? ~(uint64_t)0 : 0);
    }
}

/* first_W[w]: the first when that forbids the same items, whose bit w shares; -1: it forbids none.
 * Returns how many bits that takes. */
static int32_t share_bits(const br_rules *rules, const uint64_t *when_N, int64_t n_items,
                          int32_t *first_W)
{
    uint64_t differs[BR_RULES_MAX], used;
    int32_t  n_bits = 0;

    compare_whens(rules->n_whens, when_N, n_items, differs, &used);
    for (int32_t w = 0; w < rules->n_whens; w++) {
        if ((used >> w & 1) == 0) {
            first_W[w] = -1;
            continue;
        }
        first_W[w] = __builtin_ctzll(~differs[w]); /* w itself at the latest */
        n_bits += first_W[w] == w;
    }
    return n_bits;
}

static br_status check_room(const br_rules *rules, int32_t n_bits)
{
    int32_t n_free = __builtin_popcountll(~rules->catalogue_bits), n_match_bits = 0;

    for (int32_t r = 0; r < rules->n_rules; r++)
        if (rules->rule[r].match != NULL)
            n_match_bits += rules->rule[r].match->n_bits;
    if (n_bits + n_match_bits > n_free)
        return br_fail(BR_E_USAGE,
                       "rules on items need %d bits (%d for conditions on customers, %d for "
                       "matches), %d of 64 are free: /item/segment uses %d; rules with the same "
                       "condition share a bit",
                       n_bits + n_match_bits, n_bits, n_match_bits, n_free, 64 - n_free);
    return BR_OK;
}

static void assign_bits(br_rules *rules, const int32_t *first_W)
{
    uint64_t free_bits = ~rules->catalogue_bits;

    for (int32_t w = 0; w < rules->n_whens; w++) {
        if (first_W[w] < 0)
            continue;
        if (first_W[w] < w) {
            rules->when_bit[w] = rules->when_bit[first_W[w]];
            continue;
        }
        rules->when_bit[w] = free_bits & -free_bits;
        free_bits &= free_bits - 1;
    }
    for (int32_t r = 0; r < rules->n_rules; r++)
        if (rules->rule[r].match != NULL)
            free_bits &= ~br_match_assign(rules->rule[r].match, free_bits);
    rules->rule_bits = ~rules->catalogue_bits & ~free_bits;
}

static uint64_t bits_of_item(const br_rules *rules, const br_columns *items, int64_t item,
                             uint64_t whens)
{
    uint64_t bits = 0;

    for (; whens != 0; whens &= whens - 1)
        bits |= rules->when_bit[__builtin_ctzll(whens)];
    for (int32_t r = 0; r < rules->n_rules; r++) {
        const br_match *match = rules->rule[r].match;
        int32_t         code;

        if (match == NULL)
            continue;
        code = br_match_code(items, match->item_column, item);
        bits |= code < 0 ? 0 : match->require_I[code];
    }
    return bits;
}

br_status br_rules_items(br_rules *rules, const br_columns *items, int64_t n_items,
                         const uint64_t *segment_N, uint64_t *require_N, uint8_t *reason_N)
{
    br_status st = BR_OK;
    int32_t   first_W[BR_RULES_MAX], n_bits;

    for (int64_t i = 0; i < n_items && segment_N != NULL; i++)
        rules->catalogue_bits |= segment_N[i];
    memset(require_N, 0, (size_t)n_items * sizeof *require_N);
    memset(reason_N, 0, (size_t)n_items);
    for (int32_t r = 0; r < rules->n_rules; r++) {
        if (rules->rule[r].match != NULL)
            br_match_count(rules->rule[r].match, items, n_items, (uint8_t)(r + 1), reason_N);
        else
            forbid_items(rules, r, items, n_items, require_N, reason_N);
        if (rules->rule[r].match != NULL)
            rules->rule[r].info.n_items = rules->rule[r].match->n_items;
    }
    for (int64_t i = 0; i < n_items; i++)
        require_N[i] = reason_N[i] != 0 ? 0 : require_N[i];
    n_bits = share_bits(rules, require_N, n_items, first_W);
    for (int32_t r = 0; r < rules->n_rules; r++)
        if (rules->rule[r].match != NULL)
            br_match_measure(rules->rule[r].match, items, n_items, reason_N);
    BR_TRY(st, check_room(rules, n_bits));
    assign_bits(rules, first_W);
    for (int64_t i = 0; i < n_items; i++) {
        if (reason_N[i] == 0)
            require_N[i] = bits_of_item(rules, items, i, require_N[i]);
        require_N[i] |= segment_N != NULL ? segment_N[i] : 0;
    }
done:
    return st;
}
