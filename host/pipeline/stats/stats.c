/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting of units and parts. Once per work unit, one pass over its lists. */
#include "host/pipeline/stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/stats/draws.h"
#include "host/pipeline/stats/ledger.h"
#include "host/pipeline/stats/stats_layout.h"

int br_stats_log_bin(double x, int zero_at)
{
    int    e;
    double m;
    int    bin;

    if (!(x > 0.0))
        return 0;
    if (isinf(x))
        return zero_at * 2 - 1;
    m   = frexp(x, &e);
    bin = 2 * e + (m >= 0.70710678118654752440) + zero_at;
    if (bin < 0)
        return 0;
    return bin < zero_at * 2 ? bin : zero_at * 2 - 1;
}

double br_stats_log_edge(int bin, int zero_at)
{
    return exp2(0.5 * (bin - zero_at) - 1.0);
}

static int score_bin(double score)
{
    if (score >= 0.0)
        return BR_SCORE_BINS / 2 + br_stats_log_bin(score, BR_SCORE_BINS / 4);
    return BR_SCORE_BINS / 2 - 1 - br_stats_log_bin(-score, BR_SCORE_BINS / 4);
}

static int share_bin(float share)
{
    int bin = (int)(share * BR_SHARE_BINS);

    return bin < 0 ? 0 : bin < BR_SHARE_BINS ? bin : BR_SHARE_BINS - 1;
}

static br_status add_counts(br_stats *stats, const char *prefix, const char *name, int64_t n)
{
    br_status  st = BR_OK;
    br_counts *c  = &stats->total[stats->n_counts];

    (void)snprintf(c->name, sizeof c->name, "%s%.50s", prefix, name);
    c->n = n;
    BR_ALLOC(st, c->count, n, "statistics");
    stats->n_counts++;
done:
    return st;
}

br_status br_stats_create(const br_setup *setup, br_stats *out)
{
    br_status st = BR_OK;

    BR_TRY(st, add_counts(out, "customers", "", BR_N_FATES));
    BR_TRY(st, add_counts(out, "norm", "", BR_NORM_BINS));
    BR_TRY(st, add_counts(out, "score", "", BR_SCORE_BINS));
    for (int32_t m = 0; m < setup->n_encoders; m++) {
        BR_TRY(st, add_counts(out, "events.", setup->feed[m].name, BR_N_EVENT_FATES));
        BR_TRY(st, add_counts(out, "alpha.", setup->feed[m].name, BR_SHARE_BINS));
        BR_TRY(st, add_counts(out, "gate.", setup->feed[m].name, BR_SHARE_BINS));
    }
    BR_TRY(st, add_counts(out, "ledger.customers", "", br_ledger_customers(setup)));
    BR_TRY(st, add_counts(out, "ledger.items", "", br_ledger_items(setup)));
    BR_TRY(st, add_counts(out, "draws", "", br_draws_length(setup)));
    out->n_items = setup->catalogue.n_items;
    BR_ALLOC(st, out->exposure_N, out->n_items, "exposure");
    BR_TRY(st, br_shadow_stats_open(setup, &out->shadows));
done:
    return st;
}

void br_stats_free(br_stats *stats)
{
    for (int32_t i = 0; i < stats->n_counts; i++)
        br_free(&stats->total[i].count);
    br_free(&stats->exposure_N);
    br_shadow_stats_close(&stats->shadows);
    stats->n_counts = 0;
}

br_status br_stats_attach(const br_stats *stats, br_lists *lists)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < stats->n_counts; i++) {
        lists->counts[i] = stats->total[i];
        BR_ALLOC(st, lists->counts[i].count, stats->total[i].n, "unit statistics");
        lists->n_counts = i + 1;
    }
done:
    return st;
}

static br_fate fate_of(const br_lists *lists, int64_t b)
{
    uint32_t flags = lists->flags_B[b];

    if (flags & BR_FLAG_NO_CONSENT)
        return BR_FATE_NO_CONSENT;
    if (flags & BR_FLAG_HELD_BACK)
        return BR_FATE_HELD_BACK;
    if (flags & BR_FLAG_HELD_OUT)
        return BR_FATE_HELD_OUT;
    if (flags & BR_FLAG_NOTHING_ALLOWED)
        return BR_FATE_NOTHING_ALLOWED;
    if (flags & BR_FLAG_FALLBACK)
        return flags & BR_FLAG_SHORT ? BR_FATE_FALLBACK_SHORT : BR_FATE_FALLBACK;
    return flags & BR_FLAG_SHORT ? BR_FATE_MODEL_SHORT : BR_FATE_MODEL;
}

static void count_lists(const br_batch *batch, int64_t b)
{
    const br_lists  *lists = &batch->lists;
    const br_counts *c     = lists->counts;

    c[0].count[fate_of(lists, b)]++;
    for (int32_t j = 0; j < lists->n_B[b]; j++)
        if (lists->source_BK[b * lists->k + j] == BR_SOURCE_MODEL)
            c[2].count[score_bin(lists->score_BK[b * lists->k + j])]++;
}

static void count_customer(const br_batch *batch, int64_t b)
{
    const br_lists  *lists = &batch->lists;
    const br_counts *c     = lists->counts;

    count_lists(batch, b);
    c[1].count[br_stats_log_bin(sqrt((double)batch->host_square_B[b]), BR_NORM_BINS / 2)]++;
}

static void count_gates(const br_setup *setup, const br_batch *batch)
{
    int32_t n = setup->n_encoders;

    for (int64_t at = 0; at < batch->n_rows * n; at++) {
        const br_counts *c = &batch->lists.counts[3 + 3 * (at % n)];

        if (!batch->present_BM[at])
            continue;
        c[1].count[share_bin(batch->lists.alpha_BM[at])]++;
        c[2].count[share_bin(batch->lists.gate_BM[at])]++;
    }
}

void br_stats_count(const br_setup *setup, br_batch *batch)
{
    br_lists *lists = &batch->lists;

    for (int32_t i = 0; i < lists->n_counts; i++)
        if (lists->counts[i].n > 0)
            memset(lists->counts[i].count, 0, (size_t)lists->counts[i].n * sizeof(int64_t));
    for (int64_t b = 0; b < batch->n_rows; b++)
        count_customer(batch, b);
    for (int32_t m = 0; m < setup->n_encoders; m++)
        memcpy(lists->counts[3 + 3 * m].count, &batch->events[m], sizeof batch->events[m]);
    if (lists->alpha_BM != NULL)
        count_gates(setup, batch);
    br_ledger_count(setup, batch, lists->counts[BR_LEDGER_AT(setup->n_encoders)].count,
                    lists->counts[BR_LEDGER_AT(setup->n_encoders) + 1].count);
    br_draws_count(batch, lists->counts[BR_LEDGER_AT(setup->n_encoders) + 2].count);
}

br_status br_stats_recount(const br_setup *setup, const br_lists *before, br_batch *batch)
{
    br_lists *lists  = &batch->lists;
    int32_t   ledger = BR_LEDGER_AT(setup->n_encoders);

    if (before->n_counts != lists->n_counts)
        return br_fail(BR_E_INPUT, "part of row %lld: %d counts found, expected %d",
                       (long long)before->first_row, before->n_counts, lists->n_counts);
    for (int32_t i = 0; i < lists->n_counts; i++) {
        bool is_anew = i == 0 || i == 2 || i == ledger || i == ledger + 1;

        if (strcmp(before->counts[i].name, lists->counts[i].name) != 0 ||
            before->counts[i].n != lists->counts[i].n)
            return br_fail(BR_E_INPUT, "part of row %lld: counts '%s' found, expected '%s'",
                           (long long)before->first_row, before->counts[i].name,
                           lists->counts[i].name);
        for (int64_t j = 0; j < lists->counts[i].n; j++)
            lists->counts[i].count[j] = is_anew ? 0 : before->counts[i].count[j];
    }
    for (int64_t b = 0; b < batch->n_rows; b++)
        count_lists(batch, b);
    br_ledger_count(setup, batch, lists->counts[ledger].count, lists->counts[ledger + 1].count);
    return BR_OK;
}

br_status br_stats_add(br_stats *stats, const br_lists *lists)
{
    int64_t n_customers = 0;

    if (lists->n_counts != stats->n_counts)
        return br_fail(BR_E_SELFCHECK, "part of row %lld: %d counts found, expected %d",
                       (long long)lists->first_row, lists->n_counts, stats->n_counts);
    for (int32_t i = 0; i < stats->n_counts; i++) {
        const br_counts *from = &lists->counts[i];

        if (strcmp(from->name, stats->total[i].name) != 0 || from->n != stats->total[i].n)
            return br_fail(BR_E_SELFCHECK, "part of row %lld: counts '%s' found, expected '%s'",
                           (long long)lists->first_row, from->name, stats->total[i].name);
        for (int64_t j = 0; j < from->n; j++)
            stats->total[i].count[j] += from->count[j];
    }
    for (int j = 0; j < BR_N_FATES; j++)
        n_customers += lists->counts[0].count[j];
    if (n_customers != lists->n_rows)
        return br_fail(BR_E_SELFCHECK,
                       "part of row %lld: %lld customers accounted for, expected "
                       "%lld",
                       (long long)lists->first_row, (long long)n_customers,
                       (long long)lists->n_rows);
    for (int64_t at = 0; at < lists->n_rows * lists->k; at++) {
        if (lists->item_BK[at] < 0)
            continue;
        stats->exposure_N[lists->item_BK[at]]++;
        stats->n_filled++;
    }
    return br_shadow_stats_add(&stats->shadows, lists);
}

void br_stats_sum(br_comm *comm, br_stats *stats)
{
    for (int32_t i = 0; i < stats->n_counts; i++)
        br_comm_sum_i64(comm, stats->total[i].count, stats->total[i].n);
    br_comm_sum_i64(comm, stats->exposure_N, stats->n_items);
    br_comm_sum_i64(comm, &stats->n_filled, 1);
    br_shadow_stats_sum(comm, &stats->shadows, stats->n_items);
}

br_status br_stats_guard(const br_stats *stats, const br_setup *setup)
{
    return br_draws_guard(setup, stats->total[BR_LEDGER_AT(setup->n_encoders) + 2].count);
}
