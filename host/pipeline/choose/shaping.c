/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes the lists of a chunk of customers, by the lanes. Everything is taken once per job. */
#include "host/pipeline/choose/shaping.h"

#include <math.h>

#include "host/base/memory.h"
#include "host/pipeline/choose/shape_lane.h"
#include "host/pipeline/popularity.h"

#define MORE_FOR_QUOTAS 2 /* candidates per slot: most lists are full with these */

/* ---- sizes ---- */

bool br_shaping_asks_again(const br_setup *s)
{
    return s->shape.is_on && s->shape.shape.n_quotas > 0 &&
           s->objective.type != BR_OBJECTIVE_EXPECTED_VALUE;
}

int32_t br_shaping_n_candidates(const br_setup *s)
{
    const br_shape *shape = &s->shape.shape;
    int64_t         m     = shape->n_quotas > 0 ? (int64_t)shape->k * MORE_FOR_QUOTAS : shape->k;

    if (shape->lambda < 1.0 && m < shape->window)
        m = shape->window;
    if (m > BR_MAX_K)
        m = BR_MAX_K;
    return (int32_t)(m < s->n_listed ? m : s->n_listed);
}

size_t br_shaping_scratch_bytes(const br_setup *s)
{
    size_t rows = BR_AGAIN_ROWS + 1, columns = BR_MAX_K + 3 * BR_EXTRA_COLUMNS + 4;

    if (!br_shaping_asks_again(s))
        return 0;
    return 2 * (size_t)s->n_listed * 4 + rows * (columns * 8 + (size_t)s->objective.width * 4) +
           (size_t)32 * 64;
}

size_t br_shaping_bytes(const br_setup *s, size_t *lane_bytes)
{
    bool copies = s->shape.shape.lambda < 1.0 && s->table_row != NULL;

    *lane_bytes = br_shape_work_bytes(&s->shape.shape);
    if (br_shaping_asks_again(s))
        *lane_bytes += br_again_bytes(s);
    return copies ? (size_t)s->n_listed * (size_t)s->dim * sizeof(float) : 0;
}

/* ---- opening ---- */

static const float *vector_of(const br_job *job, int32_t item)
{
    int64_t D = job->setup->dim;

    if (job->shaping->item_ND != NULL)
        return job->shaping->item_ND + item * D;
    return job->setup->catalogue.vector_ND + job->setup->catalogue_row[item] * D;
}

static br_status fetch_vectors(br_job *job)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;
    br_shaping     *g  = job->shaping;

    if (g->shape.lambda >= 1.0)
        return BR_OK;
    if (s->table_row != NULL) {
        BR_ALLOC(st, g->item_ND, s->n_listed * s->dim, "item vectors for diversity");
        BR_TRY(st, br_download(job->dev, job->item_ND, g->item_ND));
    }
    for (int32_t p = 0; p < g->shape.n_pins; p++)
        g->pin[p].vector_D = vector_of(job, g->pin[p].item);
done:
    return st;
}

static br_status open_lane(const br_job *job, br_shape_lane *lane)
{
    br_status       st    = BR_OK;
    const br_shape *shape = &job->shaping->shape;
    int64_t         n     = job->score_rows;

    BR_TRY(st, br_shape_work_create(shape, &lane->work));
    BR_ALLOC(st, lane->vector_W, shape->lambda < 1.0 ? shape->window : 0, "candidates' vectors");
    BR_ALLOC(st, lane->pin_score_BP, n * shape->n_pins, "scores of pins");
    BR_ALLOC(st, lane->item_BK, n * shape->k, "lists of a chunk");
    BR_ALLOC(st, lane->score_BK, n * shape->k, "scores of a chunk");
    BR_ALLOC(st, lane->todo_B, n, "customers to ask for again");
    if (br_shaping_asks_again(job->setup))
        BR_TRY(st, br_again_open(job->setup, lane));
done:
    return st;
}

br_status br_shaping_open(br_job *job)
{
    br_status            st   = BR_OK;
    const br_shape_plan *plan = &job->setup->shape;
    br_shaping          *g;

    if (!plan->is_on)
        return BR_OK;
    BR_ALLOC(st, job->shaping, 1, "shape of lists");
    g        = job->shaping;
    g->shape = plan->shape;
    for (int32_t p = 0; p < plan->shape.n_pins; p++)
        g->pin[p] = plan->pin[p];
    g->shape.pin = g->pin;
    BR_TRY(st, fetch_vectors(job));
    BR_TRY(st, br_ladders_open(job, &g->ladders));
    BR_ALLOC(st, g->lane, job->n_lanes, "shapes of lanes");
    for (int32_t i = 0; i < job->n_lanes; i++)
        BR_TRY(st, open_lane(job, &g->lane[i]));
done:
    return st;
}

void br_shaping_close(br_job *job)
{
    br_shaping *g = job->shaping;

    if (g == NULL)
        return;
    for (int32_t i = 0; g->lane != NULL && i < job->n_lanes; i++) {
        br_shape_lane *lane = &g->lane[i];

        br_shape_work_destroy(&lane->work);
        br_free(&lane->vector_W);
        br_free(&lane->pin_score_BP);
        br_free(&lane->item_BK);
        br_free(&lane->score_BK);
        br_free(&lane->todo_B);
        br_again_close(lane);
    }
    br_free(&g->lane);
    br_ladders_close(&g->ladders);
    br_free(&g->item_ND);
    br_free(&job->shaping);
}

/* ---- pins ---- */

/* What pins are worth to each customer of the chunk, penalties taken off. */
static br_status score_pins(br_shape_lane *lane, br_chunk *c)
{
    br_status         st    = BR_OK;
    const br_shaping *g     = c->job->shaping;
    br_choose_room   *room  = c->room;
    int32_t           P     = g->shape.n_pins;
    const br_batch   *batch = c->batch;

    if (P == 0)
        return BR_OK;
    for (int64_t b = 0; b < c->rows.n; b++)
        for (int32_t p = 0; p < P; p++) {
            int64_t extra = br_batch_extra(batch, br_chunk_row(c, b), g->pin[p].item);

            room->item_BM[b * P + p]    = g->pin[p].item;
            room->penalty_BM[b * P + p] = extra < 0 ? 0.0f : batch->extra_penalty_P[extra];
        }
    BR_TRY(st, br_choose_worth(c, P));
    for (int64_t i = 0; i < c->rows.n * P; i++) {
        lane->pin_score_BP[i] = room->score_BM[i];
        if (!isfinite(room->score_BM[i]))
            BR_TRY(st, br_candidates_overflow(c->job, batch, (br_rows){br_chunk_row(c, i / P), 1},
                                              0, g->pin[i % P].item));
    }
done:
    return st;
}

/* ---- one customer ---- */

typedef struct looker {
    const br_setup *setup;
    const br_batch *batch;
    int64_t         row;
} looker;

static bool may_show(const void *context, int32_t item)
{
    const looker *l = context;

    return br_popularity_may_show(l->setup, l->batch, l->row, item);
}

/* Customers without usable events get nothing by the model, where there is a fallback. */
static bool falls_back(const br_job *job, const br_batch *batch, int64_t row)
{
    return job->config->list_fallback == BR_FALLBACK_POPULARITY &&
           !br_batch_has_events(batch, job->setup->n_encoders, row);
}

static void point_vectors(br_shape_lane *lane, const br_job *job, const br_ranked *ranked)
{
    const br_shape *shape = &job->shaping->shape;

    for (int64_t i = 0; shape->lambda < 1.0 && i < ranked->n && i < shape->window; i++)
        lane->vector_W[i] = vector_of(job, ranked->item_M[i]);
}

bool br_shape_one(br_shape_lane *lane, const br_chunk *c, int64_t b, const br_ranked *ranked)
{
    const br_job     *job   = c->job;
    const br_shaping *g     = job->shaping;
    const br_batch   *batch = c->batch;
    int64_t           row   = br_chunk_row(c, b);
    int32_t           k     = g->shape.k;
    bool              lacks = falls_back(job, batch, row);
    const looker      who   = {job->setup, batch, row};
    br_ladder         ladder[BR_MAX_LADDERS];
    bool              is_eligible_P[BR_SHAPE_MAX_PINS];
    float             score_P[BR_SHAPE_MAX_PINS];
    br_shape_input    in  = {.n                 = lacks ? 0 : ranked->n,
                             .item_M            = ranked->item_M,
                             .score_M           = ranked->score_M,
                             .vector_M          = lane->vector_W,
                             .is_all            = lacks || ranked->is_all,
                             .pin_is_eligible_P = is_eligible_P,
                             .pin_score_P       = score_P,
                             .ladder            = ladder,
                             .is_eligible       = may_show,
                             .context           = &who};
    br_shaped         out = {.item_K   = lane->item_BK + b * k,
                             .score_K  = lane->score_BK + b * k,
                             .source_K = batch->source_BK + row * k};

    for (int32_t p = 0; p < g->shape.n_pins; p++) {
        is_eligible_P[p] = br_popularity_may_show(job->setup, batch, row, g->pin[p].item);
        score_P[p]       = lacks ? (float)job->popularity.count_N[g->pin[p].item]
                                 : lane->pin_score_BP[b * g->shape.n_pins + p];
    }
    if (lacks || job->config->list_fill)
        in.n_ladders = br_ladders_of(
            job, &g->ladders, batch->category_B == NULL ? -1 : batch->category_B[row], ladder);
    point_vectors(lane, job, ranked);
    br_shape_list(lane->work, &in, &out);
    batch->short_B[row] = (uint8_t)out.short_reason;
    return !out.needs_more;
}

/* ---- a chunk ---- */

/* Held back or held out: no list, and no time. */
static bool is_left_out(const br_batch *batch, int64_t row)
{
    return batch->rule_B[row] >= 0 || batch->arm_B[row] < 0;
}

static void leave_out(br_shape_lane *lane, const br_chunk *c, int64_t b)
{
    int32_t k   = c->job->k;
    int64_t row = br_chunk_row(c, b);

    for (int32_t j = 0; j < k; j++) {
        lane->item_BK[b * k + j]         = -1;
        lane->score_BK[b * k + j]        = NAN;
        c->batch->source_BK[row * k + j] = BR_SOURCE_NONE;
    }
    c->batch->short_B[row] = 0;
}

static br_shape_lane *lane_of(const br_job *job, const br_dev *dev)
{
    for (int32_t i = 0; i < job->n_lanes; i++)
        if (job->lane[i] == dev)
            return &job->shaping->lane[i];
    return NULL;
}

br_status br_shaping_rows(br_chunk *c, br_mat item_BK, br_mat score_BK)
{
    br_status       st   = BR_OK;
    br_shape_lane  *lane = lane_of(c->job, c->lane);
    br_choose_room *room = c->room;

    BR_TRY(st, score_pins(lane, c));
    BR_TRY(st, br_choose_best(c));
    lane->n_todo = 0;
    for (int64_t b = 0; b < c->rows.n; b++) {
        const br_ranked ranked = {room->n_B[b], room->list_item_BK + b * c->keep,
                                  room->list_score_BK + b * c->keep, room->is_all_B[b]};

        if (is_left_out(c->batch, br_chunk_row(c, b)))
            leave_out(lane, c, b);
        else if (!br_shape_one(lane, c, b, &ranked))
            lane->todo_B[lane->n_todo++] = (int32_t)b;
    }
    if (lane->n_todo > 0)
        BR_TRY(st, br_again(lane, c));
    BR_TRY(st, br_upload(c->lane, item_BK, lane->item_BK));
    BR_TRY(st, br_upload(c->lane, score_BK, lane->score_BK));
done:
    return st;
}
