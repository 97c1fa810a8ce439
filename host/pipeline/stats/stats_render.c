/* SPDX-License-Identifier: Apache-2.0
 *
 * stats.json and metrics.prom from the totals. Called once per run. */
#include "host/base/memory.h"
#include "host/base/strbuf.h"
#include "host/pipeline/stats/draws.h"
#include "host/pipeline/stats/ledger.h"
#include "host/pipeline/stats/stats.h"
#include "host/pipeline/stats/stats_layout.h"

static const char *const fate_name[BR_N_FATES] = {
    "model",      "model_short",     "fallback",  "fallback_short",
    "no_consent", "nothing_allowed", "held_back", "held_out"};
static const char *const event_name[BR_N_EVENT_FATES] = {
    "read", "after_as_of", "unknown_token", "zero_weight", "truncated", "used"};

static int64_t sum_of(const br_counts *c)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < c->n; i++)
        sum += c->count[i];
    return sum;
}

static void add_histogram(br_strbuf *t, const char *indent, const char *name, const br_counts *c,
                          double (*edge)(int bin))
{
    br_strbuf_add(t, "%s\"%s\": {\"lower_edge\": [", indent, name);
    for (int i = 0; i < c->n; i++)
        br_strbuf_add(t, "%s%.6g", i ? ", " : "", edge(i));
    br_strbuf_add(t, "], \"count\": [");
    for (int i = 0; i < c->n; i++)
        br_strbuf_add(t, "%s%lld", i ? ", " : "", (long long)c->count[i]);
    br_strbuf_add(t, "]},\n");
}

static double norm_edge(int bin)
{
    return bin == 0 ? 0.0 : br_stats_log_edge(bin, BR_NORM_BINS / 2);
}

static double score_edge(int bin)
{
    int zero = BR_SCORE_BINS / 2;

    if (bin >= zero)
        return bin == zero ? 0.0 : br_stats_log_edge(bin - zero, BR_SCORE_BINS / 4);
    return -br_stats_log_edge(zero - bin, BR_SCORE_BINS / 4);
}

static double share_edge(int bin)
{
    return (double)bin / BR_SHARE_BINS;
}

static void add_customers(br_strbuf *t, const br_counts *c)
{
    br_strbuf_add(t, "  \"customers\": {\"total\": %lld, \"fate\": {", (long long)sum_of(c));
    for (int i = 0; i < BR_N_FATES; i++)
        br_strbuf_add(t, "%s\"%s\": %lld", i ? ", " : "", fate_name[i], (long long)c->count[i]);
    br_strbuf_add(t, "}},\n");
}

static void add_modalities(br_strbuf *t, const br_stats *stats, const br_setup *setup)
{
    br_strbuf_add(t, "  \"modalities\": {\n");
    for (int32_t m = 0; m < setup->n_encoders; m++) {
        const br_counts *c = &stats->total[3 + 3 * m];

        br_strbuf_add(t, "    ");
        br_strbuf_add_string(t, setup->feed[m].name);
        br_strbuf_add(t, ": {\n      \"events\": {");
        for (int i = 0; i < BR_N_EVENT_FATES; i++)
            br_strbuf_add(t, "%s\"%s\": %lld", i ? ", " : "", event_name[i],
                          (long long)c[0].count[i]);
        br_strbuf_add(t, "},\n");
        add_histogram(t, "      ", "attention", &c[1], share_edge);
        add_histogram(t, "      ", "gate", &c[2], share_edge);
        br_strbuf_drop_comma(t);
        br_strbuf_add(t, "\n    },\n");
    }
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n  },\n");
}

static void add_member(br_strbuf *t, const br_keys *names, int32_t v, int64_t n)
{
    char key[BR_KEY_TEXT_BYTES];

    if (n == 0)
        return;
    if (v >= 0 && v < names->n_keys)
        br_strbuf_add_string(t, br_keys_text(names, v, key));
    else
        br_strbuf_add(t, "\"%d\"", v);
    br_strbuf_add(t, ": %lld, ", (long long)n);
}

/* Places in lists of each member of a group column; items of no group under "-1". */
static br_status add_group(br_strbuf *t, const br_stats *stats, const br_catalogue *c, int32_t g)
{
    br_status st       = BR_OK;
    int32_t   n_groups = 0;
    int64_t  *count    = NULL; /* [0] is group -1 */

    for (int64_t i = 0; i < c->n_items; i++)
        n_groups = c->group_N[g][i] >= n_groups ? c->group_N[g][i] + 1 : n_groups;
    BR_ALLOC(st, count, n_groups + 1, "group exposure");
    for (int64_t i = 0; i < c->n_items; i++)
        count[c->group_N[g][i] < 0 ? 0 : c->group_N[g][i] + 1] += stats->exposure_N[i];
    br_strbuf_add(t, "      ");
    br_strbuf_add_string(t, c->group_name[g]);
    br_strbuf_add(t, ": {");
    for (int32_t v = -1; v < n_groups; v++)
        add_member(t, &c->group_key[g], v, count[v + 1]);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "},\n");
done:
    br_free(&count);
    return st;
}

static br_status add_exposure(br_strbuf *t, const br_stats *stats, const br_setup *setup)
{
    br_status           st       = BR_OK;
    const br_catalogue *c        = &setup->catalogue;
    int64_t             n_listed = 0, most = 0;

    for (int64_t i = 0; i < stats->n_items; i++) {
        n_listed += stats->exposure_N[i] > 0;
        most = stats->exposure_N[i] > most ? stats->exposure_N[i] : most;
    }
    br_strbuf_add(
        t,
        "  \"exposure\": {\n    \"slots\": %lld, \"items\": %lld, "
        "\"items_listable\": %lld, \"items_without_vector\": %lld, "
        "\"items_not_valid\": %lld, \"items_listed\": %lld, \"most_for_one_item\": %lld,\n",
        (long long)stats->n_filled, (long long)stats->n_items, (long long)setup->n_listed,
        (long long)setup->n_unscorable, (long long)setup->n_invalid, (long long)n_listed,
        (long long)most);
    br_strbuf_add(t, "    \"groups\": {\n");
    for (int32_t g = 0; g < c->n_groups; g++)
        BR_TRY(st, add_group(t, stats, c, g));
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n    },\n    \"item\": [");
    for (int64_t i = 0; i < stats->n_items; i++)
        br_strbuf_add(t, "%s%lld",
                      i == 0        ? ""
                      : i % 32 == 0 ? ",\n      "
                                    : ",",
                      (long long)stats->exposure_N[i]);
    br_strbuf_add(t, "]\n  }\n}\n");
done:
    return st;
}

static void add_metrics(br_strbuf *t, const br_stats *stats, const br_setup *setup)
{
    br_strbuf_add(t, "# HELP batchrank_customers Customers by what became of them\n"
                     "# TYPE batchrank_customers gauge\n");
    for (int i = 0; i < BR_N_FATES; i++)
        br_strbuf_add(t, "batchrank_customers{fate=\"%s\"} %lld\n", fate_name[i],
                      (long long)stats->total[0].count[i]);
    br_strbuf_add(t, "# HELP batchrank_events Events by modality and what became of them\n"
                     "# TYPE batchrank_events gauge\n");
    for (int32_t m = 0; m < setup->n_encoders; m++)
        for (int i = 0; i < BR_N_EVENT_FATES; i++) {
            br_strbuf_add(t, "batchrank_events{modality=");
            br_strbuf_add_string(t, setup->feed[m].name);
            br_strbuf_add(t, ",fate=\"%s\"} %lld\n", event_name[i],
                          (long long)stats->total[3 + 3 * m].count[i]);
        }
    br_strbuf_add(t,
                  "# HELP batchrank_list_slots Places filled in lists\n"
                  "# TYPE batchrank_list_slots gauge\nbatchrank_list_slots %lld\n",
                  (long long)stats->n_filled);
}

br_status br_stats_render(const br_stats *stats, const br_setup *setup, const char *more,
                          char **json, char **metrics)
{
    br_status st = BR_OK;
    br_strbuf j = {0}, m = {0};

    br_strbuf_add(&j, "{\n");
    add_customers(&j, &stats->total[0]);
    add_histogram(&j, "  ", "norm", &stats->total[1], norm_edge);
    add_histogram(&j, "  ", "score", &stats->total[2], score_edge);
    add_modalities(&j, stats, setup);
    add_metrics(&m, stats, setup);
    br_ledger_render(setup, stats->total[BR_LEDGER_AT(setup->n_encoders)].count,
                     stats->total[BR_LEDGER_AT(setup->n_encoders) + 1].count, &j, &m);
    br_strbuf_add(&j, "%s", more != NULL ? more : "");
    br_draws_render(setup, stats->total[BR_LEDGER_AT(setup->n_encoders) + 2].count, &j);
    BR_TRY(st, add_exposure(&j, stats, setup));
    BR_TRY(st, br_strbuf_take(&j, json));
    BR_TRY(st, br_strbuf_take(&m, metrics));
done:
    br_strbuf_free(&j);
    br_strbuf_free(&m);
    return st;
}
