/* SPDX-License-Identifier: Apache-2.0
 *
 * What a customer is not shown, and what costs a penalty: lists of items per customer. Called once
 * per work unit, in the reading thread. */
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/setup/setup_feeds.h"

/* One penalty of one item. */
typedef struct cost {
    int32_t row; /* listed */
    int32_t place;
    double  penalty;
} cost;

static int compare_rows(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int compare_costs(const void *a, const void *b)
{
    const cost *x = a, *y = b;

    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
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

static int64_t add_recent(const br_setup *s, const br_unit *raw, int64_t b, int32_t *never_item_S,
                          int64_t n)
{
    int64_t n_met = br_rulebook_recent(s, raw, b, never_item_S + n);
    int64_t to    = n;

    for (int64_t i = n; i < n + n_met; i++) {
        int32_t row = s->listed_row[never_item_S[i]];
        if (row >= 0)
            never_item_S[to++] = row;
    }
    return to;
}

static int64_t forbid(const br_setup *s, const br_unit *raw, int64_t b, int32_t *never_item_S,
                      int64_t begin)
{
    int64_t end = begin;

    if (raw->exclude_offset_B1 != NULL)
        end =
            add_never(s, raw->exclude_item_S, NULL, &raw->exclude_offset_B1[b], never_item_S, end);
    for (int32_t f = 0; f < s->n_feeds; f++) {
        const br_timeline *t = &raw->timeline[s->feed[f].place < 0 ? 0 : s->feed[f].place];
        if (s->feed[f].is_excluded)
            end = add_never(s, t->item_E, t->time_E, &t->offset_B1[b], never_item_S, end);
    }
    if (s->rulebook.n_recent > 0)
        end = add_recent(s, raw, b, never_item_S, end);
    return sort_unique(never_item_S, begin, end);
}

/* How many entries the repetition penalties of a unit can make. */
static int64_t most_costs(const br_setup *s, const br_unit *raw)
{
    int64_t             n = 0;
    const br_objective *o = &s->objective;

    for (int32_t p = 0; p < o->n_penalties; p++)
        if (o->penalty[p].type == BR_PENALTY_REPETITION)
            n += br_setup_events_of(s, raw, o->penalty[p].feed)->n_events;
    return n;
}

static br_status reserve(const br_setup *s, const br_unit *raw, br_batch *batch)
{
    br_status st      = BR_OK;
    int64_t   n       = raw->exclude_offset_B1 ? raw->exclude_offset_B1[batch->n_rows] : 0;
    int64_t   n_costs = most_costs(s, raw);
    int32_t   R       = s->objective.n_repetitions;

    for (int32_t f = 0; f < s->n_feeds; f++)
        if (s->feed[f].is_excluded)
            n += raw->timeline[s->feed[f].place].n_events;
    for (int32_t r = 0; r < s->rulebook.n_recent; r++)
        n += br_setup_events_of(s, raw, s->rulebook.recent[r].feed)->n_events;
    n += n_costs;
    BR_TRY(st, br_span_reserve(&batch->span[6], batch->n_rows + 1, 8, "never-list offsets"));
    BR_TRY(st, br_span_reserve(&batch->span[7], n, 4, "never-lists"));
    batch->never_offset_B1    = batch->span[6].data;
    batch->never_item_S       = batch->span[7].data;
    batch->never_offset_B1[0] = 0;
    batch->extra_offset_B1    = NULL;
    if (R == 0)
        goto done;
    BR_TRY(st, br_span_reserve(&batch->extra_span[0], batch->n_rows + 1, 8, "penalties"));
    BR_TRY(st, br_span_reserve(&batch->extra_span[1], n_costs, 4, "penalties"));
    BR_TRY(st, br_span_reserve(&batch->extra_span[2], n_costs, 4, "penalties"));
    BR_TRY(st, br_span_reserve(&batch->extra_span[3], n_costs * R, 4, "penalties"));
    BR_TRY(st, br_span_reserve(&batch->extra_span[4], n_costs, sizeof(cost), "penalties"));
    batch->extra_offset_B1    = batch->extra_span[0].data;
    batch->extra_item_P       = batch->extra_span[1].data;
    batch->extra_penalty_P    = batch->extra_span[2].data;
    batch->extra_part_PR      = batch->extra_span[3].data;
    batch->extra_offset_B1[0] = 0;
done:
    return st;
}

/* May customer b be shown the item, as far as bits say? */
static bool has_bits(const br_setup *s, const br_batch *batch, int64_t b, int32_t row)
{
    uint64_t require = s->require_N == NULL ? 0 : s->require_N[s->catalogue_row[row]];

    return require == 0 || (batch->have_B[b] & require) == require;
}

/* Costs of customer b's items that may be listed at all, by row, then by penalty. */
static int64_t list_costs(const br_setup *s, const br_unit *raw, int64_t b, const br_batch *batch,
                          cost *cost_P)
{
    const br_objective *o     = &s->objective;
    int64_t             begin = batch->never_offset_B1[b], n_never = batch->never_offset_B1[b + 1];
    int64_t             n     = 0;
    int32_t             place = 0;

    n_never -= begin;
    for (int32_t p = 0; p < o->n_penalties; p++) {
        int64_t n_items;

        if (o->penalty[p].type != BR_PENALTY_REPETITION)
            continue;
        n_items = br_rulebook_penalties(s, raw, b, &o->penalty[p]);
        for (int64_t i = 0; i < n_items; i++) {
            int32_t row = s->listed_row[s->rulebook.scratch.item_S[i]];

            if (row >= 0 && has_bits(s, batch, b, row) &&
                bsearch(&row, batch->never_item_S + begin, (size_t)n_never, sizeof row,
                        compare_rows) == NULL)
                cost_P[n++] = (cost){row, place, s->rulebook.scratch.penalty_S[i]};
        }
        place++;
    }
    if (n > 0)
        qsort(cost_P, (size_t)n, sizeof *cost_P, compare_costs);
    return n;
}

/* One entry per item: its penalty in all, and each penalty's part. */
static void add_extras(const br_setup *s, br_batch *batch, int64_t b, const cost *cost_P, int64_t n)
{
    int32_t R  = s->objective.n_repetitions;
    int64_t to = batch->extra_offset_B1[b];

    for (int64_t i = 0; i < n;) {
        double total = 0.0;

        batch->extra_item_P[to] = cost_P[i].row;
        memset(batch->extra_part_PR + to * R, 0, (size_t)R * sizeof(float));
        for (; i < n && cost_P[i].row == batch->extra_item_P[to]; i++) {
            total += cost_P[i].penalty;
            batch->extra_part_PR[to * R + cost_P[i].place] = (float)cost_P[i].penalty;
        }
        batch->extra_penalty_P[to++] = (float)total;
    }
    batch->extra_offset_B1[b + 1] = to;
}

/* Penalised items stand on the never-list too: they are scored by themselves (choose.h). */
static void penalise(const br_setup *s, const br_unit *raw, br_batch *batch, int64_t b)
{
    cost   *cost_P = batch->extra_span[4].data;
    int64_t n      = list_costs(s, raw, b, batch, cost_P);
    int64_t begin = batch->never_offset_B1[b], end = batch->never_offset_B1[b + 1];

    add_extras(s, batch, b, cost_P, n);
    for (int64_t i = batch->extra_offset_B1[b]; i < batch->extra_offset_B1[b + 1]; i++)
        batch->never_item_S[end++] = batch->extra_item_P[i];
    batch->never_offset_B1[b + 1] = sort_unique(batch->never_item_S, begin, end);
}

br_status br_rulebook_never(const br_setup *s, const br_unit *raw, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, reserve(s, raw, batch));
    for (int64_t b = 0; b < batch->n_rows; b++) {
        batch->never_offset_B1[b + 1] =
            forbid(s, raw, b, batch->never_item_S, batch->never_offset_B1[b]);
        if (batch->extra_offset_B1 != NULL)
            penalise(s, raw, batch, b);
    }
done:
    return st;
}
