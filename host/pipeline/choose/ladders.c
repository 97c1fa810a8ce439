/* SPDX-License-Identifier: Apache-2.0
 *
 * Ladders: orders of items, made once per job; br_ladders_of once per list. */
#include "host/pipeline/choose/ladders.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

#define FRESH_PAIRS (1 << 20) /* events that are sorted and merged at a time */

/* How often customers of a category met an item. */
typedef struct meeting {
    int32_t category;
    int32_t row;
    int64_t count;
} meeting;

/* Meetings so far, by category and row, and those that were not merged yet. */
typedef struct counter {
    meeting *all_P;
    int64_t  n_all;
    meeting *fresh_P;
    int64_t  n_fresh;
} counter;

static int compare_places(const void *a, const void *b)
{
    const meeting *x = a, *y = b;

    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int compare_counts(const void *a, const void *b)
{
    const meeting *x = a, *y = b;

    if (x->category != y->category)
        return x->category < y->category ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Appends, or adds to the last where it is of the same place; returns how many there are. */
static int64_t add_meeting(meeting *to_P, int64_t n, const meeting *m)
{
    if (n > 0 && compare_places(&to_P[n - 1], m) == 0) {
        to_P[n - 1].count += m->count;
        return n;
    }
    to_P[n] = *m;
    return n + 1;
}

static br_status merge_fresh(counter *c)
{
    br_status st   = BR_OK;
    meeting  *to_P = NULL;
    int64_t   n = 0, a = 0, f = 0;

    qsort(c->fresh_P, (size_t)c->n_fresh, sizeof *c->fresh_P, compare_places);
    BR_ALLOC(st, to_P, c->n_all + c->n_fresh, "popularity by category");
    while (a < c->n_all || f < c->n_fresh) {
        bool is_old =
            f == c->n_fresh || (a < c->n_all && compare_places(&c->all_P[a], &c->fresh_P[f]) <= 0);

        n = add_meeting(to_P, n, is_old ? &c->all_P[a] : &c->fresh_P[f]);
        a += is_old;
        f += !is_old;
    }
    br_free(&c->all_P);
    c->all_P   = to_P;
    c->n_all   = n;
    c->n_fresh = 0;
done:
    return st;
}

static br_status count_customer(counter *c, const br_setup *s, const br_timeline *t, int64_t b,
                                int32_t category)
{
    br_status st = BR_OK;

    for (int64_t e = t->offset_B1[b]; category >= 0 && e < t->offset_B1[b + 1]; e++) {
        int32_t row = s->listed_row[t->item_E[e]];

        if (row < 0 || t->time_E[e] > s->as_of)
            continue;
        c->fresh_P[c->n_fresh++] = (meeting){category, row, 1};
        if (c->n_fresh == FRESH_PAIRS)
            BR_TRY(st, merge_fresh(c));
    }
done:
    return st;
}

static br_status count_all(br_job *job, counter *c)
{
    br_status            st      = BR_OK;
    const br_setup      *s       = job->setup;
    br_customers_request request = {.channel = -1, .n_statics = 1};

    request.statics[0] = s->request.statics[s->shape.category_place];
    for (int32_t f = 0; f < s->n_feeds; f++)
        if (s->feed[f].is_popular)
            request.modality[request.n_modalities++] = s->request.modality[s->feed[f].place];
    for (int64_t u = 0; u < s->n_units; u++) {
        int64_t n = s->unit_rows[u].n;

        BR_TRY(st, br_customers_read(s->customers, &request, s->unit_rows[u].first, n, &job->raw));
        for (int32_t i = 0; i < request.n_modalities; i++)
            for (int64_t b = 0; b < n; b++)
                BR_TRY(st, count_customer(c, s, &job->raw.timeline[i], b, job->raw.static_BC[b]));
    }
    BR_TRY(st, merge_fresh(c));
done:
    return st;
}

static br_status open_own(br_job *job, br_ladders *l)
{
    br_status st = BR_OK;
    counter   c  = {0};

    l->n_categories = job->setup->shape.n_categories;
    BR_ALLOC(st, c.fresh_P, FRESH_PAIRS, "popularity by category");
    BR_TRY(st, count_all(job, &c));
    qsort(c.all_P, (size_t)c.n_all, sizeof *c.all_P, compare_counts);
    BR_ALLOC(st, l->offset_C1, l->n_categories + 1, "popularity by category");
    BR_ALLOC(st, l->own_item_P, c.n_all, "popularity by category");
    BR_ALLOC(st, l->own_score_P, c.n_all, "popularity by category");
    for (int64_t i = 0; i < c.n_all; i++) {
        l->own_item_P[i]  = c.all_P[i].row;
        l->own_score_P[i] = (float)c.all_P[i].count;
        l->offset_C1[c.all_P[i].category + 1]++;
    }
    for (int32_t g = 0; g < l->n_categories; g++)
        l->offset_C1[g + 1] += l->offset_C1[g];
done:
    br_free(&c.all_P);
    br_free(&c.fresh_P);
    return st;
}

typedef struct dated {
    int64_t from;
    int32_t row;
} dated;

static int compare_dates(const void *a, const void *b)
{
    const dated *x = a, *y = b;

    if (x->from != y->from)
        return x->from > y->from ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static br_status open_newest(const br_setup *s, br_ladders *l)
{
    br_status st      = BR_OK;
    dated    *dated_N = NULL;

    BR_ALLOC(st, dated_N, s->n_listed, "newest items");
    BR_ALLOC(st, l->newest_item_N, s->n_listed, "newest items");
    BR_ALLOC(st, l->newest_score_N, s->n_listed, "newest items");
    for (int64_t i = 0; i < s->n_listed; i++)
        dated_N[i] = (dated){s->catalogue.valid_N2[2 * (int64_t)s->catalogue_row[i]], (int32_t)i};
    qsort(dated_N, (size_t)s->n_listed, sizeof *dated_N, compare_dates);
    for (int64_t i = 0; i < s->n_listed; i++)
        l->newest_item_N[i] = dated_N[i].row;
    l->n_newest = s->n_listed;
done:
    br_free(&dated_N);
    return st;
}

br_status br_ladders_open(br_job *job, br_ladders *l)
{
    br_status            st = BR_OK;
    const br_setup      *s  = job->setup;
    const br_popularity *p  = &job->popularity;

    if (s->config->list_fallback == BR_FALLBACK_NONE)
        return BR_OK;
    BR_ALLOC(st, l->popular_score_N, s->n_listed, "popularity");
    for (int64_t i = 0; i < s->n_listed; i++) {
        l->popular_score_N[i] = (float)p->count_N[p->order_N[i]];
        l->n_popular += !s->config->list_fallback_newest || p->count_N[p->order_N[i]] > 0;
    }
    if (s->shape.category_place >= 0)
        BR_TRY(st, open_own(job, l));
    if (s->config->list_fallback_newest)
        BR_TRY(st, open_newest(s, l));
done:
    return st;
}

void br_ladders_close(br_ladders *l)
{
    br_free(&l->offset_C1);
    br_free(&l->own_item_P);
    br_free(&l->own_score_P);
    br_free(&l->popular_score_N);
    br_free(&l->newest_item_N);
    br_free(&l->newest_score_N);
}

int32_t br_ladders_of(const br_job *job, const br_ladders *l, int32_t category,
                      br_ladder ladder[BR_MAX_LADDERS])
{
    int32_t n = 0;

    if (category >= 0) {
        int64_t begin = l->offset_C1[category], end = l->offset_C1[category + 1];

        ladder[n++] = (br_ladder){BR_SOURCE_GROUP_POPULARITY, end - begin, l->own_item_P + begin,
                                  l->own_score_P + begin};
    }
    if (l->popular_score_N != NULL)
        ladder[n++] = (br_ladder){BR_SOURCE_POPULARITY, l->n_popular, job->popularity.order_N,
                                  l->popular_score_N};
    if (l->n_newest > 0)
        ladder[n++] =
            (br_ladder){BR_SOURCE_NEWEST, l->n_newest, l->newest_item_N, l->newest_score_N};
    return n;
}
