/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep in words and figures. Called once per process. */
#include <stdlib.h>
#include <string.h>

#include "host/pipeline/sweep/sweep.h"

static double coverage(const br_sweep *s, const br_sweep_row *row)
{
    return (double)row->n_items / (double)s->setup->n_listed;
}

/* The shortest digits that are read as the same number. */
static void add_number(br_strbuf *t, double value)
{
    char text[32];

    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    br_strbuf_add(t, "%s", text);
}

/* ---- JSON ---- */

static void add_terms(const br_sweep *s, const char *name, const double *value_T, br_strbuf *t)
{
    const br_objective *o = &s->setup->objective;

    br_strbuf_add(t, "\"%s\": {", name);
    for (int32_t i = 0; i < o->n_terms; i++) {
        br_strbuf_add_string(t, o->term[i].name);
        br_strbuf_add(t, ": ");
        add_number(t, value_T[i]);
        br_strbuf_add(t, i + 1 < o->n_terms ? ", " : "}, ");
    }
}

static void add_row(const br_sweep *s, const br_sweep_row *row, br_strbuf *t)
{
    br_strbuf_add(t, "    {\"name\": ");
    br_strbuf_add_string(t, row->name);
    br_strbuf_add(t, ", ");
    add_terms(s, "weights", row->weight_T, t);
    add_terms(s, "terms", row->term_T, t);
    br_strbuf_add(t, "\"penalty\": ");
    add_number(t, row->penalty);
    br_strbuf_add(t, ", \"lists\": %lld, \"items_listed\": %lld, \"coverage\": ",
                  (long long)row->n_lists, (long long)row->n_items);
    add_number(t, coverage(s, row));
    br_strbuf_add(t, ", \"gini\": ");
    add_number(t, row->gini);
    br_strbuf_add(t, ", \"overlap\": ");
    add_number(t, row->common);
    br_strbuf_add(t, ", \"efficient\": %s},\n", row->is_efficient ? "true" : "false");
}

void br_sweep_json(const br_sweep *s, br_strbuf *t)
{
    const br_objective *o = &s->setup->objective;

    br_strbuf_add(t,
                  "{\n  \"format\": \"batchrank-sweep\", \"version\": 1,\n  \"customers\": %lld, "
                  "\"items\": %lld, \"k\": %lld,\n  \"objective\": \"%s\",\n  \"better\": {",
                  (long long)s->n_customers, (long long)s->setup->n_listed,
                  (long long)s->setup->config->list_k,
                  o->type == BR_OBJECTIVE_LINEAR ? "linear" : "expected_value");
    for (int32_t i = 0; i < o->n_terms; i++) {
        br_strbuf_add_string(t, o->term[i].name);
        br_strbuf_add(t, ": \"%s\"%s", o->term[i].weight < 0.0 ? "less" : "more",
                      i + 1 < o->n_terms ? ", " : "");
    }
    br_strbuf_add(t, "},\n  \"weightings\": [\n");
    for (int32_t v = 0; v < s->n_rows; v++)
        add_row(s, &s->row[v], t);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n  ]\n}\n");
}

/* ---- CSV ---- */

/* RFC 4180: quoted where need be, quotes doubled. */
static void add_cell(br_strbuf *t, const char *prefix, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        br_strbuf_add(t, "%s%s", prefix, text);
        return;
    }
    br_strbuf_add(t, "\"%s", prefix);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"')
            br_strbuf_add_bytes(t, "\"", 1);
        br_strbuf_add_bytes(t, c, 1);
    }
    br_strbuf_add(t, "\"");
}

static void add_numbers(br_strbuf *t, const double *value, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        br_strbuf_add(t, ",");
        add_number(t, value[i]);
    }
}

void br_sweep_csv(const br_sweep *s, br_strbuf *t)
{
    const br_objective *o = &s->setup->objective;

    br_strbuf_add(t, "name");
    for (int32_t i = 0; i < 2 * o->n_terms; i++) {
        br_strbuf_add(t, ",");
        add_cell(t, i < o->n_terms ? "weight." : "term.", o->term[i % o->n_terms].name);
    }
    br_strbuf_add(t, ",penalty,lists,items_listed,coverage,gini,overlap,efficient\n");
    for (int32_t v = 0; v < s->n_rows; v++) {
        const br_sweep_row *row = &s->row[v];

        add_cell(t, "", row->name);
        add_numbers(t, row->weight_T, o->n_terms);
        add_numbers(t, row->term_T, o->n_terms);
        add_numbers(t, &row->penalty, 1);
        br_strbuf_add(t, ",%lld,%lld", (long long)row->n_lists, (long long)row->n_items);
        add_numbers(t, (double[]){coverage(s, row), row->gini, row->common}, 3);
        br_strbuf_add(t, ",%s\n", row->is_efficient ? "true" : "false");
    }
}

/* ---- a table ---- */

#define NAME_COLUMNS 24
#define TERM_COLUMNS 13

void br_sweep_print(const br_sweep *s, FILE *out)
{
    const br_objective *o = &s->setup->objective;

    (void)fprintf(out,
                  "means per list of %lld customers with one; * no other weighting is at "
                  "least as good in every term and better in one\n  %-*s",
                  (long long)s->row[0].n_lists, NAME_COLUMNS, "weighting");
    for (int32_t i = 0; i < o->n_terms; i++)
        (void)fprintf(out, " %*.*s", TERM_COLUMNS, TERM_COLUMNS, o->term[i].name);
    (void)fprintf(out, " %*s %9s %6s %8s\n", TERM_COLUMNS, "penalty", "items", "gini", "overlap");
    for (int32_t v = 0; v < s->n_rows; v++) {
        const br_sweep_row *row = &s->row[v];

        (void)fprintf(out, "%c %-*.*s", row->is_efficient ? '*' : ' ', NAME_COLUMNS, NAME_COLUMNS,
                      row->name);
        for (int32_t i = 0; i < o->n_terms; i++)
            (void)fprintf(out, " %*.6g", TERM_COLUMNS, row->term_T[i]);
        (void)fprintf(out, " %*.6g %9lld %6.3f %7.1f%%\n", TERM_COLUMNS, row->penalty,
                      (long long)row->n_items, row->gini, 100.0 * row->common);
    }
}
