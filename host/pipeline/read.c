/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1: customers from the file, reduced to what the models use. Runs in the reading thread,
 * once per work unit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/pipeline/stages.h"

/* The kept events of one customer end at `to`; they are the last max_length usable ones. */
static bool is_usable(const br_feed *feed, const br_timeline *t, int64_t e, int64_t as_of,
                      br_event_counts *counts)
{
    if (t->time_E[e] > as_of)
        counts->n_future++;
    else if (feed->row_of_token[t->item_E[e]] < 0)
        counts->n_unknown++;
    else if (t->weight_E != NULL && t->weight_E[e] == 0.0f)
        counts->n_zero_weight++;
    else
        return true;
    return false;
}

static void keep_event(const br_feed *feed, const br_timeline *t, int64_t e, br_packed *p)
{
    int64_t to = p->n_events++;

    p->item_E[to] = feed->row_of_token[t->item_E[e]];
    p->time_E[to] = t->time_E[e];
    if (p->type_E != NULL)
        p->type_E[to] = t->type_E[e];
    if (p->weight_E != NULL)
        p->weight_E[to] = t->weight_E[e];
}

/* What is kept of a timeline, and where it goes. */
typedef struct keep_rule {
    int64_t          as_of;
    int32_t          max_length;
    br_packed       *packed;
    br_event_counts *counts;
} keep_rule;

/* Keeps the last max_length usable events of [begin, end): counts them first, then copies. */
static void pack_customer(const br_feed *feed, const br_timeline *t, int64_t begin, int64_t end,
                          const keep_rule *rule)
{
    br_event_counts ignored  = {0};
    int64_t         n_usable = 0, n_skip;

    for (int64_t e = begin; e < end; e++)
        n_usable += is_usable(feed, t, e, rule->as_of, rule->counts);
    n_skip = n_usable > rule->max_length ? n_usable - rule->max_length : 0;
    rule->counts->n_truncated += n_skip;
    rule->counts->n_used += n_usable - n_skip;
    for (int64_t e = begin; e < end && n_usable > 0; e++) {
        if (!is_usable(feed, t, e, rule->as_of, &ignored))
            continue;
        if (n_skip > 0)
            n_skip--;
        else
            keep_event(feed, t, e, rule->packed);
        n_usable--;
    }
}

static br_status reserve_packed(br_packed *p, int64_t n_rows, const br_timeline *t)
{
    br_status st       = BR_OK;
    int64_t   n_events = t->n_events;

    BR_TRY(st, br_span_reserve(&p->span[0], n_rows + 1, 8, "packed offsets"));
    BR_TRY(st, br_span_reserve(&p->span[1], n_events, 4, "packed items"));
    BR_TRY(st, br_span_reserve(&p->span[2], n_events, 8, "packed times"));
    BR_TRY(st, br_span_reserve(&p->span[3], t->type_E ? n_events : 0, 1, "packed types"));
    BR_TRY(st, br_span_reserve(&p->span[4], t->weight_E ? n_events : 0, 4, "packed weights"));
    BR_TRY(st, br_span_reserve(&p->span[5], n_rows + 1, 8, "packed chunks"));
    p->offset_B1 = p->span[0].data;
    p->item_E    = p->span[1].data;
    p->time_E    = p->span[2].data;
    p->type_E    = t->type_E ? p->span[3].data : NULL;
    p->weight_E  = t->weight_E ? p->span[4].data : NULL;
    p->chunk_row = p->span[5].data;
done:
    return st;
}

/* Cuts the customers into chunks of at most max_events events (or one customer) and max_rows. */
static void plan_chunks(br_packed *p, int64_t n_rows, int64_t max_events, int64_t max_rows)
{
    int64_t first = 0;

    p->n_chunks     = 0;
    p->chunk_row[0] = 0;
    for (int64_t b = 0; b < n_rows; b++) {
        bool is_full =
            p->offset_B1[b + 1] - p->offset_B1[first] > max_events || b - first >= max_rows;
        if (is_full && b > first) {
            p->chunk_row[++p->n_chunks] = b;
            first                       = b;
        }
    }
    if (n_rows > 0)
        p->chunk_row[++p->n_chunks] = n_rows;
}

static float mean_weight(const br_packed *p, int64_t begin, int64_t end)
{
    double sum = 0.0;

    if (p->weight_E == NULL || begin == end)
        return 1.0f;
    for (int64_t e = begin; e < end; e++)
        sum += p->weight_E[e];
    return (float)(sum / (double)(end - begin));
}

static br_status pack_modality(br_job *job, br_batch *batch, int32_t m)
{
    br_status              st      = BR_OK;
    const br_setup        *s       = job->setup;
    const br_feed         *feed    = &s->feed[m];
    const br_encoder_spec *encoder = &s->spec->encoder[m];
    const br_timeline      none    = {0};
    const br_timeline     *t       = feed->place < 0 ? &none : &job->raw.timeline[feed->place];
    br_packed             *p       = &batch->packed[m];
    br_event_counts       *counts  = &batch->events[m];
    const keep_rule        rule    = {s->as_of, encoder->max_length, p, counts};

    BR_TRY(st, reserve_packed(p, batch->n_rows, t));
    *counts         = (br_event_counts){.n_read = t->n_events};
    p->n_events     = 0;
    p->offset_B1[0] = 0;
    for (int64_t b = 0; b < batch->n_rows; b++) {
        int64_t at = b * s->n_encoders + m;

        if (feed->place >= 0)
            pack_customer(feed, t, t->offset_B1[b], t->offset_B1[b + 1], &rule);
        p->offset_B1[b + 1]      = p->n_events;
        batch->present_BM[at]    = p->offset_B1[b + 1] > p->offset_B1[b];
        batch->confidence_BM[at] = mean_weight(p, p->offset_B1[b], p->offset_B1[b + 1]);
    }
    plan_chunks(p, batch->n_rows, job->chunk_events[m], job->chunk_rows);
done:
    return st;
}

static int compare_rows(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the last rows from `begin` and drops repeats; returns the new end. */
static int64_t sort_unique(int32_t *item_S, int64_t begin, int64_t end)
{
    int64_t to = begin;

    if (begin == end)
        return end;
    qsort(item_S + begin, (size_t)(end - begin), sizeof *item_S, compare_rows);
    for (int64_t i = begin; i < end; i++)
        if (to == begin || item_S[to - 1] != item_S[i])
            item_S[to++] = item_S[i];
    return to;
}

/* Appends the listed rows among catalogue rows [begin, end). */
static int64_t add_never(const br_setup *s, const int32_t *item, const int64_t *time,
                         const int64_t range[2], int32_t *never_item_S, int64_t n)
{
    for (int64_t e = range[0]; e < range[1]; e++) {
        int32_t row = s->listed_row[item[e]];
        if (row >= 0 && (time == NULL || time[e] <= s->as_of))
            never_item_S[n++] = row;
    }
    return n;
}

static br_status build_never_lists(br_job *job, br_batch *batch)
{
    br_status       st  = BR_OK;
    const br_setup *s   = job->setup;
    const br_unit  *raw = &job->raw;
    int64_t         n   = raw->exclude_offset_B1 ? raw->exclude_offset_B1[batch->n_rows] : 0;

    for (int32_t f = 0; f < s->n_feeds; f++)
        if (s->feed[f].is_excluded)
            n += raw->timeline[s->feed[f].place].n_events;
    BR_TRY(st, br_span_reserve(&batch->span[6], batch->n_rows + 1, 8, "never-list offsets"));
    BR_TRY(st, br_span_reserve(&batch->span[7], n, 4, "never-lists"));
    batch->never_offset_B1    = batch->span[6].data;
    batch->never_item_S       = batch->span[7].data;
    batch->never_offset_B1[0] = 0;
    for (int64_t b = 0; b < batch->n_rows; b++) {
        int64_t begin = batch->never_offset_B1[b], end = begin;

        if (raw->exclude_offset_B1 != NULL)
            end = add_never(s, raw->exclude_item_S, NULL, &raw->exclude_offset_B1[b],
                            batch->never_item_S, end);
        for (int32_t f = 0; f < s->n_feeds; f++) {
            const br_timeline *t = &raw->timeline[s->feed[f].place < 0 ? 0 : s->feed[f].place];
            if (s->feed[f].is_excluded)
                end =
                    add_never(s, t->item_E, t->time_E, &t->offset_B1[b], batch->never_item_S, end);
        }
        batch->never_offset_B1[b + 1] = sort_unique(batch->never_item_S, begin, end);
    }
done:
    return st;
}

/* Copies n_bytes of the raw unit into a span of the batch; *to is NULL where there is nothing. */
static br_status copy_column(br_span *span, const void *from, int64_t n_bytes, void **to)
{
    br_status st = BR_OK;

    *to = NULL;
    if (from == NULL || n_bytes == 0)
        return BR_OK;
    BR_TRY(st, br_span_reserve(span, n_bytes, 1, "customer columns"));
    memcpy(span->data, from, (size_t)n_bytes);
    *to = span->data;
done:
    return st;
}

static void map_categories(const br_setup *s, br_batch *batch)
{
    int32_t n = s->spec->n_statics;

    for (int64_t b = 0; b < batch->n_rows; b++)
        for (int32_t c = 0; c < n; c++) {
            int32_t *at = &batch->static_BC[b * n + c];
            *at         = *at < 0 ? 0 : s->static_row[c][*at];
        }
}

static br_status copy_columns(br_job *job, br_batch *batch)
{
    br_status       st  = BR_OK;
    const br_setup *s   = job->setup;
    const br_unit  *raw = &job->raw;
    int64_t         n   = batch->n_rows;

    batch->key = raw->key;
    BR_TRY(st, copy_column(&batch->span[0], raw->key.data, n * raw->key.width_bytes,
                           (void **)&batch->key.data));
    BR_TRY(st, copy_column(&batch->span[1], raw->static_BC, n * s->request.n_statics * 4,
                           (void **)&batch->static_BC));
    BR_TRY(st, copy_column(&batch->span[2], raw->aggregate_BA, n * s->request.n_aggregates * 4,
                           (void **)&batch->aggregate_BA));
    BR_TRY(st, copy_column(&batch->span[3], raw->consent_B, s->request.channel < 0 ? 0 : n,
                           (void **)&batch->consent_B));
    BR_TRY(st, copy_column(&batch->span[4], raw->segment_B, s->request.wants_segment ? n * 8 : 0,
                           (void **)&batch->have_B));
    BR_TRY(st,
           copy_column(&batch->span[5], raw->vector_BD,
                       s->request.wants_vector ? n * s->dim * 4 : 0, (void **)&batch->vector_BD));
    if (batch->static_BC != NULL)
        map_categories(s, batch);
done:
    return st;
}

br_status br_stage_read(br_job *job, br_batch *batch)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;
    int64_t         n_cells;

    n_cells = batch->n_rows * s->n_encoders;
    BR_TRY(st, br_customers_read(s->customers, &s->request, batch->first_row, batch->n_rows,
                                 &job->raw));
    BR_TRY(st, copy_columns(job, batch));
    BR_TRY(st, br_span_reserve(&batch->span[8], n_cells, 1, "presence"));
    BR_TRY(st, br_span_reserve(&batch->span[9], n_cells, 4, "confidence"));
    batch->present_BM    = batch->span[8].data;
    batch->confidence_BM = batch->span[9].data;
    for (int32_t m = 0; m < s->n_encoders; m++)
        BR_TRY(st, pack_modality(job, batch, m));
    BR_TRY(st, build_never_lists(job, batch));
done:
    return st;
}
