/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/stats/ledger.h"

static int32_t row_length(const br_setup *s)
{
    return s->rulebook.n_holds + BR_N_LEDGER_ENDS;
}

int64_t br_ledger_customers(const br_setup *s)
{
    return (int64_t)s->rulebook.n_strata * row_length(s);
}

int64_t br_ledger_items(const br_setup *s)
{
    return 2 * (int64_t)s->rulebook.n_rules;
}

static br_ledger_end end_of(const br_lists *lists, int64_t b)
{
    if (lists->flags_B[b] & BR_FLAG_HELD_OUT)
        return BR_LEDGER_HELD_OUT;
    if (lists->n_B[b] == 0)
        return BR_LEDGER_NOTHING_ALLOWED;
    return lists->n_B[b] < lists->k ? BR_LEDGER_SHORT : BR_LEDGER_FULL;
}

void br_ledger_count(const br_setup *s, const br_batch *batch, int64_t *customers, int64_t *items)
{
    int32_t n_holds = s->rulebook.n_holds;

    for (int64_t b = 0; b < batch->n_rows; b++) {
        int32_t rule   = batch->rule_B[b];
        int32_t column = rule >= 0 ? rule : n_holds + (int32_t)end_of(&batch->lists, b);

        customers[(int64_t)batch->stratum_B[b] * row_length(s) + column]++;
    }
    for (int32_t r = 0; r < s->rulebook.n_rules; r++) {
        items[2 * r] += batch->item_rule[r].n_customers;
        items[2 * r + 1] += batch->item_rule[r].n_pairs;
    }
}

const char *br_ledger_item_rule(const br_setup *s, int32_t r)
{
    int32_t n = s->config->rules_items.n;

    return r < n ? s->config->rules_items.item[r].name : s->config->rules_matches.item[r - n].name;
}

static void render_stratum(const br_setup *s, int32_t stratum, const int64_t *row, br_strbuf *t)
{
    static const char *const ends[] = {"held_out", "nothing_allowed", "short", "full"};
    const br_rulebook       *book   = &s->rulebook;
    int64_t                  total  = 0;
    char                     text[BR_KEY_TEXT_BYTES];

    for (int32_t c = 0; c < row_length(s); c++)
        total += row[c];
    br_strbuf_add(t, "      ");
    if (book->strata_place < 0)
        br_strbuf_add(t, "\"all\"");
    else if (stratum + 1 == book->n_strata)
        br_strbuf_add(t, "\"\"");
    else
        br_strbuf_add_string(t, br_keys_text(&book->strata_key, stratum, text));
    br_strbuf_add(t, ": {\"customers\": %lld, \"held_back\": {", (long long)total);
    for (int32_t h = 0; h < book->n_holds; h++) {
        br_strbuf_add_string(t, book->hold[h].name);
        br_strbuf_add(t, ": %lld, ", (long long)row[h]);
    }
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "}");
    for (int32_t e = 0; e < BR_N_LEDGER_ENDS; e++)
        br_strbuf_add(t, ", \"%s\": %lld", ends[e], (long long)row[book->n_holds + e]);
    br_strbuf_add(t, "},\n");
}

static void render_items(const br_setup *s, const int64_t *items, br_strbuf *t)
{
    br_strbuf_add(t, "    \"items\": {\n");
    for (int32_t r = 0; r < s->rulebook.n_rules; r++) {
        br_strbuf_add(t, "      ");
        br_strbuf_add_string(t, br_ledger_item_rule(s, r));
        br_strbuf_add(t, ": {\"items\": %lld, \"customers\": %lld, \"pairs\": %lld},\n",
                      (long long)br_rules_info(s->rulebook.rules, r).n_items,
                      (long long)items[2 * r], (long long)items[2 * r + 1]);
    }
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n    },\n    \"items_forbidden_to_everyone\": %lld\n  },\n",
                  (long long)s->rulebook.n_forbidden);
}

void br_ledger_render(const br_setup *s, const int64_t *customers, const int64_t *items,
                      br_strbuf *json, br_strbuf *metrics)
{
    const br_rulebook *book = &s->rulebook;

    br_strbuf_add(json, "  \"ledger\": {\n    \"rules\": [");
    for (int32_t h = 0; h < book->n_holds; h++) {
        br_strbuf_add(json, h ? ", " : "");
        br_strbuf_add_string(json, book->hold[h].name);
    }
    br_strbuf_add(json, "],\n    \"strata\": {\n");
    for (int32_t x = 0; x < book->n_strata; x++)
        render_stratum(s, x, customers + (int64_t)x * row_length(s), json);
    br_strbuf_drop_comma(json);
    br_strbuf_add(json, "\n    },\n");
    render_items(s, items, json);
    if (book->n_holds > 0)
        br_strbuf_add(metrics, "# HELP batchrank_held_back Customers that a rule held back\n"
                               "# TYPE batchrank_held_back gauge\n");
    for (int32_t h = 0; h < book->n_holds; h++) {
        int64_t n = 0;

        for (int32_t x = 0; x < book->n_strata; x++)
            n += customers[(int64_t)x * row_length(s) + h];
        br_strbuf_add(metrics, "batchrank_held_back{rule=");
        br_strbuf_add_string(metrics, book->hold[h].name);
        br_strbuf_add(metrics, "} %lld\n", (long long)n);
    }
}
