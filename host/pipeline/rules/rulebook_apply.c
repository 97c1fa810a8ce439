/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts of the rules on one work unit. Called once per unit, in the reading thread. */
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/setup/setup_feeds.h"

#include <string.h>

#include "host/base/memory.h"
#include "host/decide/assign.h"
#include "host/pipeline/choose/draw.h"

/* What one unit's verdicts are made from. */
typedef struct unit {
    const br_setup *s;
    br_rulebook    *book;
    const br_unit  *raw;
    br_batch       *batch;
} unit;

static void point_columns(const unit *u)
{
    const br_customers_info *info = br_customers_info_of(u->s->customers);
    br_rule_columns         *c    = &u->book->customers;

    for (int32_t i = 0; i < c->columns.n_columns; i++) {
        br_column *column = &c->column_C[i];
        int32_t    place  = u->book->place_C[i];

        if (column->kind == BR_COLUMN_KEY) {
            column->key_B = u->raw->key.data;
        } else if (column->kind == BR_COLUMN_BITS) {
            column->bits_B = u->raw->segment_B;
        } else if (place >= 0 && i < info->n_statics) {
            column->category_B = u->raw->static_BC + place;
            column->stride     = u->s->request.n_statics;
        } else if (place >= 0) {
            column->number_B = u->raw->aggregate_BA + place;
            column->stride   = u->s->request.n_aggregates;
        }
    }
}

static int32_t zone_of(const br_setup *s, const br_unit *raw, int64_t b)
{
    int32_t category;

    if (s->rulebook.zone_place < 0)
        return 0;
    category = raw->static_BC[b * s->request.n_statics + s->rulebook.zone_place];
    return category < 0 ? 0 : s->rulebook.zone_of_category[category];
}

static br_contacts slice(const br_timeline *t, int64_t b)
{
    int64_t begin = t->offset_B1[b];

    return (br_contacts){t->offset_B1[b + 1] - begin, t->item_E + begin, t->time_E + begin};
}

static bool is_first_of_household(const unit *u, int64_t b)
{
    int32_t h = u->raw->static_BC[b * u->s->request.n_statics + u->book->household_place];

    if (h < 0 || u->book->household_first == NULL)
        return true;
    return u->book->household_first[h] == u->raw->first_row + b;
}

static bool is_capped(const unit *u, int64_t b, int32_t cap)
{
    br_contacts contacts = slice(&u->raw->contact, b);

    return br_contact_capped(u->book->calendar, zone_of(u->s, u->raw, b), &contacts, 1,
                             &u->book->cap[cap]) != 0;
}

/* Does rule `h` hold customer b back? Conditions are in hit_B. */
static bool is_held(const unit *u, const br_hold *h, int64_t b)
{
    const br_rulebook *book = u->book;

    switch (h->kind) {
    case BR_HOLD_CONSENT:
        return u->raw->consent_B[b] == 0;
    case BR_HOLD_SUPPRESSION:
        return br_key_set_has(&book->suppression[h->place], &u->raw->key, b);
    case BR_HOLD_CONDITION:
        return book->scratch.hit_B[b] != 0;
    case BR_HOLD_QUIET:
        return book->quiet_QZ[(int64_t)h->place * book->n_zones + zone_of(u->s, u->raw, b)] != 0;
    case BR_HOLD_CAP:
        return is_capped(u, b, h->place);
    case BR_HOLD_HOUSEHOLD:
        return !is_first_of_household(u, b);
    }
    return false;
}

/* The first rule, in precedence, that holds a customer back. */
static void hold_customers(const unit *u)
{
    br_batch *batch = u->batch;

    for (int64_t b = 0; b < batch->n_rows; b++)
        batch->rule_B[b] = -1;
    for (int32_t h = 0; h < u->book->n_holds; h++) {
        const br_hold *hold = &u->book->hold[h];

        if (hold->kind == BR_HOLD_CONDITION)
            br_expr_eval(u->book->condition[hold->place], &u->book->customers.columns, 0,
                         batch->n_rows, u->book->scratch.hit_B);
        for (int64_t b = 0; b < batch->n_rows; b++)
            if (batch->rule_B[b] < 0 && is_held(u, hold, b))
                batch->rule_B[b] = h;
    }
}

uint64_t br_rulebook_verdicts(br_setup *s, const br_unit *raw, br_batch *batch, int64_t b)
{
    const unit u       = {s, &s->rulebook, raw, batch};
    uint64_t   verdict = 0;

    for (int32_t h = 0; h < u.book->n_holds; h++) {
        const br_hold *hold = &u.book->hold[h];

        if (hold->kind == BR_HOLD_CONDITION)
            br_expr_eval(u.book->condition[hold->place], &u.book->customers.columns, 0,
                         batch->n_rows, u.book->scratch.hit_B);
        if (is_held(&u, hold, b))
            verdict |= (uint64_t)1 << h;
    }
    return verdict;
}

static void deal_arms(const unit *u)
{
    const char *salt = u->s->config->experiment_salt;
    char        digits[BR_KEY_TEXT_BYTES];
    size_t      n_bytes;

    memset(u->batch->arm_B, 0, (size_t)u->batch->n_rows * sizeof *u->batch->arm_B);
    if (salt[0] == '\0')
        return;
    for (int64_t b = 0; b < u->batch->n_rows; b++) {
        const char *key = br_keys_bytes(&u->raw->key, b, digits, &n_bytes);

        u->batch->arm_B[b] =
            br_assign_arm(br_assign_bucket(salt, key, n_bytes), u->book->n_arms, u->book->first_A);
    }
}

static void find_strata(const unit *u)
{
    for (int64_t b = 0; b < u->batch->n_rows; b++) {
        int32_t category =
            u->book->strata_place < 0
                ? 0
                : u->raw->static_BC[b * u->s->request.n_statics + u->book->strata_place];

        u->batch->stratum_B[b] = category < 0 ? u->book->n_strata - 1 : category;
    }
}

/* Temperature or epsilon of each customer, and whom its draws belong to. */
static br_status heat_customers(const unit *u)
{
    br_status        st    = BR_OK;
    const br_config *c     = u->s->config;
    bool             is_pl = c->policy_type == BR_POLICY_PLACKETT_LUCE;
    br_batch        *batch = u->batch;
    int64_t          n     = batch->n_rows;

    batch->heat_B = NULL;
    if (c->policy_type == BR_POLICY_GREEDY)
        return BR_OK;
    BR_TRY(st, br_span_reserve(&batch->rule_span[4], n, 4, "temperatures"));
    BR_TRY(st, br_span_reserve(&batch->rule_span[5], n, 4, "strata of the policy"));
    BR_TRY(st, br_span_reserve(&batch->rule_span[6], n, 8, "customers of draws"));
    batch->heat_B         = batch->rule_span[4].data;
    batch->draw_stratum_B = batch->rule_span[5].data;
    batch->customer_B     = batch->rule_span[6].data;
    for (int64_t b = 0; b < n; b++) {
        batch->heat_B[b]         = (float)(is_pl ? c->policy_temperature : c->policy_epsilon);
        batch->draw_stratum_B[b] = 0;
        batch->customer_B[b]     = br_draw_customer(&u->raw->key, b);
    }
    for (int32_t i = u->book->n_heats - 1; i >= 0; i--) { /* the first that holds wins */
        const br_config_stratum *stratum = &c->policy_strata.item[i];

        br_expr_eval(u->book->heat[i], &u->book->customers.columns, 0, n, u->book->scratch.hit_B);
        for (int64_t b = 0; b < n; b++)
            if (u->book->scratch.hit_B[b]) {
                batch->heat_B[b]         = (float)(is_pl ? stratum->temperature : stratum->epsilon);
                batch->draw_stratum_B[b] = i + 1;
            }
    }
done:
    return st;
}

/* The longest contacts or timeline of one customer: what rules that count days look at. */
static int64_t longest(const unit *u)
{
    int64_t most = 0;

    for (int64_t b = 0; b < u->batch->n_rows; b++) {
        int64_t n = u->raw->contact.offset_B1 == NULL ? 0 : slice(&u->raw->contact, b).n;

        most = n > most ? n : most;
        for (int32_t m = 0; m < u->s->request.n_modalities; m++) {
            if (u->raw->timeline[m].offset_B1 == NULL)
                continue;
            n    = slice(&u->raw->timeline[m], b).n;
            most = n > most ? n : most;
        }
    }
    return most;
}

static br_status reserve_scratch(const unit *u)
{
    br_status        st      = BR_OK;
    br_rule_scratch *scratch = &u->book->scratch;
    int64_t          n       = u->book->calendar == NULL ? 0 : longest(u);

    if (u->batch->n_rows > scratch->n_rows) {
        br_free(&scratch->hit_B);
        BR_ALLOC(st, scratch->hit_B, u->batch->n_rows, "verdicts of a unit");
        scratch->n_rows = u->batch->n_rows;
    }
    if (n > scratch->n_items) {
        br_free(&scratch->item_S);
        br_free(&scratch->penalty_S);
        br_free(&scratch->order_S);
        BR_ALLOC(st, scratch->item_S, n, "items met lately");
        BR_ALLOC(st, scratch->penalty_S, n, "penalties of a customer");
        BR_ALLOC(st, scratch->order_S, n, "order of contacts");
        scratch->n_items = n;
    }
done:
    return st;
}

/* Nobody looks at the scores of customers who are held back. */
static br_status note_wanted(unit *u)
{
    br_status st       = BR_OK;
    br_batch *batch    = u->batch;
    int64_t   n_wanted = 0;

    batch->wanted_B = NULL;
    BR_TRY(st, br_span_reserve(&batch->rule_span[7], batch->n_rows, 1, "verdicts"));
    for (int64_t b = 0; b < batch->n_rows; b++) {
        uint8_t is_wanted = batch->rule_B[b] < 0 && batch->arm_B[b] >= 0;

        ((uint8_t *)batch->rule_span[7].data)[b] = is_wanted;
        n_wanted += is_wanted;
    }
    if (n_wanted < batch->n_rows)
        batch->wanted_B = batch->rule_span[7].data;
done:
    return st;
}

br_status br_rulebook_apply(br_setup *s, const br_unit *raw, br_batch *batch)
{
    br_status st = BR_OK;
    unit      u  = {s, &s->rulebook, raw, batch};
    int64_t   n  = batch->n_rows;

    BR_TRY(st, br_span_reserve(&batch->rule_span[0], n, 4, "verdicts"));
    BR_TRY(st, br_span_reserve(&batch->rule_span[1], n, 4, "arms"));
    BR_TRY(st, br_span_reserve(&batch->rule_span[2], n, 4, "strata"));
    BR_TRY(st, br_span_reserve(&batch->rule_span[3], n, 8, "segment bits"));
    batch->rule_B    = batch->rule_span[0].data;
    batch->arm_B     = batch->rule_span[1].data;
    batch->stratum_B = batch->rule_span[2].data;
    memset(batch->item_rule, 0, sizeof batch->item_rule);
    BR_TRY(st, reserve_scratch(&u));
    point_columns(&u);
    hold_customers(&u);
    deal_arms(&u);
    BR_TRY(st, note_wanted(&u));
    find_strata(&u);
    BR_TRY(st, heat_customers(&u));
    batch->have_B = NULL;
    if (s->require_N != NULL) {
        batch->have_B = batch->rule_span[3].data;
        if (s->rulebook.rules != NULL)
            br_rules_have(s->rulebook.rules, &s->rulebook.customers.columns, n, raw->segment_B,
                          batch->have_B, batch->item_rule);
        else
            memcpy(batch->have_B, raw->segment_B, (size_t)n * sizeof(uint64_t));
    }
done:
    return st;
}

static br_contacts events_of(const br_setup *s, const br_unit *raw, int32_t feed, int64_t b)
{
    return slice(br_setup_events_of(s, raw, feed), b);
}

int64_t br_rulebook_recent_of(const br_setup *s, const br_unit *raw, int64_t b, int32_t rule,
                              int32_t *item_S)
{
    const br_rulebook *book   = &s->rulebook;
    br_contacts        events = events_of(s, raw, book->recent[rule].feed, b);

    return br_contact_recent(book->calendar, zone_of(s, raw, b), &events, book->recent[rule].days,
                             item_S, book->scratch.order_S);
}

int64_t br_rulebook_recent(const br_setup *s, const br_unit *raw, int64_t b, int32_t *item_S)
{
    int64_t n = 0;

    for (int32_t r = 0; r < s->rulebook.n_recent; r++)
        n += br_rulebook_recent_of(s, raw, b, r, item_S + n);
    return n;
}

int64_t br_rulebook_penalties(const br_setup *s, const br_unit *raw, int64_t b,
                              const br_penalty *penalty)
{
    const br_rule_scratch *scratch    = &s->rulebook.scratch;
    br_contacts            events     = events_of(s, raw, penalty->feed, b);
    const br_repetition    repetition = {penalty->weight, penalty->half_life_s};
    const br_penalties     out        = {scratch->item_S, scratch->penalty_S, scratch->order_S};

    return br_contact_penalties(s->rulebook.calendar, &events, &repetition, &out);
}

br_status br_rulebook_scan(br_setup *s)
{
    br_status            st      = BR_OK;
    br_rulebook         *book    = &s->rulebook;
    br_customers_request request = s->request;
    br_unit              raw     = {0};
    br_batch             batch   = {0};
    int64_t             *first_H = NULL;
    br_keys              keys    = {0};

    if (book->household_place < 0)
        return BR_OK;
    request.n_modalities  = 0;
    request.wants_exclude = request.wants_vector = false;
    BR_TRY(st, br_customers_static_keys(s->customers, s->config->rules_household, &keys));
    BR_ALLOC(st, first_H, keys.n_keys, "households");
    for (int64_t h = 0; h < keys.n_keys; h++)
        first_H[h] = -1;
    for (int64_t i = 0; i < s->n_units; i++) {
        br_batch_take_unit(&batch, s, i);
        BR_TRY(st, br_customers_read(s->customers, &request, batch.first_row, batch.n_rows, &raw));
        BR_TRY(st, br_rulebook_apply(s, &raw, &batch));
        for (int64_t b = 0; b < batch.n_rows; b++) {
            int32_t h = raw.static_BC[b * request.n_statics + book->household_place];

            if (h >= 0 && first_H[h] < 0 && batch.rule_B[b] < 0)
                first_H[h] = batch.first_row + b;
        }
    }
    book->household_first = first_H;
    first_H               = NULL;
done:
    br_free(&first_H);
    br_keys_free(&keys);
    br_unit_free(&raw);
    br_batch_free(&batch);
    return st;
}
