/* SPDX-License-Identifier: Apache-2.0
 *
 * Weightings from a file. Called once per process. */
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/nearest.h"
#include "host/pipeline/sweep/sweep.h"

#define LARGEST 1e6 /* as objective.terms[].weight */

typedef struct reader {
    const char      *path;
    const br_config *config;
    int32_t          n;
    br_weighting    *weighting;
} reader;

static br_status unknown_term(const reader *r, const char *name)
{
    const char *names[BR_MAX_TERMS];
    const char *nearest;
    int32_t     n = r->config->objective_terms.n;

    for (int32_t t = 0; t < n; t++)
        names[t] = r->config->objective_terms.item[t].name;
    nearest = br_nearest(name, names, n);
    return br_fail(BR_E_USAGE, "%s: [%d].weights: objective.terms has no term '%.200s'%s%s%s",
                   r->path, r->n, name, nearest ? ", did you mean '" : "", nearest ? nearest : "",
                   nearest ? "'" : "");
}

static br_status read_weights(const reader *r, const br_json_node *object, br_weighting *to)
{
    const br_config_term_list *terms = &r->config->objective_terms;

    for (int32_t t = 0; t < terms->n; t++)
        to->weight_T[t] = terms->item[t].weight;
    for (const br_json_node *w = br_json_first(object); w != NULL; w = br_json_next(w)) {
        double  value = br_json_number(w);
        int32_t t     = 0;

        while (t < terms->n && strcmp(terms->item[t].name, br_json_name(w)) != 0)
            t++;
        if (t == terms->n)
            return unknown_term(r, br_json_name(w));
        if (!(fabs(value) <= LARGEST))
            return br_fail(BR_E_USAGE,
                           "%s: [%d].weights.%.64s: found %s, expected a number of at most %g in "
                           "size",
                           r->path, r->n, br_json_name(w),
                           isnan(value) ? br_json_type_name(w) : "a larger number", LARGEST);
        to->weight_T[t] = value;
    }
    return BR_OK;
}

static br_status read_name(const reader *r, const br_json_node *node, br_weighting *to)
{
    const char *name = node == NULL ? NULL : br_json_string(node);

    if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof to->name)
        return br_fail(BR_E_USAGE, "%s: [%d].name: expected a text of 1 to %zu bytes", r->path,
                       r->n, sizeof to->name - 1);
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            return br_fail(BR_E_USAGE, "%s: [%d].name: found a control character", r->path, r->n);
    if (strcmp(name, BR_SWEEP_CONFIGURATION) == 0)
        return br_fail(BR_E_USAGE,
                       "%s: [%d].name: '%s' is the name of the configuration's own weights",
                       r->path, r->n, name);
    for (int32_t v = 0; v < r->n; v++)
        if (strcmp(r->weighting[v].name, name) == 0)
            return br_fail(BR_E_USAGE, "%s: [%d].name: '%s' is the name of [%d] too", r->path, r->n,
                           name, v);
    memcpy(to->name, name, strlen(name) + 1);
    return BR_OK;
}

static br_status read_weighting(reader *r, const br_json_node *node)
{
    br_status           st      = BR_OK;
    const br_json_node *weights = br_json_member(node, "weights");

    for (const br_json_node *m = br_json_first(node); m != NULL; m = br_json_next(m))
        if (strcmp(br_json_name(m), "name") != 0 && strcmp(br_json_name(m), "weights") != 0)
            BR_FAIL(st, BR_E_USAGE, "%s: [%d]: unknown key '%.64s', expected name and weights",
                    r->path, r->n, br_json_name(m));
    if (weights == NULL || br_json_type_of(weights) != BR_JSON_OBJECT)
        BR_FAIL(st, BR_E_USAGE, "%s: [%d].weights: expected an object of terms and numbers",
                r->path, r->n);
    BR_TRY(st, read_name(r, br_json_member(node, "name"), &r->weighting[r->n]));
    BR_TRY(st, read_weights(r, weights, &r->weighting[r->n]));
    r->n++;
done:
    return st;
}

br_status br_sweep_read(const char *path, const br_config *config, br_weighting **out, int32_t *n)
{
    br_status           st   = BR_OK;
    br_json            *json = NULL;
    reader              r    = {.path = path, .config = config};
    const br_json_node *root;
    int32_t             count;

    BR_TRY(st, br_json_read_file(&br_json_config_limits, path, &json));
    root = br_json_root(json);
    if (br_json_type_of(root) != BR_JSON_ARRAY)
        BR_FAIL(st, BR_E_USAGE,
                "%s: found %s, expected an array of {\"name\": ..., \"weights\": {...}}", path,
                br_json_type_name(root));
    count = br_json_count(root);
    if (count < 1 || count > BR_SWEEP_MAX)
        BR_FAIL(st, BR_E_USAGE, "%s: found %d weightings, expected 1 to %d", path, count,
                BR_SWEEP_MAX);
    BR_ALLOC(st, r.weighting, count, "weightings");
    for (const br_json_node *w = br_json_first(root); w != NULL; w = br_json_next(w)) {
        if (br_json_type_of(w) != BR_JSON_OBJECT)
            BR_FAIL(st, BR_E_USAGE, "%s: [%d]: found %s, expected an object", path, r.n,
                    br_json_type_name(w));
        BR_TRY(st, read_weighting(&r, w));
    }
    *n          = r.n;
    *out        = r.weighting;
    r.weighting = NULL;
done:
    br_json_close(&json);
    br_free(&r.weighting);
    return st;
}
