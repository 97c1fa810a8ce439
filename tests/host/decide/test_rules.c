/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules as bits: random worlds, where every pair of customer and item is judged anew by the slow
 * evaluator. Bits saved, room and messages are in test_rules_bits.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/decide/rules/rules.h"
#include "tests/host/decide/expr_world.h"

#define SEED    61128
#define WORLDS  1500
#define MAX_R   10
#define MAX_B   1100 /* more than a block */
#define MAX_N   1100
#define N_WHENS 3

/* One world: rules as trees, as text and compiled. */
typedef struct rule_world {
    expr_world    customers, items;
    tree          when[N_WHENS], item[MAX_R];
    br_strbuf     when_text[N_WHENS], item_text[MAX_R];
    int32_t       n_rules, when_of[MAX_R]; /* -1: everyone */
    br_rule       rule[MAX_R];
    br_rules     *rules;
    uint64_t      segment_B[MAX_B], segment_N[MAX_N];
    bool          has_segment;
    uint64_t      have_B[MAX_B], require_N[MAX_N];
    uint8_t       reason_N[MAX_N];
    br_rule_count count_R[MAX_R];
    int64_t       n_pairs[MAX_R], n_customers[MAX_R]; /* by the slow way */
} rule_world;

typedef struct rule_totals {
    int64_t n_pairs, n_forbidden, n_barred, n_bits;
} rule_totals;

static void make_rule(rule_world *w, int32_t r, uint64_t *random)
{
    static const char *const columns[] = {"region", "brand"};
    br_rule                 *rule      = &w->rule[r];
    int32_t                  pick      = world_below(random, 12);

    *rule         = (br_rule){.name = "rules.items[0]",
                              .kind = pick < 5    ? BR_RULE_ONLY
                                      : pick < 10 ? BR_RULE_NEVER
                                                  : BR_RULE_MATCH};
    w->when_of[r] = -1;
    if (rule->kind == BR_RULE_MATCH) {
        rule->item     = columns[world_below(random, 2)];
        rule->customer = columns[world_below(random, 2)];
        return;
    }
    if (r > 0 && w->rule[r - 1].kind != BR_RULE_MATCH && world_below(random, 4) == 0) {
        w->item[r] = w->item[r - 1]; /* the same items under another condition */
    } else {
        tree_make(&w->item[r], &w->items, world_below(random, 3), random);
    }
    tree_write(&w->item[r], &w->items, random, &w->item_text[r]);
    rule->item = w->item_text[r].data;
    if (world_below(random, 4) == 0)
        return;
    w->when_of[r] = world_below(random, N_WHENS);
    rule->when    = w->when_text[w->when_of[r]].data;
}

static void make_world(rule_world *w, int64_t n_customers, int64_t n_items, uint64_t *random)
{
    uint64_t mask = world_below(random, 2) ? 0 : world_bits(random) & world_bits(random);

    memset(w, 0, sizeof *w);
    world_make(&w->customers, false, n_customers, random);
    world_make(&w->items, true, n_items, random);
    for (int32_t i = 0; i < N_WHENS; i++) {
        tree_make(&w->when[i], &w->customers, world_below(random, 3), random);
        tree_write(&w->when[i], &w->customers, random, &w->when_text[i]);
    }
    w->n_rules = world_below(random, MAX_R + 1);
    for (int32_t r = 0; r < w->n_rules; r++)
        make_rule(w, r, random);
    w->has_segment = mask != 0;
    for (int64_t i = 0; i < n_items; i++)
        w->segment_N[i] = mask & world_bits(random) & world_bits(random) & world_bits(random);
    for (int64_t u = 0; u < n_customers; u++)
        w->segment_B[u] = world_bits(random) | world_bits(random) | world_bits(random);
}

static void free_world(rule_world *w)
{
    br_rules_free(&w->rules);
    for (int32_t i = 0; i < N_WHENS; i++)
        br_strbuf_free(&w->when_text[i]);
    for (int32_t r = 0; r < MAX_R; r++)
        br_strbuf_free(&w->item_text[r]);
    world_free(&w->customers);
    world_free(&w->items);
}

static const char *name_of(const expr_world *world, const char *column, int64_t row)
{
    const br_column *c    = &world->column[br_columns_find(&world->columns, column)];
    int32_t          code = c->category_B[row * (c->stride > 0 ? c->stride : 1)];

    return code < 0 ? NULL : c->names_C[code];
}

static bool applies(const rule_world *w, int32_t r, int64_t customer)
{
    return w->when_of[r] < 0 || tree_holds(&w->when[w->when_of[r]], &w->customers, customer);
}

/* Whether the rule forbids the item to a customer to whom it applies. */
static bool forbids(const rule_world *w, int32_t r, int64_t customer, int64_t item)
{
    const char *of_item, *of_customer;

    if (w->rule[r].kind != BR_RULE_MATCH)
        return tree_holds(&w->item[r], &w->items, item) == (w->rule[r].kind == BR_RULE_NEVER);
    of_item     = name_of(&w->items, w->rule[r].item, item);
    of_customer = name_of(&w->customers, w->rule[r].customer, customer);
    return of_item != NULL && (of_customer == NULL || strcmp(of_item, of_customer) != 0);
}

static void check_pair(rule_world *w, int64_t u, int64_t i, const bool *applies_R, rule_totals *t)
{
    uint64_t forbidden = 0, segment = w->has_segment ? w->segment_N[i] : 0;
    bool     is_eligible, found;

    for (int32_t r = 0; r < w->n_rules; r++) {
        bool does = applies_R[r] && forbids(w, r, u, i);

        forbidden |= (uint64_t)does << r;
        w->n_pairs[r] += does;
    }
    is_eligible = forbidden == 0 && (!w->has_segment || (w->segment_B[u] & segment) == segment);
    found       = w->reason_N[i] == 0 && (w->have_B[u] & w->require_N[i]) == w->require_N[i];
    assert_int_equal(found, is_eligible);
    if (w->reason_N[i] > 0)
        assert_true((forbidden >> (w->reason_N[i] - 1) & 1) != 0);
    if ((u * 7 + i) % 5 == 0)
        assert_true(br_rules_forbid(w->rules, &w->customers.columns, u, &w->items.columns, i) ==
                    forbidden);
    t->n_pairs++;
    t->n_forbidden += !is_eligible;
}

/* Whether a match bars the item: it has a category that no customer category is named like. */
static bool is_unknown(const rule_world *w, int32_t r, int64_t item)
{
    const char      *name = name_of(&w->items, w->rule[r].item, item);
    int32_t          at   = br_columns_find(&w->customers.columns, w->rule[r].customer);
    const br_column *c    = &w->customers.column[at];

    for (int32_t i = 0; name != NULL && i < c->n_names; i++)
        if (strcmp(name, c->names_C[i]) == 0)
            return false;
    return name != NULL;
}

/* The reason is the first rule that forbids the item to everyone. */
static void check_reason(const rule_world *w, int64_t i)
{
    for (int32_t r = 0; r < w->n_rules; r++) {
        bool is_match   = w->rule[r].kind == BR_RULE_MATCH;
        bool is_for_all = is_match
                              ? is_unknown(w, r, i)
                              : br_rules_info(w->rules, r).is_for_everyone && forbids(w, r, 0, i);

        if (is_for_all)
            assert_in_range(w->reason_N[i], 1, r + 1);
    }
}

static void check_world(int64_t n_customers, int64_t n_items, uint64_t *random, rule_totals *t)
{
    static rule_world w;

    make_world(&w, n_customers, n_items, random);
    assert_int_equal(
        br_rules_compile(w.rule, w.n_rules, &w.customers.columns, &w.items.columns, &w.rules),
        BR_OK);
    assert_int_equal(br_rules_items(w.rules, &w.items.columns, n_items,
                                    w.has_segment ? w.segment_N : NULL, w.require_N, w.reason_N),
                     BR_OK);
    br_rules_have(w.rules, &w.customers.columns, n_customers, w.has_segment ? w.segment_B : NULL,
                  w.have_B, w.count_R);
    for (int64_t u = 0; u < n_customers; u++) {
        bool applies_R[MAX_R];

        for (int32_t r = 0; r < w.n_rules; r++) {
            applies_R[r] = applies(&w, r, u);
            w.n_customers[r] += applies_R[r];
        }
        for (int64_t i = 0; i < n_items; i++)
            check_pair(&w, u, i, applies_R, t);
    }
    for (int64_t i = 0; i < n_items; i++) {
        check_reason(&w, i);
        t->n_barred += w.reason_N[i] != 0;
    }
    for (int32_t r = 0; r < w.n_rules; r++) {
        br_rule_info info = br_rules_info(w.rules, r);

        assert_int_equal(w.count_R[r].n_customers, w.n_customers[r]);
        assert_int_equal(w.count_R[r].n_pairs, w.n_pairs[r]);
        if (info.never_applies)
            assert_int_equal(w.n_customers[r], 0);
        if (info.is_for_everyone)
            assert_int_equal(w.n_customers[r], n_customers);
        if (w.rule[r].kind != BR_RULE_MATCH && w.n_customers[r] > 0)
            assert_int_equal(w.n_pairs[r], w.n_customers[r] * info.n_items);
    }
    t->n_bits += __builtin_popcountll(br_rules_bits(w.rules));
    free_world(&w);
}

static void test_worlds(void **state)
{
    uint64_t    random = SEED;
    rule_totals t      = {0};

    (void)state;
    for (int i = 0; i < WORLDS; i++)
        check_world(1 + world_below(&random, 25), 1 + world_below(&random, 40), &random, &t);
    for (int i = 0; i < 10; i++) { /* more than a block of either */
        check_world(1060 + world_below(&random, 40), 1 + world_below(&random, 20), &random, &t);
        check_world(1 + world_below(&random, 20), 1060 + world_below(&random, 40), &random, &t);
    }
    printf("seed %d: %d worlds, %lld pairs, %lld forbidden, %lld items barred, %lld bits\n", SEED,
           WORLDS + 20, (long long)t.n_pairs, (long long)t.n_forbidden, (long long)t.n_barred,
           (long long)t.n_bits);
    assert_true(t.n_bits > WORLDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_worlds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
