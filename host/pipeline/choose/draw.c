/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks draw_topk for lists. Called once per chunk of customers, by the lanes. */
#include "host/pipeline/choose/draw.h"

#include <string.h>

#include "host/pipeline/choose/chunk.h"

#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u

uint64_t br_draw_customer(const br_keys *key, int64_t row)
{
    const char *text    = (const char *)key->data + row * key->width_bytes;
    size_t      n_bytes = strnlen(text, (size_t)key->width_bytes);
    uint64_t    hash    = FNV_BASIS;
    char        digits[BR_KEY_TEXT_BYTES];

    if (key->is_number) {
        text    = br_keys_text(key, row, digits);
        n_bytes = strlen(text);
    }
    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ (uint8_t)text[i]) * FNV_PRIME;
    return hash;
}

static br_status draw_rows(const br_chunk *chunk, const br_draw_extras *extras)
{
    br_status         st   = BR_OK;
    br_job           *job  = chunk->job;
    br_batch         *b    = chunk->batch;
    br_rows           rows = chunk->rows;
    const br_config  *c    = job->config;
    br_mat            heat = br_mat_rows(b->heat_mat_B, rows.first, rows.n);
    br_draw_topk_args args = {
        .items             = job->items,
        .query_BD          = chunk->query_BQ,
        .seed              = (uint64_t)c->policy_seed,
        .customer_B        = br_mat_rows(b->customer_mat_B, rows.first, rows.n),
        .extra_offset_B1   = extras->offset_B1,
        .extra_item_X      = extras->item_X,
        .extra_score_X     = extras->score_X,
        .n_shortlist       = (int32_t)c->policy_shortlist,
        .k                 = job->k,
        .item_BK           = br_mat_rows(b->item_BK, rows.first, rows.n),
        .score_BK          = br_mat_rows(b->score_BK, rows.first, rows.n),
        .log_propensity_BK = br_mat_rows(b->log_propensity_BK, rows.first, rows.n),
        .log_normaliser_B  = br_mat_rows(b->log_normaliser_B, rows.first, rows.n),
        .log_remaining_B   = br_mat_rows(b->log_remaining_B, rows.first, rows.n)};

    if (c->policy_type == BR_POLICY_PLACKETT_LUCE) {
        args.law           = BR_DRAW_PLACKETT_LUCE;
        args.temperature_B = heat;
    } else {
        args.law       = BR_DRAW_EPSILON;
        args.epsilon_B = heat;
    }
    if (b->never_offset_B1[b->n_rows] > 0) {
        args.never_offset_B1 = br_mat_rows(b->rule_offset_B1, rows.first, rows.n + 1);
        args.never_item_S    = b->rule_never_S;
    }
    if (b->have_B != NULL)
        args.have_B = br_mat_rows(b->rule_have_B, rows.first, rows.n);
    args.bad_item = -1;
    st            = br_op_draw_topk(chunk->lane, &args);
    if (st == BR_E_INPUT && args.bad_item >= 0)
        st = br_candidates_overflow(job, b, rows, args.bad_row, args.bad_item);
    if (st == BR_OK)
        __atomic_fetch_add(&b->n_slow, args.n_slow, __ATOMIC_RELAXED);
    return st;
}

/* Memory of a lane for n penalised items of a chunk; grows now and then. */
static br_status reserve_extras(br_chunk *c, int64_t n)
{
    br_status       st   = BR_OK;
    br_choose_room *room = c->room;
    br_dev         *dev  = c->lane;

    BR_TRY(st, br_span_reserve(&room->extra_score, n, 4, "scores of penalised items"));
    BR_TRY(st, br_span_reserve(&room->extra_offset, c->rows.n + 1, 8, "penalised items"));
    if (room->extra.item_X.n_rows >= n && room->extra.offset_B1.n_rows > c->rows.n)
        return BR_OK;
    br_dev_free(&room->extra.offset_B1);
    br_dev_free(&room->extra.item_X);
    br_dev_free(&room->extra.score_X);
    BR_TRY(st, br_dev_alloc(dev, BR_I64, c->job->score_rows + 1, 1, &room->extra.offset_B1));
    BR_TRY(st, br_dev_alloc(dev, BR_I32, n + n / 4 + 1, 1, &room->extra.item_X));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n + n / 4 + 1, 1, &room->extra.score_X));
done:
    return st;
}

/* Draws, the penalised items among them with their adjusted scores. */
br_status br_draw_chunk(br_chunk *c)
{
    br_status      st        = BR_OK;
    br_draw_extras extras    = {0};
    const int64_t *offset_B1 = c->batch->extra_offset_B1;
    int64_t        base, n;

    if (offset_B1 == NULL)
        return draw_rows(c, &extras);
    base = offset_B1[c->rows.first];
    n    = offset_B1[c->rows.first + c->rows.n] - base;
    BR_TRY(st, reserve_extras(c, n));
    c->collect_X = c->room->extra_score.data;
    BR_TRY(st, br_choose_extras(c));
    for (int64_t b = 0; b <= c->rows.n; b++)
        ((int64_t *)c->room->extra_offset.data)[b] = offset_B1[c->rows.first + b] - base;
    extras.offset_B1 = br_mat_rows(c->room->extra.offset_B1, 0, c->rows.n + 1);
    extras.item_X    = c->room->extra.item_X;
    extras.score_X   = c->room->extra.score_X;
    BR_TRY(st, br_upload(c->lane, extras.offset_B1, c->room->extra_offset.data));
    if (n > 0) {
        BR_TRY(st,
               br_upload(c->lane, br_mat_rows(extras.item_X, 0, n), c->batch->extra_item_P + base));
        BR_TRY(st, br_upload(c->lane, br_mat_rows(extras.score_X, 0, n), c->collect_X));
    }
    BR_TRY(st, draw_rows(c, &extras));
done:
    return st;
}
