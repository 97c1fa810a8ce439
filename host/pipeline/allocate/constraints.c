/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins constraints to the catalogue. Called once per job. */
#include "host/pipeline/allocate/constraints.h"

#include <stdio.h>
#include <string.h>

static br_status find_cost(const br_setup *s, int32_t i, const float **out)
{
    br_status               st = BR_OK;
    const br_config_budget *b  = &s->config->constraints_budgets.item[i];
    const br_catalogue     *c  = &s->catalogue;
    char                    item[BR_KEY_TEXT_BYTES], where[112];

    *out = NULL;
    (void)snprintf(where, sizeof where, "constraints.budgets[%d] '%.64s'", i, b->name);
    BR_TRY(st, br_governance_allow(s, where, BR_INPUT_CATALOGUE, "value.", b->cost));
    for (int32_t v = 0; v < c->n_values; v++)
        if (strcmp(c->value_name[v], b->cost) == 0)
            *out = c->value_N[v];
    if (*out == NULL)
        BR_FAIL(st, BR_E_USAGE, "%s: %s has no /item/value/%s", where, s->config->input_catalogue,
                b->cost);
    for (int64_t n = 0; n < c->n_items; n++)
        if ((*out)[n] < 0.0f)
            BR_FAIL(st, BR_E_USAGE, "%s: item %s costs %g, expected 0 or more", where,
                    br_keys_text(&c->key, n, item), (double)(*out)[n]);
done:
    return st;
}

/* The number of a member of a group column, -1: none; unnamed groups go by number. */
static br_status find_member(const br_catalogue *c, int32_t g, const char *member, int32_t *out)
{
    br_status st = BR_OK;
    int64_t   row;
    char      text[BR_KEY_TEXT_BYTES];

    BR_TRY(st, br_keys_find_text(&c->group_key[g], member, &row));
    *out = (int32_t)row;
    for (int64_t i = 0; c->group_key[g].n_keys == 0 && *out < 0 && i < c->n_items; i++) {
        (void)snprintf(text, sizeof text, "%d", c->group_N[g][i]);
        if (c->group_N[g][i] >= 0 && strcmp(text, member) == 0)
            *out = c->group_N[g][i];
    }
done:
    return st;
}

static br_status find_group(const br_setup *s, int32_t i, br_limit *like)
{
    br_status              st = BR_OK;
    const br_config_limit *l  = &s->config->constraints_limits.item[i];
    const br_catalogue    *c  = &s->catalogue;
    char                   where[112];

    (void)snprintf(where, sizeof where, "constraints.limits[%d] '%.64s'", i, l->name);
    BR_TRY(st, br_governance_allow(s, where, BR_INPUT_CATALOGUE, "group.", l->group));
    for (int32_t g = 0; g < c->n_groups; g++) {
        if (strcmp(c->group_name[g], l->group) != 0)
            continue;
        like->group_N = c->group_N[g];
        BR_TRY(st, find_member(c, g, l->member, &like->group));
        if (like->group < 0)
            BR_FAIL(st, BR_E_USAGE, "%s: group '%s' has no member '%s'", where, l->group,
                    l->member);
        goto done;
    }
    BR_FAIL(st, BR_E_USAGE, "%s: %s has no /item/group/%s", where, s->config->input_catalogue,
            l->group);
done:
    return st;
}

static void add(br_constraints *out, br_limit like, br_limit_kind kind, double bound)
{
    like.kind                   = kind;
    like.bound                  = bound;
    out->limit[out->n_limits++] = like;
}

br_status br_constraints_join(const br_setup *s, br_constraints *out)
{
    br_status        st = BR_OK;
    const br_config *c  = s->config;

    *out = (br_constraints){0};
    if (c->constraints_capacity)
        BR_TRY(st,
               br_governance_allow(s, "constraints.capacity", BR_INPUT_CATALOGUE, "capacity", ""));
    if (c->constraints_capacity && s->catalogue.capacity_N == NULL)
        BR_FAIL(st, BR_E_USAGE, "constraints.capacity: %s has no /item/capacity",
                c->input_catalogue);
    out->capacity_N = c->constraints_capacity ? s->catalogue.capacity_N : NULL;
    for (int32_t i = 0; i < c->constraints_budgets.n; i++) {
        br_limit like = {.name = c->constraints_budgets.item[i].name};

        BR_TRY(st, find_cost(s, i, &like.cost_N));
        add(out, like, BR_LIMIT_BUDGET, c->constraints_budgets.item[i].max);
    }
    for (int32_t i = 0; i < c->constraints_limits.n; i++) {
        const br_config_limit *l    = &c->constraints_limits.item[i];
        br_limit               like = {.name = l->name};

        BR_TRY(st, find_group(s, i, &like));
        if (l->max_units >= 0)
            add(out, like, BR_LIMIT_MAX_UNITS, (double)l->max_units);
        if (l->max_share < 1.0)
            add(out, like, BR_LIMIT_MAX_SHARE, l->max_share);
        if (l->min_share > 0.0)
            add(out, like, BR_LIMIT_MIN_SHARE, l->min_share);
    }
done:
    return st;
}

br_status br_constraints_check(const br_setup *s)
{
    br_status        st = BR_OK;
    br_constraints   c;
    br_allocate_args args;

    if (!br_config_is_constrained(s->config))
        return BR_OK;
    BR_TRY(st, br_constraints_join(s, &c));
    args = (br_allocate_args){.n_items    = (int32_t)s->catalogue.n_items,
                              .width      = 1,
                              .n_kept     = 1,
                              .capacity_N = c.capacity_N,
                              .n_limits   = c.n_limits,
                              .limit_L    = c.limit,
                              .n_lanes    = 1};
    BR_TRY(st, br_allocate_check(&args));
done:
    return st;
}
