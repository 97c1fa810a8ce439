/* SPDX-License-Identifier: Apache-2.0
 *
 * Equal categories as bits. Of m bits every category gets another half: no half contains another,
 * so (have & require) == require holds for the same category alone. Called once per rule. */
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/rules/ruleset.h"

typedef struct br_named_code {
    const char *name;
    int32_t     code;
} br_named_code;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const br_named_code *)a)->name, ((const br_named_code *)b)->name);
}

static br_status join_names(br_match *m, const br_column *customer, const br_column *item)
{
    br_status      st    = BR_OK;
    br_named_code *named = NULL;

    BR_ALLOC(st, named, m->n_item_names, "names of a match");
    for (int32_t i = 0; i < m->n_item_names; i++)
        named[i] = (br_named_code){item->names_C[i], i};
    if (named != NULL)
        qsort(named, (size_t)m->n_item_names, sizeof *named, by_name);
    for (int32_t c = 0; c < m->n_customer_names; c++) {
        br_named_code        wanted = {customer->names_C[c], -1};
        const br_named_code *found  = NULL;

        if (named != NULL && wanted.name[0] != '\0') /* an empty name matches nothing */
            found = bsearch(&wanted, named, (size_t)m->n_item_names, sizeof *named, by_name);
        m->item_of_C[c] = found != NULL ? found->code : -1;
        if (found != NULL)
            m->is_known_I[found->code] = 1;
    }
done:
    br_free(&named);
    return st;
}

static br_status find_category(const br_rule *rule, const br_columns *columns, const char *name,
                               int32_t *out)
{
    const br_column *c;

    *out = br_columns_find(columns, name);
    if (*out == BR_COLUMN_AMBIGUOUS)
        return br_fail(BR_E_USAGE,
                       "%s.match: several %s columns end in '.%s': write the one that "
                       "is meant in full",
                       rule->name, columns->whose, name);
    if (*out < 0) {
        const char *nearest = br_columns_nearest(columns, name);

        return br_fail(BR_E_USAGE, "%s.match: unknown %s column '%s'%s%s%s", rule->name,
                       columns->whose, name, nearest ? ", did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
    }
    c = &columns->column[*out];
    if (c->denied_by != NULL)
        return br_fail(BR_E_USAGE, "%s.match: %s column '%s' is denied by %s", rule->name,
                       columns->whose, c->name, c->denied_by);
    if (c->kind == BR_COLUMN_NUMBER)
        return br_fail(BR_E_USAGE,
                       "%s.match: '%s' is a number, expected a category: whether two numbers are "
                       "equal hangs on their rounding",
                       rule->name, c->name);
    if (c->kind != BR_COLUMN_CATEGORY)
        return br_fail(BR_E_USAGE, "%s.match: '%s' is %s, expected a category", rule->name, c->name,
                       br_column_kind_text(c->kind));
    return BR_OK;
}

br_status br_match_create(const br_rule *rule, const br_columns *customers, const br_columns *items,
                          br_match **out)
{
    br_status st = BR_OK;
    br_match *m  = NULL;

    BR_ALLOC(st, m, 1, "match");
    BR_TRY(st, find_category(rule, customers, rule->customer, &m->customer_column));
    BR_TRY(st, find_category(rule, items, rule->item, &m->item_column));
    m->n_customer_names = customers->column[m->customer_column].n_names;
    m->n_item_names     = items->column[m->item_column].n_names;
    BR_ALLOC(st, m->item_of_C, m->n_customer_names, "categories of a match");
    BR_ALLOC(st, m->is_known_I, m->n_item_names, "categories of a match");
    BR_ALLOC(st, m->n_items_I, m->n_item_names, "categories of a match");
    BR_ALLOC(st, m->require_I, m->n_item_names, "categories of a match");
    BR_ALLOC(st, m->have_C1, (int64_t)m->n_customer_names + 1, "categories of a match");
    BR_ALLOC(st, m->forbidden_C1, (int64_t)m->n_customer_names + 1, "categories of a match");
    BR_TRY(st,
           join_names(m, &customers->column[m->customer_column], &items->column[m->item_column]));
    *out = m;
    m    = NULL;
done:
    br_match_free(&m);
    return st;
}

void br_match_free(br_match **match)
{
    if (*match == NULL)
        return;
    br_free(&(*match)->item_of_C);
    br_free(&(*match)->is_known_I);
    br_free(&(*match)->n_items_I);
    br_free(&(*match)->require_I);
    br_free(&(*match)->have_C1);
    br_free(&(*match)->forbidden_C1);
    br_free(match);
}

int32_t br_match_code(const br_columns *columns, int32_t column, int64_t row)
{
    const br_column *c = &columns->column[column];

    return c->category_B[row * (c->stride > 0 ? c->stride : 1)];
}

void br_match_count(br_match *match, const br_columns *items, int64_t n_items, uint8_t reason,
                    uint8_t *reason_N)
{
    for (int64_t i = 0; i < n_items; i++) {
        int32_t code = br_match_code(items, match->item_column, i);

        if (code < 0)
            continue;
        match->n_items++;
        match->n_items_I[code]++;
        if (!match->is_known_I[code] && reason_N[i] == 0)
            reason_N[i] = reason;
    }
    match->forbidden_C1[0] = match->n_items;
    for (int32_t c = 0; c < match->n_customer_names; c++) {
        int32_t same = match->item_of_C[c];

        match->forbidden_C1[c + 1] = match->n_items - (same < 0 ? 0 : match->n_items_I[same]);
    }
}

/* Ways to choose half of m bits, at most INT32_MAX. */
static int64_t n_halves(int32_t m)
{
    int64_t n = 1;

    for (int32_t i = 1; i <= m / 2 && n < INT32_MAX; i++)
        n = n * (m - i + 1) / i;
    return n;
}

void br_match_measure(br_match *match, const br_columns *items, int64_t n_items,
                      const uint8_t *reason_N)
{
    int32_t n_used = 0;

    for (int64_t i = 0; i < n_items; i++) {
        int32_t code = br_match_code(items, match->item_column, i);

        if (code < 0 || reason_N[i] != 0)
            continue;
        n_used += match->require_I[code] == 0;
        match->require_I[code] = 1; /* used; its bits come with br_match_assign */
    }
    for (match->n_bits = 0; n_used > 0 && (match->n_bits == 0 || n_halves(match->n_bits) < n_used);)
        match->n_bits++;
}

/* The next larger number with as many bits. */
static uint64_t next_half(uint64_t half)
{
    uint64_t lowest = half & -half, carried = half + lowest;

    return carried | (((half ^ carried) / lowest) >> 2);
}

/* Bit i of `half` goes to the i-th place of place_M. */
static uint64_t spread(uint64_t half, const int32_t *place_M, int32_t m)
{
    uint64_t bits = 0;

    for (int32_t i = 0; i < m; i++)
        bits |= (half >> i & 1) << place_M[i];
    return bits;
}

uint64_t br_match_assign(br_match *match, uint64_t free_bits)
{
    int32_t  place[64], m = match->n_bits;
    int32_t  size  = m > 1 ? m / 2 : m;
    uint64_t taken = 0, half = ((uint64_t)1 << size) - 1;

    for (int32_t i = 0; i < m; i++) {
        place[i] = __builtin_ctzll(free_bits);
        taken |= (uint64_t)1 << place[i];
        free_bits &= free_bits - 1;
    }
    for (int32_t i = 0; i < match->n_item_names; i++) {
        if (match->require_I[i] == 0)
            continue;
        match->require_I[i] = spread(half, place, m);
        half                = next_half(half);
    }
    for (int32_t c = 0; c < match->n_customer_names; c++)
        if (match->item_of_C[c] >= 0)
            match->have_C1[c + 1] = match->require_I[match->item_of_C[c]];
    return taken;
}
