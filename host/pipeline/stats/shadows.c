/* SPDX-License-Identifier: Apache-2.0
 *
 * Shadows beside the published lists. Once per part, one pass over its lists. */
#include "host/pipeline/stats/shadows.h"

#include "host/base/memory.h"

#define BILLION 1e9

br_status br_shadow_stats_open(const br_setup *setup, br_shadow_stats *out)
{
    br_status st = BR_OK;
    int64_t   N  = setup->catalogue.n_items;

    if (setup->n_weightings == 0 || setup->is_sweep)
        return BR_OK;
    BR_TRY(st, br_comparer_open(N, &out->comparer));
    BR_ALLOC(st, out->exposure_N, N, "exposure");
    for (int32_t s = 0; s < setup->n_weightings; s++)
        BR_ALLOC(st, out->of[s].exposure_N, N, "exposure of a shadow");
    out->n = setup->n_weightings;
done:
    return st;
}

void br_shadow_stats_close(br_shadow_stats *stats)
{
    br_comparer_close(&stats->comparer);
    br_free(&stats->exposure_N);
    for (int s = 0; s < BR_LISTS_MAX_SHADOWS; s++)
        br_free(&stats->of[s].exposure_N);
    stats->n = 0;
}

static void expose(const int32_t *item_K, int32_t k, int64_t *exposure_N)
{
    for (int32_t j = 0; j < k && item_K[j] >= 0; j++)
        exposure_N[item_K[j]]++;
}

static void add_customer(br_shadow_stats *stats, const br_lists *lists, int64_t b)
{
    const int32_t *item_K = lists->item_BK + b * lists->k;

    stats->n_customers++;
    expose(item_K, lists->k, stats->exposure_N);
    for (int32_t s = 0; s < stats->n; s++) {
        const int32_t *shadow_K = lists->shadow[s].item_BK + b * lists->k;
        br_likeness    like     = br_compare_lists(&stats->comparer, item_K, shadow_K, lists->k);

        stats->of[s].share += (int64_t)(like.share * BILLION + 0.5);
        stats->of[s].rbo += (int64_t)(like.rbo * BILLION + 0.5);
        expose(shadow_K, lists->k, stats->of[s].exposure_N);
    }
}

br_status br_shadow_stats_add(br_shadow_stats *stats, const br_lists *lists)
{
    if (lists->n_shadows != stats->n)
        return br_fail(BR_E_SELFCHECK, "part of row %lld: %d shadows found, expected %d",
                       (long long)lists->first_row, lists->n_shadows, stats->n);
    for (int64_t b = 0; stats->n > 0 && b < lists->n_rows; b++)
        if (br_lists_is_by_model(lists, b))
            add_customer(stats, lists, b);
    return BR_OK;
}

void br_shadow_stats_sum(br_comm *comm, br_shadow_stats *stats, int64_t n_items)
{
    if (stats->n == 0)
        return;
    br_comm_sum_i64(comm, &stats->n_customers, 1);
    br_comm_sum_i64(comm, stats->exposure_N, n_items);
    for (int32_t s = 0; s < stats->n; s++) {
        br_comm_sum_i64(comm, &stats->of[s].share, 1);
        br_comm_sum_i64(comm, &stats->of[s].rbo, 1);
        br_comm_sum_i64(comm, stats->of[s].exposure_N, n_items);
    }
}

void br_shadow_stats_render(const br_shadow_stats *stats, const br_setup *setup, br_strbuf *json)
{
    int64_t n = stats->n_customers > 0 ? stats->n_customers : 1;

    if (stats->n == 0)
        return;
    br_strbuf_add(json, "  \"shadows\": {\n    \"customers\": %lld,\n    \"of\": {\n",
                  (long long)stats->n_customers);
    for (int32_t s = 0; s < stats->n; s++) {
        const br_shadow_totals *of = &stats->of[s];

        br_strbuf_add(json, "      ");
        br_strbuf_add_string(json, setup->weighting[s].name);
        br_strbuf_add(
            json,
            ": {\"overlap\": %.9f, \"rank_biased_overlap\": %.9f, "
            "\"exposure_shift\": %.9f},\n",
            (double)of->share / BILLION / (double)n, (double)of->rbo / BILLION / (double)n,
            br_total_variation(stats->exposure_N, of->exposure_N, setup->catalogue.n_items));
    }
    br_strbuf_drop_comma(json);
    br_strbuf_add(json, "\n    }\n  },\n");
}
