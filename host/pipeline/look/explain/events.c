/* SPDX-License-Identifier: Apache-2.0
 *
 * Which events speak for an item: each of the latest is left out, the customer is encoded again,
 * and the score is compared. Called once per explanation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/pipeline/look/explain/facts.h"
#include "host/pipeline/setup/setup_feeds.h"
#include "host/pipeline/stages.h"

/* One event of a timeline, out of it. */
typedef struct event {
    int32_t item;
    int64_t time;
    uint8_t type;
    float   weight;
} event;

typedef struct search {
    br_explained   *x;
    br_scorer      *scorer;
    int32_t         listed;
    float           penalty;
    float           base; /* the score with all events */
    br_event_facts *out;
} search;

static event take_out(br_timeline *t, int64_t e)
{
    event  out = {.item = t->item_E[e], .time = t->time_E[e]};
    size_t n   = (size_t)(t->n_events - e - 1);

    memmove(t->item_E + e, t->item_E + e + 1, n * sizeof *t->item_E);
    memmove(t->time_E + e, t->time_E + e + 1, n * sizeof *t->time_E);
    if (t->type_E != NULL) {
        out.type = t->type_E[e];
        memmove(t->type_E + e, t->type_E + e + 1, n);
    }
    if (t->weight_E != NULL) {
        out.weight = t->weight_E[e];
        memmove(t->weight_E + e, t->weight_E + e + 1, n * sizeof *t->weight_E);
    }
    t->offset_B1[1] = --t->n_events;
    return out;
}

static void put_back(br_timeline *t, int64_t e, event in)
{
    size_t n = (size_t)(t->n_events - e);

    memmove(t->item_E + e + 1, t->item_E + e, n * sizeof *t->item_E);
    memmove(t->time_E + e + 1, t->time_E + e, n * sizeof *t->time_E);
    t->item_E[e] = in.item;
    t->time_E[e] = in.time;
    if (t->type_E != NULL) {
        memmove(t->type_E + e + 1, t->type_E + e, n);
        t->type_E[e] = in.type;
    }
    if (t->weight_E != NULL) {
        memmove(t->weight_E + e + 1, t->weight_E + e, n * sizeof *t->weight_E);
        t->weight_E[e] = in.weight;
    }
    t->offset_B1[1] = ++t->n_events;
}

/* The score by the events that are there now. */
static br_status score_now(search *s, float *score)
{
    br_status      st    = BR_OK;
    double         cpu_s = 0.0;
    br_scorer_rows one   = {1, &s->listed, &s->penalty};

    BR_TRY(st, br_stage_read_pack(s->x->job, &s->x->batch));
    BR_TRY(st, br_stage_encode(s->x->job, &s->x->batch, &cpu_s));
    BR_TRY(st, br_stage_fuse(s->x->job, &s->x->batch, &cpu_s));
    BR_TRY(st, br_scorer_rank(s->scorer, one, score));
done:
    return st;
}

/* The item or campaign that the event is about. */
static br_status name_event(const br_explained *x, int32_t m, int32_t token,
                            char text[BR_KEY_TEXT_BYTES])
{
    br_status                st   = BR_OK;
    const br_setup          *s    = x->setup;
    const br_customers_info *info = br_customers_info_of(s->customers);
    br_keys                  keys = {0};

    if (s->feed[m].is_catalogue) {
        (void)br_keys_text(&s->catalogue.key, token, text);
        return BR_OK;
    }
    BR_TRY(st, br_customers_vocabulary(
                   s->customers, info->modality[s->request.modality[s->feed[m].place]].vocabulary,
                   &keys));
    (void)br_keys_text(&keys, token, text);
done:
    br_keys_free(&keys);
    return st;
}

/* Among the most influential so far; of equals the first that was tried. */
static br_status keep(search *s, int32_t m, event e, float change)
{
    br_status       st  = BR_OK;
    br_event_facts *out = s->out;
    br_event_fact new   = {.modality = m, .time = e.time, .change = change};
    int32_t at          = out->n;

    while (at > 0 && fabsf(out->event[at - 1].change) < fabsf(change))
        at--;
    if (at == BR_EXPLAIN_SHOWN)
        return BR_OK;
    BR_TRY(st, name_event(s->x, m, e.item, new.key));
    out->n = out->n < BR_EXPLAIN_SHOWN ? out->n + 1 : BR_EXPLAIN_SHOWN;
    for (int32_t i = out->n - 1; i > at; i--)
        out->event[i] = out->event[i - 1];
    out->event[at] = new;
done:
    return st;
}

static br_status try_modality(search *s, int32_t m)
{
    br_status    st   = BR_OK;
    br_timeline *t    = &s->x->job->raw.timeline[s->x->setup->feed[m].place];
    int32_t      left = (int32_t)s->x->batch.packed[m].n_events; /* earlier ones are cut off */
    float        score;

    left = left < BR_EXPLAIN_EVENTS ? left : BR_EXPLAIN_EVENTS;
    for (int64_t e = t->n_events - 1; e >= 0 && left > 0; e--) {
        event without;

        if (!br_stage_read_is_usable(s->x->setup, m, t, e))
            continue;
        left--;
        BR_TRY(st, br_job_check_interrupt(NULL));
        without = take_out(t, e);
        st      = score_now(s, &score);
        put_back(t, e, without);
        if (st != BR_OK)
            goto done;
        s->out->n_tried++;
        BR_TRY(st, keep(s, m, without, s->base - score));
    }
    BR_TRY(st, score_now(s, &score));
    if (score != s->base)
        BR_FAIL(st, BR_E_SELFCHECK,
                "encoded again from the same events, the score is %.9g, not %.9g", (double)score,
                (double)s->base);
done:
    return st;
}

br_status br_explain_events(br_explained *x, const br_item_facts *item, br_scorer *scorer,
                            br_event_facts *out)
{
    br_status st = BR_OK;
    double    penalty_P[BR_MAX_PENALTIES];
    search    s = {.x = x, .scorer = scorer, .listed = item->listed, .out = out};

    *out = (br_event_facts){0};
    if (item->listed < 0)
        return BR_OK;
    s.penalty = br_explain_repetitions(x, penalty_P);
    BR_TRY(st, br_scorer_rank(scorer, (br_scorer_rows){1, &s.listed, &s.penalty}, &s.base));
    for (int32_t m = 0; m < x->setup->n_encoders; m++)
        if (x->setup->feed[m].place >= 0)
            BR_TRY(st, try_modality(&s, m));
done:
    return st;
}
