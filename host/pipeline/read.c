/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1: customers from the file, reduced to what the models use. Runs in the reading thread,
 * once per work unit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/shards/shards.h"
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
static void plan_chunks(br_packed *p, br_rows rows, int64_t max_events, int64_t max_rows)
{
    int64_t first = rows.first;

    p->n_chunks     = 0;
    p->chunk_row[0] = first;
    for (int64_t b = first; b < rows.first + rows.n; b++) {
        bool is_full =
            p->offset_B1[b + 1] - p->offset_B1[first] > max_events || b - first >= max_rows;
        if (is_full && b > first) {
            p->chunk_row[++p->n_chunks] = b;
            first                       = b;
        }
    }
    if (rows.n > 0)
        p->chunk_row[++p->n_chunks] = rows.first + rows.n;
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
    plan_chunks(p, br_shards_own_rows(s, batch->n_rows), job->chunk_events[m], job->chunk_rows);
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

/* A column that is denied is missing for everyone. */
static br_status copy_statics(const br_setup *s, const br_unit *raw, br_batch *batch)
{
    br_status st = BR_OK;
    int32_t   n  = s->spec == NULL ? 0 : s->spec->n_statics;

    batch->static_BC = NULL;
    if (n == 0)
        return BR_OK;
    BR_TRY(st, br_span_reserve(&batch->span[1], batch->n_rows * n, 4, "customer columns"));
    batch->static_BC = batch->span[1].data;
    for (int64_t b = 0; b < batch->n_rows; b++)
        for (int32_t c = 0; c < n; c++) {
            int32_t place    = s->static_place[c];
            int32_t category = place < 0 ? -1 : raw->static_BC[b * s->request.n_statics + place];

            batch->static_BC[b * n + c] = category < 0 ? 0 : s->static_row[c][category];
        }
done:
    return st;
}

static br_status copy_aggregates(const br_setup *s, const br_unit *raw, br_batch *batch)
{
    br_status st = BR_OK;
    int32_t   n  = s->spec == NULL ? 0 : s->spec->n_aggregates;

    batch->aggregate_BA = NULL;
    if (n == 0)
        return BR_OK;
    BR_TRY(st, br_span_reserve(&batch->span[2], batch->n_rows * n, 4, "customer columns"));
    batch->aggregate_BA = batch->span[2].data;
    for (int64_t b = 0; b < batch->n_rows; b++)
        for (int32_t a = 0; a < n; a++) {
            int32_t place = s->aggregate_place[a];

            batch->aggregate_BA[b * n + a] =
                place < 0 ? NAN : raw->aggregate_BA[b * s->request.n_aggregates + place];
        }
done:
    return st;
}

static br_status copy_categories(const br_setup *s, const br_unit *raw, br_batch *batch)
{
    br_status st    = BR_OK;
    int32_t   place = s->shape.category_place;

    batch->category_B = NULL;
    if (place < 0)
        return BR_OK;
    BR_TRY(st, br_span_reserve(&batch->span[3], batch->n_rows, 4, "customer columns"));
    batch->category_B = batch->span[3].data;
    for (int64_t b = 0; b < batch->n_rows; b++)
        batch->category_B[b] = raw->static_BC[b * s->request.n_statics + place];
done:
    return st;
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
    BR_TRY(st, copy_statics(s, raw, batch));
    BR_TRY(st, copy_aggregates(s, raw, batch));
    BR_TRY(st, copy_categories(s, raw, batch));
    BR_TRY(st,
           copy_column(&batch->span[5], raw->vector_BD,
                       s->request.wants_vector ? n * s->dim * 4 : 0, (void **)&batch->vector_BD));
done:
    return st;
}

/* x_u of an earlier run of the same customers and units. */
static br_status copy_stored_vectors(const br_setup *s, br_batch *batch)
{
    br_status st   = BR_OK;
    br_lists  part = {0};
    char      path[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_part_path(s->config->vectors_from, batch->unit, path));
    BR_TRY(st, br_lists_read_vectors(path, &part));
    if (part.first_row != batch->first_row || part.n_rows != batch->n_rows ||
        part.vector_dim != s->dim)
        BR_FAIL(st, BR_E_INPUT,
                "%s: found vectors of %d columns of %lld customers from row %lld, expected %d of "
                "%lld from %lld",
                path, part.vector_dim, (long long)part.n_rows, (long long)part.first_row, s->dim,
                (long long)batch->n_rows, (long long)batch->first_row);
    BR_TRY(st, copy_column(&batch->span[5], part.vector_BD, batch->n_rows * s->dim * 4,
                           (void **)&batch->vector_BD));
done:
    br_lists_free(&part);
    return st;
}

br_status br_stage_read_pack(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    for (int32_t m = 0; m < job->setup->n_encoders; m++)
        BR_TRY(st, pack_modality(job, batch, m));
done:
    return st;
}

bool br_stage_read_is_usable(const br_setup *s, int32_t modality, const br_timeline *t,
                             int64_t event)
{
    br_event_counts ignored = {0};

    return is_usable(&s->feed[modality], t, event, s->as_of, &ignored);
}

br_status br_stage_read(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;
    br_setup *s  = job->setup;
    int64_t   n_cells;

    n_cells = batch->n_rows * s->n_encoders;
    BR_TRY(st, br_customers_read(s->customers, &s->request, batch->first_row, batch->n_rows,
                                 &job->raw));
    BR_TRY(st, copy_columns(job, batch));
    BR_TRY(st, br_span_reserve(&batch->span[8], n_cells, 1, "presence"));
    BR_TRY(st, br_span_reserve(&batch->span[9], n_cells, 4, "confidence"));
    batch->present_BM    = batch->span[8].data;
    batch->confidence_BM = batch->span[9].data;
    BR_TRY(st, br_stage_read_pack(job, batch));
    if (s->config->vectors_from != NULL)
        BR_TRY(st, copy_stored_vectors(s, batch));
    BR_TRY(st, br_rulebook_apply(s, &job->raw, batch));
    BR_TRY(st, br_rulebook_never(s, &job->raw, batch));
    BR_TRY(st, br_shards_hold(s, batch));
done:
    return st;
}
