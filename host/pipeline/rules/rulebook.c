/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins the rules of a configuration to the columns, files and zones they name. Called once per
 * job. */
#include "host/pipeline/rules/rulebook.h"

#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/decide/assign.h"
#include "host/pipeline/rules/rule_days.h"
#include "host/pipeline/setup/setup.h"

/* ---- columns ---- */

static br_status open_customer_columns(br_setup *s, br_rule_columns *c)
{
    br_status                st   = BR_OK;
    const br_customers_info *info = br_customers_info_of(s->customers);
    br_keys                  keys = {0};
    int32_t                  at;

    BR_TRY(st, br_rule_columns_open("customer",
                                    info->n_statics + info->n_aggregates + 2 +
                                        s->governance.column[BR_INPUT_CUSTOMERS].n,
                                    c));
    for (int32_t i = 0; i < info->n_statics; i++) {
        at = br_rule_columns_add(c, "static.", info->static_name[i], BR_COLUMN_CATEGORY);
        BR_TRY(st, br_customers_static_keys(s->customers, info->static_name[i], &keys));
        BR_TRY(st, br_rule_columns_name(c, at, &keys, (int32_t)keys.n_keys));
        br_keys_free(&keys);
    }
    for (int32_t i = 0; i < info->n_aggregates; i++)
        (void)br_rule_columns_add(c, "aggregate.", info->aggregate_name[i], BR_COLUMN_NUMBER);
    if (info->has_segment)
        (void)br_rule_columns_add(c, "", "segment", BR_COLUMN_BITS);
    at                        = br_rule_columns_add(c, "", "key", BR_COLUMN_KEY);
    c->column_C[at].key_bytes = info->key_is_number ? 0 : info->key_width_bytes;
    br_rule_columns_add_denied(c, &s->governance, BR_INPUT_CUSTOMERS);
done:
    br_keys_free(&keys);
    return st;
}

/* Members of a group column: its keys, and what items hold beyond them. */
static int32_t n_groups_of(const br_catalogue *c, int32_t g)
{
    int32_t n = (int32_t)c->group_key[g].n_keys;

    for (int64_t i = 0; i < c->n_items; i++)
        n = c->group_N[g][i] >= n ? c->group_N[g][i] + 1 : n;
    return n;
}

static br_status open_item_columns(const br_setup *s, br_rule_columns *c)
{
    br_status           st  = BR_OK;
    const br_catalogue *cat = &s->catalogue;
    int32_t             at;

    BR_TRY(st, br_rule_columns_open("item",
                                    cat->n_groups + cat->n_values + 2 +
                                        s->governance.column[BR_INPUT_CATALOGUE].n,
                                    c));
    for (int32_t g = 0; g < cat->n_groups; g++) {
        int32_t n = n_groups_of(cat, g);

        at = br_rule_columns_add(c, "group.", cat->group_name[g], BR_COLUMN_CATEGORY);
        BR_TRY(st, br_rule_columns_name(
                       c, at, cat->group_key[g].n_keys == n ? &cat->group_key[g] : NULL, n));
        c->column_C[at].category_B = cat->group_N[g];
    }
    for (int32_t v = 0; v < cat->n_values; v++) {
        at = br_rule_columns_add(c, "value.", cat->value_name[v], BR_COLUMN_NUMBER);
        c->column_C[at].number_B = cat->value_N[v];
    }
    if (cat->segment_N != NULL) {
        at                     = br_rule_columns_add(c, "", "segment", BR_COLUMN_BITS);
        c->column_C[at].bits_B = cat->segment_N;
    }
    at                        = br_rule_columns_add(c, "", "key", BR_COLUMN_KEY);
    c->column_C[at].key_bytes = cat->key.is_number ? 0 : cat->key.width_bytes;
    c->column_C[at].key_B     = cat->key.data;
    br_rule_columns_add_denied(c, &s->governance, BR_INPUT_CATALOGUE);
done:
    return st;
}

/* ---- rules for customers ---- */

static br_status compile_conditions(br_setup *s, br_rulebook *book)
{
    br_status                           st    = BR_OK;
    const br_config_customer_rule_list *rules = &s->config->rules_customers;
    char                                where[64];

    for (int32_t i = 0; i < rules->n; i++) {
        br_expr_constant constant;

        (void)snprintf(where, sizeof where, "rules.customers[%d].hold", i);
        BR_TRY(st, br_expr_compile(where, rules->item[i].hold, &book->customers.columns,
                                   &book->condition[i]));
        book->n_conditions = i + 1;
        br_expr_columns(book->condition[i], book->customers.used_C);
        constant = br_expr_constant_of(book->condition[i]);
        if (constant != BR_EXPR_VARIES)
            br_log(BR_LOG_WARN, "rules", "%s: \"%s\" is %s true", where, rules->item[i].hold,
                   constant == BR_EXPR_NEVER ? "never" : "always");
    }
done:
    return st;
}

static br_status compile_heats(br_setup *s, br_rulebook *book)
{
    br_status                     st     = BR_OK;
    const br_config_stratum_list *strata = &s->config->policy_strata;
    char                          where[64];

    for (int32_t i = 0; i < strata->n; i++) {
        (void)snprintf(where, sizeof where, "policy.strata[%d].when", i);
        BR_TRY(st, br_expr_compile(where, strata->item[i].when, &book->customers.columns,
                                   &book->heat[i]));
        book->n_heats = i + 1;
        br_expr_columns(book->heat[i], book->customers.used_C);
    }
done:
    return st;
}

static br_status read_suppressions(br_setup *s, br_rulebook *book)
{
    br_status                         st        = BR_OK;
    const br_config_suppression_list *files     = &s->config->rules_suppressions;
    bool                              is_number = br_customers_info_of(s->customers)->key_is_number;

    for (int32_t i = 0; i < files->n; i++) {
        BR_TRY(st, br_key_set_read(files->item[i].path, is_number, &book->suppression[i]));
        br_log(BR_LOG_INFO, "rules", "%s: %lld customers to suppress", files->item[i].name,
               (long long)book->suppression[i].keys.n_keys);
    }
done:
    return st;
}

static void add_hold(br_rulebook *book, const char *name, br_hold_kind kind, int32_t place)
{
    book->hold[book->n_holds++] = (br_hold){name, kind, place};
}

/* All rules for customers, as consent, suppressions, conditions, quiet, caps, household. */
static br_status list_holds(const br_config *c, br_rulebook *book)
{
    int32_t n = (c->list_channel[0] != '\0') + c->rules_suppressions.n + c->rules_customers.n +
                c->rules_quiet.n + c->rules_caps.n + (c->rules_household[0] != '\0');

    if (n > BR_MAX_HOLDS)
        return br_fail(BR_E_USAGE, "rules: found %d rules for customers, expected at most %d", n,
                       BR_MAX_HOLDS);
    if (c->list_channel[0] != '\0')
        add_hold(book, "consent", BR_HOLD_CONSENT, 0);
    for (int32_t i = 0; i < c->rules_suppressions.n; i++)
        add_hold(book, c->rules_suppressions.item[i].name, BR_HOLD_SUPPRESSION, i);
    for (int32_t i = 0; i < c->rules_customers.n; i++)
        add_hold(book, c->rules_customers.item[i].name, BR_HOLD_CONDITION, i);
    for (int32_t i = 0; i < c->rules_quiet.n; i++)
        add_hold(book, c->rules_quiet.item[i].name, BR_HOLD_QUIET, i);
    for (int32_t i = 0; i < c->rules_caps.n; i++)
        add_hold(book, c->rules_caps.item[i].name, BR_HOLD_CAP, i);
    if (c->rules_household[0] != '\0')
        add_hold(book, "household", BR_HOLD_HOUSEHOLD, 0);
    return BR_OK;
}

/* Those that rules.order names come first, in its order; the others keep theirs. */
static void order_holds(const br_config *c, br_rulebook *book)
{
    br_hold sorted[BR_MAX_HOLDS];
    int32_t n = 0;

    for (int32_t i = 0; i < c->rules_order.n; i++)
        for (int32_t j = 0; j < book->n_holds; j++)
            if (strcmp(book->hold[j].name, c->rules_order.item[i]) == 0)
                sorted[n++] = book->hold[j];
    for (int32_t j = 0; j < book->n_holds; j++)
        if (!br_config_has(&c->rules_order, book->hold[j].name))
            sorted[n++] = book->hold[j];
    memcpy(book->hold, sorted, (size_t)n * sizeof *sorted);
}

/* ---- rules on items ---- */

static br_rule *add_rule(br_rulebook *book, const char *key, int32_t i)
{
    br_rule *rule = &book->rule[book->n_rules];

    (void)snprintf(book->rule_where[book->n_rules], sizeof book->rule_where[0], "rules.%s[%d]", key,
                   i);
    rule->name = book->rule_where[book->n_rules++];
    return rule;
}

static br_status compile_items(br_setup *s, br_rulebook *book)
{
    br_status        st = BR_OK;
    const br_config *c  = s->config;

    for (int32_t i = 0; i < c->rules_items.n; i++) {
        const br_config_item_rule *from = &c->rules_items.item[i];
        br_rule                   *to   = add_rule(book, "items", i);

        to->kind = from->only[0] != '\0' ? BR_RULE_ONLY : BR_RULE_NEVER;
        to->item = from->only[0] != '\0' ? from->only : from->never;
        to->when = from->when;
    }
    for (int32_t i = 0; i < c->rules_matches.n; i++) {
        br_rule *to  = add_rule(book, "matches", i);
        to->kind     = BR_RULE_MATCH;
        to->item     = c->rules_matches.item[i].item;
        to->customer = c->rules_matches.item[i].customer;
    }
    if (book->n_rules == 0)
        goto done;
    BR_TRY(st, br_rules_compile(book->rule, book->n_rules, &book->customers.columns,
                                &book->items.columns, &book->rules));
    br_rules_columns(book->rules, book->customers.used_C, book->items.used_C);
done:
    return st;
}

static br_status forbid_items(br_setup *s, br_rulebook *book)
{
    br_status st = BR_OK;
    int64_t   N  = s->catalogue.n_items;

    if (book->rules == NULL)
        goto done;
    BR_ALLOC(st, book->require_N, N, "required bits of items");
    BR_ALLOC(st, book->reason_N, N, "rules of items");
    BR_TRY(st, br_rules_items(book->rules, &book->items.columns, N, s->catalogue.segment_N,
                              book->require_N, book->reason_N));
    for (int64_t i = 0; i < N; i++)
        book->n_forbidden += book->reason_N[i] > 0;
    for (int32_t r = 0; r < book->n_rules; r++) {
        br_rule_info info = br_rules_info(book->rules, r);

        if (info.never_applies || info.n_items == 0)
            br_log(BR_LOG_WARN, "rules", "%s forbids nothing: %s", book->rule[r].name,
                   info.never_applies ? "no customer can meet its condition"
                                      : "no item is concerned");
    }
done:
    return st;
}

/* ---- the request ---- */

int32_t br_rules_static_place(br_setup *s, const char *where, const char *name, br_status *st)
{
    const br_customers_info *info = br_customers_info_of(s->customers);

    for (int32_t j = 0; j < info->n_statics; j++) {
        if (strcmp(info->static_name[j], name) != 0)
            continue;
        for (int32_t p = 0; p < s->request.n_statics; p++)
            if (s->request.statics[p] == j)
                return p;
        s->request.statics[s->request.n_statics] = j;
        return s->request.n_statics++;
    }
    *st = br_governance_allow(s, where, BR_INPUT_CUSTOMERS, "static.", name);
    if (*st == BR_OK)
        *st = br_fail(BR_E_USAGE, "%s: %s has no /static/%s", where, s->config->input_customers,
                      name);
    return -1;
}

static int32_t aggregate_place(br_setup *s, int32_t column)
{
    for (int32_t p = 0; p < s->request.n_aggregates; p++)
        if (s->request.aggregate[p] == column)
            return p;
    s->request.aggregate[s->request.n_aggregates] = column;
    return s->request.n_aggregates++;
}

/* The columns that rules name are read; where each stands is kept in its key_bytes' place. */
static void request_columns(br_setup *s, br_rulebook *book)
{
    const br_customers_info *info   = br_customers_info_of(s->customers);
    br_status                unused = BR_OK;

    for (int32_t c = 0; c < book->customers.columns.n_columns; c++) {
        book->place_C[c] = -1;
        if (!book->customers.used_C[c])
            continue;
        if (c < info->n_statics)
            book->place_C[c] = br_rules_static_place(s, "rules", info->static_name[c], &unused);
        else if (c < info->n_statics + info->n_aggregates)
            book->place_C[c] = aggregate_place(s, c - info->n_statics);
        else if (book->customers.column_C[c].kind == BR_COLUMN_BITS)
            s->request.wants_segment = true;
    }
}

static br_status open_strata(br_setup *s, br_rulebook *book)
{
    br_status   st   = BR_OK;
    const char *name = s->config->rules_strata;

    book->strata_place = -1;
    book->n_strata     = 1;
    if (name[0] == '\0')
        return BR_OK;
    book->strata_place = br_rules_static_place(s, "rules.strata", name, &st);
    if (st != BR_OK)
        goto done;
    BR_TRY(st, br_customers_static_keys(s->customers, name, &book->strata_key));
    book->n_strata = (int32_t)book->strata_key.n_keys + 1;
    if (book->n_strata > BR_MAX_STRATA)
        BR_FAIL(st, BR_E_USAGE, "rules.strata: '%s' has %d categories; at most %d", name,
                book->n_strata - 1, BR_MAX_STRATA - 1);
done:
    return st;
}

static void deal_arms(const br_config *c, br_rulebook *book)
{
    double weight_A[BR_MAX_ARMS] = {1.0};

    book->n_arms = c->experiment_arms.n > 0 ? c->experiment_arms.n : 1;
    for (int32_t a = 0; a < c->experiment_arms.n; a++)
        weight_A[a] = c->experiment_arms.item[a].weight;
    br_assign_deal((int32_t)(c->experiment_hold_out * BR_ASSIGN_BUCKETS + 0.5), book->n_arms,
                   weight_A, book->first_A);
}

br_status br_rulebook_open(br_setup *s)
{
    br_status    st   = BR_OK;
    br_rulebook *book = &s->rulebook;

    book->household_place = book->zone_place = -1;
    BR_TRY(st, open_customer_columns(s, &book->customers));
    BR_TRY(st, open_item_columns(s, &book->items));
    BR_ALLOC(st, book->place_C, book->customers.capacity, "places of columns");
    BR_TRY(st, list_holds(s->config, book));
    order_holds(s->config, book);
    BR_TRY(st, compile_conditions(s, book));
    BR_TRY(st, compile_heats(s, book));
    BR_TRY(st, compile_items(s, book));
    BR_TRY(st, forbid_items(s, book));
    BR_TRY(st, read_suppressions(s, book));
    BR_TRY(st, br_rule_days_open(s, book));
    if (s->config->rules_household[0] != '\0') {
        book->household_place =
            br_rules_static_place(s, "rules.household", s->config->rules_household, &st);
        if (st != BR_OK)
            goto done;
    }
    BR_TRY(st, open_strata(s, book));
    request_columns(s, book);
    deal_arms(s->config, book);
done:
    return st;
}

void br_rulebook_close(br_rulebook *book)
{
    for (int32_t i = 0; i < BR_MAX_CONDITIONS; i++)
        br_expr_free(&book->condition[i]);
    for (int32_t i = 0; i < BR_MAX_HEATS; i++)
        br_expr_free(&book->heat[i]);
    for (int32_t i = 0; i < BR_MAX_FILES; i++)
        br_key_set_free(&book->suppression[i]);
    br_rule_columns_close(&book->customers);
    br_rule_columns_close(&book->items);
    br_free(&book->place_C);
    br_rules_free(&book->rules);
    br_free(&book->require_N);
    br_free(&book->reason_N);
    br_rule_days_close(book);
    br_free(&book->household_first);
    br_keys_free(&book->strata_key);
    br_free(&book->scratch.hit_B);
    br_free(&book->scratch.item_S);
    br_free(&book->scratch.penalty_S);
    br_free(&book->scratch.order_S);
}
