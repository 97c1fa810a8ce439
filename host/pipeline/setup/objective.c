/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins the objective to the model and the catalogue. Called once per job. */
#include "host/pipeline/setup/objective.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/setup/setup_feeds.h"

#define DAY_S     86400.0
#define MAX_WIDTH 1024

double br_objective_value(const br_setup *s, int32_t value, int32_t row)
{
    return value < 0 ? 1.0 : (double)s->catalogue.value_N[value][row];
}

double br_objective_low_value(const br_setup *s, const br_penalty *p, int32_t row)
{
    double lack = p->floor - br_objective_value(s, p->value, row);

    return lack > 0.0 ? p->weight * lack : 0.0;
}

static br_status find_value(const br_setup *s, const char *where, const char *name, int32_t *out)
{
    br_status st = BR_OK;

    *out = -1;
    if (name[0] == '\0')
        return BR_OK;
    BR_TRY(st, br_governance_allow(s, where, BR_INPUT_CATALOGUE, "value.", name));
    for (int32_t v = 0; v < s->catalogue.n_values; v++)
        if (strcmp(s->catalogue.value_name[v], name) == 0)
            *out = v;
    if (*out < 0)
        BR_FAIL(st, BR_E_USAGE, "%s: value '%s': %s has no /item/value/%s", where, name,
                s->config->input_catalogue, name);
done:
    return st;
}

static br_status find_head(const br_setup *s, const char *where, const char *name, int32_t *out)
{
    *out = -1;
    if (name[0] == '\0')
        return BR_OK;
    if (s->spec == NULL)
        return br_fail(BR_E_USAGE, "%s: head '%s': without input.model there are no heads", where,
                       name);
    for (int32_t h = 0; h < s->spec->n_heads; h++)
        if (strcmp(s->spec->head[h].name, name) == 0)
            *out = h;
    if (*out < 0)
        return br_fail(BR_E_USAGE, "%s: the model has no head '%s'", where, name);
    if (s->spec->head[*out].kind == BR_HEAD_SURVIVAL)
        return br_fail(BR_E_USAGE, "%s: head '%s' is a survival head: it says nothing of items",
                       where, name);
    if (s->spec->head[*out].kind == BR_HEAD_PAIR &&
        s->config->objective_type == BR_OBJECTIVE_LINEAR)
        return br_fail(BR_E_USAGE,
                       "%s: head '%s' is a pair_mlp head: its logit is not linear in the item's "
                       "vector, so no sum over the whole catalogue can hold it; expected "
                       "objective.type expected_value, which ranks the objective.top best again",
                       where, name);
    return BR_OK;
}

static br_status join_terms(br_setup *s, br_objective *o)
{
    br_status                  st    = BR_OK;
    const br_config_term_list *terms = &s->config->objective_terms;
    char                       where[128];

    for (int32_t t = 0; t < terms->n; t++) {
        const br_config_term *from = &terms->item[t];
        br_term              *to   = &o->term[t];

        (void)snprintf(where, sizeof where, "objective.terms[%d] '%.64s'", t, from->name);
        *to = (br_term){.name = from->name, .weight = from->weight};
        BR_TRY(st, find_head(s, where, from->head, &to->head));
        to->is_pair = to->head >= 0 && s->spec->head[to->head].kind == BR_HEAD_PAIR;
        o->n_linear += !to->is_pair;
        BR_TRY(st, find_value(s, where, from->value, &to->value));
    }
    o->n_terms = terms->n;
done:
    return st;
}

static br_status join_penalties(br_setup *s, br_objective *o)
{
    br_status                     st        = BR_OK;
    const br_config_penalty_list *penalties = &s->config->objective_penalties;
    char                          where[128];

    for (int32_t p = 0; p < penalties->n; p++) {
        const br_config_penalty *from = &penalties->item[p];
        br_penalty              *to   = &o->penalty[p];

        (void)snprintf(where, sizeof where, "objective.penalties[%d] '%.64s'", p, from->name);
        *to = (br_penalty){.name        = from->name,
                           .type        = from->type,
                           .weight      = from->weight,
                           .half_life_s = from->half_life_days * DAY_S,
                           .floor       = from->floor};
        o->n_repetitions += to->type == BR_PENALTY_REPETITION;
        BR_TRY(st, find_value(s, where, from->value, &to->value));
        to->feed = -1;
        if (from->timeline[0] != '\0')
            BR_TRY(st, br_setup_catalogue_feed(s, where, from->timeline, &to->feed));
    }
    o->n_penalties = penalties->n;
done:
    return st;
}

/* The power of 2 nearest to the root mean square of a value column over the listed items. */
static double scale_of(const br_setup *s, int32_t value)
{
    double squares = 0.0;
    int    exponent;

    if (value < 0)
        return 1.0;
    for (int64_t i = 0; i < s->n_listed; i++) {
        double v = br_objective_value(s, value, s->catalogue_row[i]);

        squares += v * v;
    }
    squares = sqrt(squares / (double)s->n_listed);
    if (!(squares > 0.0) || !isfinite(squares))
        return 1.0;
    (void)frexp(squares * 1.41421356237309504880, &exponent);
    return ldexp(1.0, exponent - 1);
}

static br_status plan_blocks(br_setup *s, br_objective *o)
{
    for (int32_t t = 0; t < o->n_terms; t++) {
        int32_t b = 0;

        if (o->term[t].is_pair)
            continue;
        while (b < o->n_blocks && o->block_value[b] != o->term[t].value)
            b++;
        if (b == o->n_blocks)
            o->block_value[o->n_blocks++] = o->term[t].value;
    }
    if (o->n_linear == 0) {
        o->n_blocks       = 1;
        o->block_value[0] = -1;
    }
    for (int32_t b = 0; b < o->n_blocks; b++)
        o->block_scale[b] = scale_of(s, o->block_value[b]);
    o->width = o->n_blocks * s->dim;
    if (o->width > MAX_WIDTH)
        return br_fail(BR_E_USAGE,
                       "objective.terms: %d different values and %d columns of x_u make ranking "
                       "vectors of %d columns; at most %d",
                       o->n_blocks, s->dim, o->width, MAX_WIDTH);
    return BR_OK;
}

static br_status join_shadows(br_setup *s)
{
    br_status                    st      = BR_OK;
    const br_config_shadow_list *shadows = &s->config->shadow_weightings;

    if (shadows->n == 0)
        return BR_OK;
    BR_ALLOC(st, s->weighting, shadows->n, "shadows");
    for (int32_t i = 0; i < shadows->n; i++) {
        const br_config_shadow *from = &shadows->item[i];
        br_weighting           *to   = &s->weighting[i];

        (void)snprintf(to->name, sizeof to->name, "%s", from->name);
        for (int32_t t = 0; t < s->objective.n_terms; t++)
            to->weight_T[t] = from->weights.item[t];
    }
    s->n_weightings = shadows->n;
done:
    return st;
}

br_status br_setup_join_objective(br_setup *s)
{
    br_status     st = BR_OK;
    br_objective *o  = &s->objective;

    o->type = s->config->objective_type;
    BR_TRY(st, join_terms(s, o));
    BR_TRY(st, join_penalties(s, o));
    BR_TRY(st, plan_blocks(s, o));
    if (o->type == BR_OBJECTIVE_EXPECTED_VALUE)
        o->n_candidates =
            (int32_t)(s->config->objective_top < s->n_listed ? s->config->objective_top
                                                             : s->n_listed);
    BR_TRY(st, join_shadows(s));
done:
    return st;
}
