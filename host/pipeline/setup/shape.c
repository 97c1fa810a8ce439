/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins quotas, pins and fallbacks by name and key. Called once per job. */
#include "host/pipeline/setup/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/rules/rule_days.h"
#include "host/pipeline/setup/setup.h"

static int compare_groups(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

/* Numbers groups 0, 1, 2, ...: those of a catalogue without names may be any. Returns how many. */
static br_status number_groups(int32_t *group_N, int64_t n_items, int32_t *n_groups)
{
    br_status st      = BR_OK;
    int32_t  *found_G = NULL;
    int64_t   n       = 0;

    BR_ALLOC(st, found_G, n_items, "groups of a quota");
    for (int64_t i = 0; i < n_items; i++)
        if (group_N[i] >= 0)
            found_G[n++] = group_N[i];
    qsort(found_G, (size_t)n, sizeof *found_G, compare_groups);
    *n_groups = 0;
    for (int64_t i = 0; i < n; i++)
        if (*n_groups == 0 || found_G[*n_groups - 1] != found_G[i])
            found_G[(*n_groups)++] = found_G[i];
    for (int64_t i = 0; i < n_items; i++) {
        const int32_t *at =
            bsearch(&group_N[i], found_G, (size_t)*n_groups, sizeof *found_G, compare_groups);

        group_N[i] = at == NULL ? -1 : (int32_t)(at - found_G);
    }
done:
    br_free(&found_G);
    return st;
}

static br_status join_quota(br_setup *s, int32_t q)
{
    br_status              st    = BR_OK;
    const br_config_quota *from  = &s->config->shape_quotas.item[q];
    br_shape_plan         *plan  = &s->shape;
    int32_t                found = -1, n_groups;
    char                   where[96];

    (void)snprintf(where, sizeof where, "shape.quotas[%d] '%.60s'", q, from->name);
    BR_TRY(st, br_governance_allow(s, where, BR_INPUT_CATALOGUE, "group.", from->group));
    for (int32_t g = 0; g < s->catalogue.n_groups; g++)
        if (strcmp(s->catalogue.group_name[g], from->group) == 0)
            found = g;
    if (found < 0)
        BR_FAIL(st, BR_E_USAGE, "%s: %s has no /item/group/%s", where, s->config->input_catalogue,
                from->group);
    BR_ALLOC(st, plan->group_N[q], s->n_listed, "groups of a quota");
    for (int64_t i = 0; i < s->n_listed; i++)
        plan->group_N[q][i] = s->catalogue.group_N[found][s->catalogue_row[i]];
    BR_TRY(st, number_groups(plan->group_N[q], s->n_listed, &n_groups));
    plan->quota[q] = (br_quota){from->name, plan->group_N[q], n_groups, (int32_t)from->max};
done:
    return st;
}

static bool is_valid(const br_setup *s, int64_t row)
{
    const int64_t *valid_N2 = s->catalogue.valid_N2;

    return valid_N2 == NULL || s->as_of == INT64_MAX ||
           (valid_N2[2 * row] <= s->as_of && s->as_of < valid_N2[2 * row + 1]);
}

static bool is_forbidden(const br_setup *s, int64_t row)
{
    return s->rulebook.reason_N != NULL && s->rulebook.reason_N[row] > 0;
}

static br_status join_pin(br_setup *s, int32_t p)
{
    br_status            st    = BR_OK;
    const br_config_pin *from  = &s->config->shape_pins.item[p];
    br_shape            *shape = &s->shape.shape;
    int64_t              row;

    BR_TRY(st, br_keys_find_text(&s->catalogue.key, from->item, &row));
    if (row < 0)
        BR_FAIL(st, BR_E_USAGE, "shape.pins[%d] '%.60s': %s has no item '%.90s'", p, from->name,
                s->config->input_catalogue, from->item);
    if (s->listed_row[row] >= 0) {
        s->shape.pin[shape->n_pins++] =
            (br_pin){.item = s->listed_row[row], .slot = (int32_t)from->slot - 1};
        goto done;
    }
    if (is_valid(s, row) && !is_forbidden(s, row))
        BR_FAIL(st, BR_E_USAGE,
                "shape.pins[%d] '%.60s': item '%.90s' has no vector in the model: it is "
                "never listed",
                p, from->name, from->item);
    br_log(BR_LOG_WARN, "setup", "shape.pins[%d] '%.60s': item '%.90s' %s: nobody gets it", p,
           from->name, from->item,
           is_valid(s, row) ? "is forbidden to everyone by rules" : "is not valid at run.as_of");
done:
    return st;
}

static int compare_slots(const void *a, const void *b)
{
    const br_pin *x = a, *y = b;

    return (x->slot > y->slot) - (x->slot < y->slot);
}

static br_status join_fallbacks(br_setup *s)
{
    br_status   st     = BR_OK;
    const char *column = s->config->list_fallback_group;
    br_keys     keys   = {0};

    s->shape.category_place = -1;
    if (s->config->list_fallback_newest && s->catalogue.valid_N2 == NULL)
        BR_FAIL(st, BR_E_USAGE, "list.fallback_newest: %s has no /item/valid",
                s->config->input_catalogue);
    if (column[0] == '\0')
        goto done;
    s->shape.category_place = br_rules_static_place(s, "list.fallback_group", column, &st);
    if (st != BR_OK)
        goto done;
    BR_TRY(st, br_customers_static_keys(s->customers, column, &keys));
    s->shape.n_categories = (int32_t)keys.n_keys;
done:
    br_keys_free(&keys);
    return st;
}

br_status br_setup_join_shape(br_setup *s)
{
    br_status        st     = BR_OK;
    const br_config *config = s->config;
    br_shape_plan   *plan   = &s->shape;
    br_shape        *shape  = &plan->shape;

    *shape = (br_shape){.k       = (int32_t)config->list_k,
                        .n_items = s->n_listed,
                        .quota   = plan->quota,
                        .pin     = plan->pin,
                        .lambda  = 1.0 - config->shape_diversity,
                        .window  = (int32_t)config->shape_window,
                        .D       = s->dim};
    BR_TRY(st, join_fallbacks(s));
    for (int32_t q = 0; q < config->shape_quotas.n; q++)
        BR_TRY(st, join_quota(s, q));
    shape->n_quotas = config->shape_quotas.n;
    for (int32_t p = 0; p < config->shape_pins.n; p++)
        BR_TRY(st, join_pin(s, p));
    qsort(plan->pin, (size_t)shape->n_pins, sizeof *plan->pin, compare_slots);
    plan->is_on = (shape->n_quotas > 0 && config->policy_type == BR_POLICY_GREEDY) ||
                  shape->n_pins > 0 || shape->lambda < 1.0 || config->list_fill ||
                  config->list_fallback_newest || plan->category_place >= 0;
    if (plan->is_on || shape->n_quotas > 0)
        BR_TRY(st, br_shape_check(shape));
done:
    return st;
}

void br_shape_plan_free(br_shape_plan *plan)
{
    for (int32_t q = 0; q < BR_SHAPE_MAX_QUOTAS; q++)
        br_free(&plan->group_N[q]);
}
