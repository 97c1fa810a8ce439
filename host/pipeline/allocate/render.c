/* SPDX-License-Identifier: Apache-2.0
 *
 * What an allocation cost and what its constraints are worth, as a member of stats.json and as a
 * table for people. */
#include "host/pipeline/allocate/render.h"

static const char *const kind_name[] = {"budget", "max_units", "max_share", "min_share"};
static const char *const worth_of[]  = {"unit of the budget", "place", "place", "place"};

static void add_limit(const br_fleet *f, int32_t l, br_strbuf *t)
{
    const br_limit *limit = &f->constraints.limit[l];
    double          dual  = f->dual_C[f->setup->catalogue.n_items + l];

    br_strbuf_add(t, "      {\"name\": ");
    br_strbuf_add_string(t, limit->name);
    br_strbuf_add(t,
                  ", \"kind\": \"%s\", \"bound\": %.12g, \"used\": %.12g, "
                  "\"one_more_%s\": %.9g},\n",
                  kind_name[limit->kind], limit->bound, f->activity_L[l],
                  limit->kind == BR_LIMIT_BUDGET ? "unit_of_cost" : "place", dual);
}

static void add_items(const br_fleet *f, br_strbuf *t)
{
    const br_catalogue *c = &f->setup->catalogue;
    char                key[BR_KEY_TEXT_BYTES];

    br_strbuf_add(t, "    \"items\": [\n");
    for (int64_t i = 0; f->constraints.capacity_N != NULL && i < c->n_items; i++) {
        if (!(f->dual_C[i] > 0.0))
            continue;
        br_strbuf_add(t, "      {\"item\": ");
        br_strbuf_add_string(t, br_keys_text(&c->key, i, key));
        br_strbuf_add(t, ", \"capacity\": %lld, \"one_more_unit\": %.9g},\n",
                      (long long)c->capacity_N[i], f->dual_C[i]);
    }
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n    ]\n");
}

void br_fleet_render(const br_fleet *f, br_strbuf *t)
{
    const br_allocate_report *r = &f->report;

    br_strbuf_add(t,
                  "  \"allocation\": {\n    \"places\": %lld, \"utility\": %.12g, "
                  "\"value\": %.12g, \"dual_value\": %.12g, \"gap\": %.6g,\n"
                  "    \"floor\": %.12g, \"lists_repaired\": %lld, \"shortlist\": %d, "
                  "\"customers_uncertain\": %lld, \"outside_value\": %.6g, \"passes\": %.3f,\n"
                  "    \"limits\": [\n",
                  (long long)r->n_slots, r->utility, r->value, r->dual_value, r->gap, f->floor,
                  (long long)r->n_touched, f->shortlists.width, (long long)r->n_uncertain,
                  r->outside_value, r->passes);
    for (int32_t l = 0; l < f->constraints.n_limits; l++)
        add_limit(f, l, t);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n    ],\n");
    add_items(f, t);
    br_strbuf_add(t, "  },\n");
}

/* The items whose next unit is worth most. */
#define MOST_ITEMS 10
static void print_items(const br_fleet *f, FILE *out)
{
    const br_catalogue *c        = &f->setup->catalogue;
    int64_t             n_priced = 0;
    double              below    = 1e300;
    int64_t             last     = -1;
    char                key[BR_KEY_TEXT_BYTES];

    for (int64_t i = 0; i < c->n_items; i++)
        n_priced += f->dual_C[i] > 0.0;
    (void)fprintf(out, "items at their capacity: %lld%s\n", (long long)n_priced,
                  n_priced > MOST_ITEMS ? ", the dearest:" : "");
    for (int j = 0; j < MOST_ITEMS && j < n_priced; j++) {
        int64_t best = -1;

        for (int64_t i = 0; i < c->n_items; i++) {
            bool is_next = f->dual_C[i] < below || (f->dual_C[i] == below && i > last);
            if (f->dual_C[i] > 0.0 && is_next && (best < 0 || f->dual_C[i] > f->dual_C[best]))
                best = i;
        }
        if (best < 0)
            break;
        below = f->dual_C[best];
        last  = best;
        (void)fprintf(out, "  %-24s capacity %8lld, one more unit is worth %.6g\n",
                      br_keys_text(&c->key, best, key), (long long)c->capacity_N[best], below);
    }
}

void br_fleet_print(const br_fleet *f, FILE *out)
{
    const br_allocate_report *r = &f->report;

    (void)fprintf(out, "places      %lld, worth %.6g; at most %.6g are possible (gap %.4f %%)\n",
                  (long long)r->n_slots, r->value, r->dual_value, 100.0 * r->gap);
    (void)fprintf(out, "lists       %lld repaired, %lld could hold an item outside the %d best\n",
                  (long long)r->n_touched, (long long)r->n_uncertain, f->shortlists.width);
    for (int32_t l = 0; l < f->constraints.n_limits; l++) {
        const br_limit *limit = &f->constraints.limit[l];

        (void)fprintf(out, "%-11s %-24s bound %12.6g, used %12.6g, one more %s is worth %.6g\n",
                      kind_name[limit->kind], limit->name, limit->bound, f->activity_L[l],
                      worth_of[limit->kind], f->dual_C[f->setup->catalogue.n_items + l]);
    }
    if (f->constraints.capacity_N != NULL)
        print_items(f, out);
}
