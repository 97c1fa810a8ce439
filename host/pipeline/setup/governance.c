/* SPDX-License-Identifier: Apache-2.0
 *
 * Settles which columns are denied. Called once per job, before its inputs are opened. */
#include "host/pipeline/setup/governance.h"

#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/nearest.h"
#include "host/decide/columns.h"
#include "host/pipeline/setup/setup.h"

/* The columns of both files, as conditions look them up. */
typedef struct present {
    br_names   name[BR_N_INPUTS];
    br_column *column[BR_N_INPUTS];
    br_columns columns[BR_N_INPUTS];
} present;

static br_status list_columns(const br_config *config, present *p)
{
    br_status         st                = BR_OK;
    const char *const path[BR_N_INPUTS] = {config->input_customers, config->input_catalogue};

    for (int f = 0; f < BR_N_INPUTS; f++) {
        BR_TRY(st, br_input_columns((br_input)f, path[f], &p->name[f]));
        BR_ALLOC(st, p->column[f], p->name[f].n, "columns of an input");
        for (int32_t i = 0; i < p->name[f].n; i++)
            p->column[f][i].name = p->name[f].name[i];
        p->columns[f] = (br_columns){br_input_whose[f], p->name[f].n, p->column[f]};
    }
done:
    return st;
}

static void free_columns(present *p)
{
    for (int f = 0; f < BR_N_INPUTS; f++) {
        br_free(&p->column[f]);
        br_names_free(&p->name[f]);
    }
}

/* "item.segment" -> "segment" with only[] false for the customers; else as written. */
static const char *strip_whose(const char *written, bool may_be[BR_N_INPUTS])
{
    for (int f = 0; f < BR_N_INPUTS; f++)
        may_be[f] = true;
    for (int f = 0; f < BR_N_INPUTS; f++) {
        size_t n = strlen(br_input_whose[f]);

        if (strncmp(written, br_input_whose[f], n) != 0 || written[n] != '.')
            continue;
        for (int other = 0; other < BR_N_INPUTS; other++)
            may_be[other] = other == f;
        return written + n + 1;
    }
    return written;
}

static br_status deny(const char *where, br_input input, const char *column, br_governance *g)
{
    br_status              st    = BR_OK;
    const br_column_place *place = br_input_column_place(input, column);

    if (place->needed != NULL)
        BR_FAIL(st, BR_E_USAGE, "%s: column '%s.%s' cannot be denied: %s", where,
                br_input_whose[input], column, place->needed);
    BR_TRY(st, br_names_add(&g->column[input], column));
    BR_TRY(st, br_input_column_objects(input, column, &g->object[input]));
done:
    return st;
}

static br_status fail_unknown(const br_config *config, const present *p, const char *where,
                              const char *name)
{
    const char *near[BR_N_INPUTS] = {0};
    const char *nearest           = NULL;

    for (int f = 0; f < BR_N_INPUTS; f++)
        near[f] = br_columns_nearest(&p->columns[f], name);
    nearest = near[0] != NULL ? near[0] : near[1];
    if (near[0] != NULL && near[1] != NULL)
        nearest = br_columns_nearest(
            &(br_columns){"", 2, (const br_column[]){{.name = near[0]}, {.name = near[1]}}}, name);
    return br_fail(BR_E_USAGE,
                   "%s: neither %s nor %s has a column '%.90s'%s%s%s; one that they may lack goes "
                   "into governance.deny_if_present",
                   where, config->input_customers, config->input_catalogue, name,
                   nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?" : "");
}

/* A name in full goes before one without the word in front of its dot, as in conditions. */
static bool is_exact(const present *p, int f, int32_t c, const char *name)
{
    return c >= 0 && strcmp(p->name[f].name[c], name) == 0;
}

static br_status deny_one(const br_config *config, const present *p, int32_t i, br_governance *g)
{
    br_status   st = BR_OK;
    bool        may_be[BR_N_INPUTS];
    const char *name = strip_whose(config->governance_deny.item[i], may_be);
    int32_t     found[BR_N_INPUTS];
    int         n_exact = 0, n_found = 0;
    char        where[64];

    (void)snprintf(where, sizeof where, "governance.deny[%d]", i);
    for (int f = 0; f < BR_N_INPUTS; f++) {
        found[f] = may_be[f] ? br_columns_find(&p->columns[f], name) : BR_COLUMN_UNKNOWN;
        n_exact += is_exact(p, f, found[f], name);
        n_found += found[f] == BR_COLUMN_AMBIGUOUS ? 2 : found[f] >= 0;
    }
    if (n_found == 0)
        return fail_unknown(config, p, where, name);
    if (n_exact > 1 || (n_exact == 0 && n_found > 1))
        BR_FAIL(st, BR_E_USAGE,
                "%s: several columns are called '%.90s': write the one that is meant in full, with "
                "customer. or item. in front where both files have it",
                where, name);
    for (int f = 0; f < BR_N_INPUTS; f++)
        if (found[f] >= 0 && (n_exact == 0 || is_exact(p, f, found[f], name)))
            BR_TRY(st, deny(where, (br_input)f, p->name[f].name[found[f]], g));
done:
    return st;
}

/* A column of the same kind that is called nearly so; NULL: none, or the column is there. */
static const char *nearest_present(const present *p, int f, const char *name)
{
    size_t      n       = strlen(br_input_column_place((br_input)f, name)->word);
    const char *nearest = NULL;

    if (br_names_has(&p->name[f], name))
        return NULL;
    for (int32_t c = 0; c < p->name[f].n; c++) {
        const char *column   = p->name[f].name[c];
        const char *names[2] = {column + n, nearest};

        if (strncmp(column, name, n) == 0)
            nearest = br_nearest(name + n, names, nearest != NULL ? 2 : 1);
    }
    return nearest;
}

static br_status deny_if_present(const br_config *config, const present *p, int32_t i,
                                 br_governance *g)
{
    br_status   st      = BR_OK;
    const char *written = config->governance_deny_if_present.item[i];
    bool        may_be[BR_N_INPUTS];
    const char *name = strip_whose(written, may_be);
    const char *nearest;
    int         f = BR_INPUT_CUSTOMERS;
    char        where[64];

    (void)snprintf(where, sizeof where, "governance.deny_if_present[%d]", i);
    for (int other = 0; other < BR_N_INPUTS; other++)
        may_be[other] &= br_input_column_place((br_input)other, name) != NULL;
    if (may_be[BR_INPUT_CUSTOMERS] == may_be[BR_INPUT_CATALOGUE])
        BR_FAIL(st, BR_E_USAGE, "%s: found '%.90s', expected %s", where, written,
                may_be[0] ? "customer. or item. in front: a column of both files"
                          : "a column's name in full, as static.gender or value.price");
    if (may_be[BR_INPUT_CATALOGUE])
        f = BR_INPUT_CATALOGUE;
    nearest = nearest_present(p, f, name);
    if (nearest != NULL)
        br_log(BR_LOG_WARN, "governance", "%s: there is no %s column '%s'; did you mean '%s'?",
               where, br_input_whose[f], name, nearest);
    if (!br_names_has(&g->column[f], name))
        BR_TRY(st, br_names_add(&g->if_present[f], name));
    BR_TRY(st, deny(where, (br_input)f, name, g));
done:
    return st;
}

/* A model names features without a word in front: every column of that name is meant. */
static br_status deny_for_model(const present *p, const char *name, br_governance *g)
{
    br_status st = BR_OK;

    for (int f = 0; f < BR_N_INPUTS; f++)
        for (int32_t c = 0; c < p->name[f].n; c++) {
            const char            *column = p->name[f].name[c];
            const br_column_place *place  = br_input_column_place((br_input)f, column);

            if (place == NULL || !place->is_feature || br_names_has(&g->column[f], column) ||
                (strcmp(column, name) != 0 && strcmp(column + strlen(place->word), name) != 0))
                continue;
            BR_TRY(st, br_names_add(&g->by_model[f], column));
            BR_TRY(st, deny("input.model", (br_input)f, column, g));
        }
done:
    return st;
}

/* Another file of customers may have columns that the job's file lacks. */
static br_status deny_held_out(const br_names *by_model, br_governance *g)
{
    br_status st    = BR_OK;
    br_names  meant = {0};

    BR_TRY(st, br_names_add_all(&g->held_out, &g->object[BR_INPUT_CUSTOMERS]));
    for (int32_t i = 0; i < by_model->n; i++)
        BR_TRY(st, br_input_feature_columns(BR_INPUT_CUSTOMERS, by_model->name[i], &meant));
    for (int32_t c = 0; c < meant.n; c++)
        BR_TRY(st, br_input_column_objects(BR_INPUT_CUSTOMERS, meant.name[c], &g->held_out));
done:
    br_names_free(&meant);
    return st;
}

static br_status check_feature(const br_config *config, const br_governance *g, const char *word,
                               const char *name)
{
    char        column[BR_COLUMN_NAME_BYTES];
    const char *denier;

    (void)snprintf(column, sizeof column, "%s%s", word, name);
    denier = br_governance_denier(g, BR_INPUT_CUSTOMERS, column);
    if (denier == NULL)
        return BR_OK;
    if (config->governance_features == BR_FEATURES_REFUSE)
        return br_fail(BR_E_USAGE,
                       "input.model: %s takes '%s', which is denied by %s: take a model without "
                       "it, or set governance.features to \"missing\": then every customer is as "
                       "one without it",
                       config->input_model, column, denier);
    br_log(BR_LOG_WARN, "governance",
           "'%s' is denied by %s, and the model takes it: every customer is as one without it",
           column, denier);
    return BR_OK;
}

static br_status check_features(const br_config *config, const br_model_spec *spec,
                                const br_governance *g)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < spec->n_encoders; i++)
        BR_TRY(st, check_feature(config, g, "timeline.", spec->encoder[i].name));
    for (int32_t i = 0; i < spec->n_statics; i++)
        BR_TRY(st, check_feature(config, g, "static.", spec->statics[i].name));
    for (int32_t i = 0; i < spec->n_aggregates; i++)
        BR_TRY(st, check_feature(config, g, "aggregate.", spec->aggregate[i].name));
done:
    return st;
}

br_status br_governance_open(const br_config *config, const br_bundle *bundle, br_governance *out)
{
    br_status       st   = BR_OK;
    present         p    = {0};
    const br_names  none = {0};
    const br_names *by_model;

    *out     = (br_governance){0};
    by_model = bundle != NULL ? br_bundle_denied(bundle) : &none;
    if (config->governance_deny.n + config->governance_deny_if_present.n + by_model->n == 0)
        return BR_OK;
    BR_TRY(st, list_columns(config, &p));
    for (int32_t i = 0; i < config->governance_deny.n; i++)
        BR_TRY(st, deny_one(config, &p, i, out));
    for (int32_t i = 0; i < config->governance_deny_if_present.n; i++)
        BR_TRY(st, deny_if_present(config, &p, i, out));
    for (int32_t i = 0; i < by_model->n; i++)
        BR_TRY(st, deny_for_model(&p, by_model->name[i], out));
    BR_TRY(st, deny_held_out(by_model, out));
    for (int f = 0; f < BR_N_INPUTS; f++)
        for (int32_t i = 0; i < out->column[f].n; i++)
            br_log(BR_LOG_INFO, "governance", "%s column '%s' is denied: it is not opened",
                   br_input_whose[f], out->column[f].name[i]);
    if (bundle != NULL)
        BR_TRY(st, check_features(config, br_bundle_spec(bundle), out));
done:
    free_columns(&p);
    return st;
}

void br_governance_free(br_governance *g)
{
    for (int f = 0; f < BR_N_INPUTS; f++) {
        br_names_free(&g->column[f]);
        br_names_free(&g->if_present[f]);
        br_names_free(&g->by_model[f]);
        br_names_free(&g->object[f]);
    }
    br_names_free(&g->held_out);
}

const char *br_governance_denier(const br_governance *g, br_input input, const char *column)
{
    if (!br_names_has(&g->column[input], column))
        return NULL;
    if (br_names_has(&g->by_model[input], column))
        return "the model (training.denied of model.json)";
    return br_names_has(&g->if_present[input], column) ? "governance.deny_if_present"
                                                       : "governance.deny";
}

br_status br_governance_allow(const br_setup *s, const char *where, br_input input,
                              const char *word, const char *name)
{
    char        column[BR_COLUMN_NAME_BYTES];
    const char *denier;

    (void)snprintf(column, sizeof column, "%s%s", word, name);
    denier = br_governance_denier(&s->governance, input, column);
    if (denier == NULL)
        return BR_OK;
    return br_fail(BR_E_USAGE, "%s: %s column '%s' is denied by %s", where, br_input_whose[input],
                   column, denier);
}

static void add_names(br_strbuf *t, const char *key, const br_names *names)
{
    br_strbuf_add(t, "\"%s\": [", key);
    for (int32_t i = 0; i < names->n; i++) {
        br_strbuf_add(t, "%s", i > 0 ? ", " : "");
        br_strbuf_add_string(t, names->name[i]);
    }
    br_strbuf_add(t, "]");
}

br_status br_governance_record(const br_setup *s, br_strbuf *out)
{
    static const br_names none     = {0};
    const br_names *const denied[] = {&s->governance.object[BR_INPUT_CUSTOMERS],
                                      &s->governance.object[BR_INPUT_CATALOGUE], &none};
    const br_names *const read[]   = {br_customers_opened(s->customers), &s->catalogue.opened,
                                    s->bundle == NULL ? &none : br_bundle_opened(s->bundle)};
    const char *const     file[]   = {"customers", "catalogue", "vocabulary.h5"};

    br_strbuf_add(out, "[");
    for (int f = 0; f < (s->bundle == NULL ? 2 : 3); f++) {
        br_strbuf_add(out, "%s\n    {\"file\": \"%s\", ", f > 0 ? "," : "", file[f]);
        add_names(out, "denied", denied[f]);
        br_strbuf_add(out, ", ");
        add_names(out, "read", read[f]);
        br_strbuf_add(out, "}");
    }
    br_strbuf_add(out, "\n  ]");
    return br_strbuf_check(out);
}
