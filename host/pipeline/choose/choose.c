/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates to lists. Called once per chunk of customers, by the lanes. */
#include "host/pipeline/choose/choose.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/choose/chunk.h"
#include "host/pipeline/choose/floor.h"
#include "host/pipeline/choose/shaping.h"

typedef br_chunk chunk;

static bool is_decided_here(const br_job *job, const br_batch *batch)
{
    return job->setup->objective.n_candidates > 0 || batch->held_extra_offset_B1 != NULL ||
           job->config->price_N != NULL;
}

int32_t br_choose_n_candidates(const br_job *job)
{
    int32_t m = job->setup->objective.n_candidates;

    if (job->setup->shape.is_on && m == 0)
        m = br_shaping_n_candidates(job->setup);
    return m > job->k ? m : job->k;
}

int32_t br_choose_most_candidates(const br_job *job)
{
    int32_t m = br_choose_n_candidates(job);

    return br_shaping_asks_again(job->setup) ? BR_MAX_K : m;
}

/* Expected values in no order: every one of them counts. */
static int32_t n_kept(const br_job *job)
{
    const br_objective *o = &job->setup->objective;

    if (!job->setup->shape.is_on)
        return job->k;
    return o->n_candidates > 0 && o->n_repetitions > 0 ? BR_MAX_K : br_choose_n_candidates(job);
}

static bool needs_room(const br_job *job)
{
    const br_objective *o = &job->setup->objective;

    return o->n_candidates > 0 || o->n_repetitions > 0 || job->setup->shape.is_on ||
           job->config->price_N != NULL;
}

br_status br_choose_open(br_job *job)
{
    br_status st = BR_OK;

    BR_TRY(st, br_draw_open(job));
    if (!needs_room(job))
        return BR_OK;
    BR_ALLOC(st, job->choose_room, job->n_lanes, "rooms of lanes");
    for (int32_t i = 0; i < job->n_lanes; i++)
        BR_TRY(st, br_choose_room_open(&job->choose_room[i], job->score_rows,
                                       br_choose_n_candidates(job), n_kept(job)));
done:
    return st;
}

void br_choose_close(br_job *job)
{
    for (int32_t i = 0; job->choose_room != NULL && i < job->n_lanes; i++)
        br_choose_room_close(&job->choose_room[i]);
    br_free(&job->choose_room);
    br_quotas_free(&job->quotas);
}

size_t br_choose_scratch_bytes(const br_job *job)
{
    const br_setup *s     = job->setup;
    size_t          bytes = 0, rows = (size_t)job->score_rows;

    if (s->objective.n_linear > 0)
        bytes += rows * (size_t)s->objective.width * 4 + 64;
    if (needs_room(job))
        bytes += rows * (size_t)br_choose_room_columns(br_choose_n_candidates(job)) * 16 +
                 rows * (size_t)s->dim * 4 + 5 * 64;
    return bytes + br_shaping_scratch_bytes(s) + br_floor_scratch_bytes(job);
}

/* ---- the list ---- */

static bool stands_before(float score_a, int32_t item_a, float score_b, int32_t item_b)
{
    return score_a > score_b || (score_a == score_b && item_a < item_b);
}

/* Puts an item into the list of row b, of which the k best stay. */
static void insert(chunk *c, int64_t b, int32_t item, float score)
{
    int32_t  k       = c->keep;
    int32_t *item_K  = c->room->list_item_BK + b * k;
    float   *score_K = c->room->list_score_BK + b * k;
    int32_t  n = c->room->n_B[b], lo = 0, hi = n;

    c->room->is_all_B[b] &= n < k;
    if (n > 0 && !stands_before(score, item, score_K[n - 1], item_K[n - 1]))
        lo = n;
    if (lo == k)
        return;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;

        if (stands_before(score, item, score_K[mid], item_K[mid]))
            hi = mid;
        else
            lo = mid + 1;
    }
    n = n < k ? n : k - 1; /* that move or stay */
    memmove(score_K + lo + 1, score_K + lo, (size_t)(n - lo) * sizeof *score_K);
    memmove(item_K + lo + 1, item_K + lo, (size_t)(n - lo) * sizeof *item_K);
    score_K[lo]     = score;
    item_K[lo]      = item;
    c->room->n_B[b] = n + 1;
}

static void insert_all(chunk *c, int32_t m)
{
    for (int64_t b = 0; b < c->rows.n; b++)
        for (int64_t i = b * m; i < (b + 1) * m; i++)
            if (c->room->item_BM[i] >= 0)
                insert(c, b, c->room->item_BM[i], c->room->score_BM[i]);
}

/* Where fewer than m came, they are all that may be listed. */
static void note_whether_all(chunk *c)
{
    bool is_all = c->m >= c->job->setup->n_listed ||
                  c->job->setup->objective.type == BR_OBJECTIVE_EXPECTED_VALUE;

    for (int64_t b = 0; b < c->rows.n; b++)
        c->room->is_all_B[b] = is_all || c->room->item_BM[(b + 1) * c->m - 1] < 0;
}

/* Candidates were selected at an allocation's prices; what counts is what they are worth. */
static br_status score_without_prices(chunk *c, br_mat item_BM, br_mat score_BM)
{
    const br_score_pairs_args pairs = {.query_BD = c->query_BQ,
                                       .item_ND  = c->job->rank.item_NQ,
                                       .bias_N   = c->job->rank.bias_N,
                                       .item_BK  = item_BM,
                                       .out_BK   = score_BM};

    return br_op_score_pairs(c->lane, &pairs);
}

static br_status take_candidates(chunk *c)
{
    br_status          st   = BR_OK;
    size_t             mark = br_dev_mark(c->lane);
    int32_t            m    = c->m;
    br_mat             item_BM, score_BM;
    br_candidates_args args = {.query_BQ = c->query_BQ, .m = m, .subset = c->subset};

    BR_TRY(st, br_dev_scratch(c->lane, BR_I32, c->rows.n, m, &item_BM));
    BR_TRY(st, br_dev_scratch(c->lane, BR_F32, c->rows.n, m, &score_BM));
    args.item_BM  = item_BM;
    args.score_BM = score_BM;
    BR_TRY(st, br_candidates(c->job, c->batch, c->lane, c->rows, &args));
    BR_TRY(st, br_download(c->lane, item_BM, c->room->item_BM));
    note_whether_all(c);
    if (c->job->setup->objective.type == BR_OBJECTIVE_EXPECTED_VALUE) {
        for (int64_t i = 0; i < c->rows.n * m; i++)
            c->room->penalty_BM[i] = 0.0f;
        BR_TRY(st, br_choose_expect(c, m, item_BM, score_BM));
    } else {
        if (c->job->config->price_N != NULL)
            BR_TRY(st, score_without_prices(c, item_BM, score_BM));
        BR_TRY(st, br_download(c->lane, score_BM, c->room->score_BM));
    }
    insert_all(c, m);
done:
    br_dev_rewind(c->lane, mark);
    return st;
}

/* Pairs [first, first + BR_EXTRA_COLUMNS) of each customer, -1 behind the last; false: none. */
static bool gather_extras(chunk *c, int64_t first)
{
    const br_batch *batch = c->batch;
    bool            any   = false;

    for (int64_t b = 0; b < c->rows.n; b++) {
        int64_t begin = batch->held_extra_offset_B1[br_chunk_row(c, b)] + first;
        int64_t end   = batch->held_extra_offset_B1[br_chunk_row(c, b) + 1];

        for (int64_t j = 0; j < BR_EXTRA_COLUMNS; j++) {
            int64_t at              = b * BR_EXTRA_COLUMNS + j;
            bool    has             = begin + j < end;
            c->room->item_BM[at]    = has ? batch->held_extra_item_P[begin + j] : -1;
            c->room->penalty_BM[at] = has ? batch->held_extra_penalty_P[begin + j] : 0.0f;
            any |= has;
            if (has && c->drop_N != NULL && br_bit(c->drop_N, c->room->item_BM[at]))
                c->room->item_BM[at] = -1;
        }
    }
    return any;
}

/* Scores of a block of pairs, to where draws want them. */
static void collect_extras(chunk *c, int64_t first)
{
    const int64_t *offset_B1 = c->batch->held_extra_offset_B1 + c->rows.first;

    for (int64_t b = 0; b < c->rows.n; b++)
        for (int64_t j = 0; j < BR_EXTRA_COLUMNS && offset_B1[b] + first + j < offset_B1[b + 1];
             j++)
            c->collect_X[offset_B1[b] - offset_B1[0] + first + j] =
                c->room->score_BM[b * BR_EXTRA_COLUMNS + j];
}

/* Penalised items are on the never-list, so that the candidates are exact; here they are scored by
 * themselves, less their penalty, and join. */
static br_status take_extras(chunk *c)
{
    br_status st = BR_OK;

    for (int64_t first = 0; gather_extras(c, first); first += BR_EXTRA_COLUMNS) {
        BR_TRY(st, br_choose_worth(c, BR_EXTRA_COLUMNS));
        if (c->collect_X != NULL)
            collect_extras(c, first);
        else
            insert_all(c, BR_EXTRA_COLUMNS);
    }
done:
    return st;
}

br_status br_choose_best(br_chunk *c)
{
    br_status st = BR_OK;

    for (int64_t b = 0; b < c->rows.n; b++)
        c->room->n_B[b] = 0;
    BR_TRY(st, take_candidates(c));
    if (c->batch->held_extra_offset_B1 != NULL)
        BR_TRY(st, take_extras(c));
done:
    return st;
}

static br_status decide(chunk *c, br_mat item_BK, br_mat score_BK)
{
    br_status       st   = BR_OK;
    br_choose_room *room = c->room;
    int32_t         k    = c->job->k;

    BR_TRY(st, br_choose_best(c));
    for (int64_t b = 0; b < c->rows.n; b++)
        for (int64_t at = b * k + room->n_B[b]; at < (b + 1) * k; at++) {
            room->list_item_BK[at]  = -1;
            room->list_score_BK[at] = NAN;
        }
    BR_TRY(st, br_upload(c->lane, item_BK, room->list_item_BK));
    BR_TRY(st, br_upload(c->lane, score_BK, room->list_score_BK));
done:
    return st;
}

static br_choose_room *room_of(const br_job *job, const br_dev *lane)
{
    for (int32_t i = 0; i < job->n_lanes; i++)
        if (job->lane[i] == lane)
            return &job->choose_room[i];
    return NULL;
}

/* Memory of a lane for n penalised items of a chunk; grows now and then. */
static br_status reserve_extras(chunk *c, int64_t n)
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
static br_status draw(chunk *c)
{
    br_status      st        = BR_OK;
    br_draw_task   task      = {.rows = c->rows, .query_BQ = c->query_BQ, .step = c->step};
    const int64_t *offset_B1 = c->batch->held_extra_offset_B1;
    int64_t        base, n;

    if (offset_B1 == NULL)
        return br_draw_rows(c->job, c->batch, c->lane, &task);
    base    = offset_B1[c->rows.first];
    n       = offset_B1[c->rows.first + c->rows.n] - base;
    c->room = room_of(c->job, c->lane);
    BR_TRY(st, reserve_extras(c, n));
    c->collect_X = c->room->extra_score.data;
    BR_TRY(st, take_extras(c));
    for (int64_t b = 0; b <= c->rows.n; b++)
        ((int64_t *)c->room->extra_offset.data)[b] = offset_B1[c->rows.first + b] - base;
    task.extras.offset_B1 = br_mat_rows(c->room->extra.offset_B1, 0, c->rows.n + 1);
    task.extras.item_X    = c->room->extra.item_X;
    task.extras.score_X   = c->room->extra.score_X;
    BR_TRY(st, br_upload(c->lane, task.extras.offset_B1, c->room->extra_offset.data));
    if (n > 0) {
        BR_TRY(st, br_upload(c->lane, br_mat_rows(task.extras.item_X, 0, n),
                             c->batch->held_extra_item_P + base));
        BR_TRY(st, br_upload(c->lane, br_mat_rows(task.extras.score_X, 0, n), c->collect_X));
    }
    BR_TRY(st, br_draw_rows(c->job, c->batch, c->lane, &task));
done:
    return st;
}

br_status br_choose_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows)
{
    br_status st       = BR_OK;
    br_mat    item_BK  = br_mat_rows(batch->item_BK, rows.first, rows.n);
    br_mat    score_BK = br_mat_rows(batch->score_BK, rows.first, rows.n);
    chunk     c        = {.job   = job,
                          .batch = batch,
                          .lane  = lane,
                          .rows  = rows,
                          .x_BD  = br_mat_rows(batch->x_BD, rows.first, rows.n),
                          .m     = br_choose_n_candidates(job),
                          .keep  = n_kept(job)};

    BR_TRY(st, br_rank_query(&job->rank, lane, c.x_BD, &c.query_BQ));
    if (job->config->policy_type != BR_POLICY_GREEDY) {
        c.step = job->shards == NULL ? BR_DRAW_WHOLE : BR_DRAW_LISTS;
        BR_TRY(st, draw(&c));
    } else if (job->shaping != NULL) {
        c.room = room_of(job, lane);
        BR_TRY(st, br_shaping_rows(&c, item_BK, score_BK));
    } else if (is_decided_here(job, batch)) {
        c.room = room_of(job, lane);
        BR_TRY(st, decide(&c, item_BK, score_BK));
    } else {
        br_candidates_args args = {
            .query_BQ = c.query_BQ, .m = job->k, .item_BM = item_BK, .score_BM = score_BK};

        BR_TRY(st, br_floor_rows(job, batch, lane, rows, c.query_BQ, &args.floor_B));
        BR_TRY(st, br_candidates(job, batch, lane, rows, &args));
    }
done:
    return st;
}

br_status br_choose_tell_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;
    chunk     c  = {.job   = job,
                    .batch = batch,
                    .lane  = lane,
                    .rows  = rows,
                    .x_BD  = br_mat_rows(batch->x_BD, rows.first, rows.n),
                    .step  = BR_DRAW_LEFT};

    if (job->shards == NULL || job->config->policy_type == BR_POLICY_GREEDY ||
        job->config->policy_shortlist > 0)
        return BR_OK;
    BR_TRY(st, br_rank_query(&job->rank, lane, c.x_BD, &c.query_BQ));
    BR_TRY(st, draw(&c));
done:
    return st;
}
