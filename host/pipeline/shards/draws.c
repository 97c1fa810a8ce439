/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists that are drawn, of a catalogue in shards (kernels/draw/part.h): each shard's lists by their
 * keys, what the merged ones left in it, and what is logged of that. Once per unit, by the
 * computing thread. */
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/pipeline/choose/draw.h"
#include "host/pipeline/popularity.h"
#include "host/pipeline/shards/exchange.h"

#define TASK_ROWS 64 /* merged at a time */

static bool is_drawn(const br_setup *s)
{
    return s->config->policy_type != BR_POLICY_GREEDY;
}

double br_drawn_bytes(const br_setup *s, double n_rows)
{
    double k = (double)s->config->list_k, m = br_draw_width(s->config);

    /* keys, and what m is longer than k; propensities; words of a customer */
    return is_drawn(s) ? n_rows * (16.0 * m + 16.0 * (m - k) + 4.0 * k + 52.0) : 0.0;
}

br_status br_drawn_open(br_job *job, int32_t n_ranks, int64_t most_rows, br_drawn_parts **out)
{
    br_status       st = BR_OK;
    br_drawn_parts *d  = NULL;
    int64_t         B = job->max_rows, got = n_ranks * most_rows;

    *out = NULL;
    if (!is_drawn(job->setup))
        return BR_OK;
    BR_ALLOC(st, d, 1, "drawn lists of a team");
    d->m       = br_draw_width(job->config);
    d->n_lanes = job->config->run_threads > 0 ? (int32_t)job->config->run_threads : br_n_cores();
    BR_ALLOC(st, d->part_key_BM, B * d->m, "keys of partial lists");
    BR_ALLOC(st, d->part_best_B, B, "best of partial lists");
    BR_ALLOC(st, d->part_n_B, B, "items that take part");
    BR_ALLOC(st, d->got_key_WRM, got * d->m, "keys of partial lists");
    BR_ALLOC(st, d->got_best_WR, got, "best of partial lists");
    BR_ALLOC(st, d->got_n_WR, got, "items that take part");
    BR_ALLOC(st, d->taken_LW, (int64_t)d->n_lanes * n_ranks, "merged lists");
    BR_ALLOC(st, d->item_LM, (int64_t)d->n_lanes * d->m, "merged lists");
    BR_ALLOC(st, d->score_LM, (int64_t)d->n_lanes * d->m, "merged lists");
    BR_ALLOC(st, d->best_B, B, "best that lists left");
    BR_ALLOC(st, d->left_B2, 2 * B, "what lists left");
    BR_ALLOC(st, d->log_BK, B * job->k, "propensities");
    BR_ALLOC(st, d->normaliser_B, B, "normalisers");
    BR_ALLOC(st, d->remaining_B, B, "what lists left");
    *out = d;
    d    = NULL;
done:
    br_drawn_close(&d);
    return st;
}

void br_drawn_close(br_drawn_parts **drawn)
{
    br_drawn_parts *d = *drawn;

    if (d == NULL)
        return;
    br_free(&d->part_key_BM);
    br_free(&d->part_best_B);
    br_free(&d->part_n_B);
    br_free(&d->got_key_WRM);
    br_free(&d->got_best_WR);
    br_free(&d->got_n_WR);
    br_free(&d->taken_LW);
    br_free(&d->item_LM);
    br_free(&d->score_LM);
    br_free(&d->best_B);
    br_free(&d->left_B2);
    br_free(&d->log_BK);
    br_free(&d->normaliser_B);
    br_free(&d->remaining_B);
    br_free(drawn);
}

/* ---- merging ---- */

static br_status fetch_lists(br_job *job, br_batch *b)
{
    br_status       st = BR_OK;
    br_shards      *s  = job->shards;
    br_drawn_parts *d  = s->drawn;
    int64_t         n  = b->n_rows;

    BR_TRY(st, br_download(job->dev, br_mat_rows(b->part.item_BM, 0, n), s->part_item_BK));
    BR_TRY(st, br_download(job->dev, br_mat_rows(b->part.score_BM, 0, n), s->part_score_BK));
    BR_TRY(st, br_download(job->dev, br_mat_rows(b->part.key_BM, 0, n), d->part_key_BM));
    BR_TRY(st, br_download(job->dev, br_mat_rows(b->part.best_B, 0, n), d->part_best_B));
    BR_TRY(st, br_download(job->dev, br_mat_rows(b->part.n_B, 0, n), d->part_n_B));
    for (int64_t i = 0; i < n * d->m; i++)
        if (s->part_item_BK[i] >= 0)
            s->part_item_BK[i] += (int32_t)job->setup->held.first;
done:
    return st;
}

static void trade_lists(br_shards *s, int64_t n_rows, bool has_failed)
{
    br_drawn_parts *d = s->drawn;

    for (int64_t b = 0; b < n_rows && has_failed; b++)
        d->part_n_B[b] = 0;
    br_shards_trade_lists(s, n_rows, d->m, has_failed);
    br_shards_trade_parts(s, d->part_key_BM, d->got_key_WRM, n_rows, (size_t)d->m * 8);
    br_shards_trade_parts(s, d->part_best_B, d->got_best_WR, n_rows, 4);
    br_shards_trade_parts(s, d->part_n_B, d->got_n_WR, n_rows, 8);
}

typedef struct customer {
    const br_job   *job;
    const br_batch *batch;
    int64_t         row;
} customer;

static bool takes_part(const void *context, int32_t item)
{
    const customer *c = context;

    return br_popularity_may_show(c->job->setup, c->batch, c->row, item);
}

static br_draw_merged list_of(br_job *job, const br_batch *b, int64_t row)
{
    br_shards *s  = job->shards;
    int64_t    at = row * job->k;

    return (br_draw_merged){.law              = br_draw_law_of(job->config),
                            .heat             = (double)b->heat_B[row],
                            .seed             = (uint64_t)job->config->policy_seed,
                            .customer         = b->customer_B[row],
                            .n_items          = job->setup->n_listed,
                            .k                = job->k,
                            .item_K           = s->item_BK + at,
                            .score_K          = s->score_BK + at,
                            .log_propensity_K = s->drawn->log_BK + at};
}

static void take_sums(br_drawn_parts *d, int64_t row, const br_draw_merged *list)
{
    d->normaliser_B[row] = list->log_normaliser;
    d->remaining_B[row]  = list->log_remaining;
}

/* The best of all shards are there: a shortlist, or the best beside all that take part. */
static void draw_from(br_job *job, const br_batch *b, int64_t row, br_draw_from *from)
{
    customer       who  = {job, b, row};
    br_draw_merged list = list_of(job, b, row);

    if (job->config->policy_shortlist == 0) {
        from->takes_part = takes_part;
        from->context    = &who;
    }
    br_draw_from_best(&list, from);
    take_sums(job->shards->drawn, row, &list);
}

/* The customers that this rank merges. */
typedef struct merging {
    br_job   *job;
    br_batch *batch;
    br_rows   own;
} merging;

/* The i-th of them, in a lane's room. */
static void merge_row(const merging *g, int lane, int64_t i)
{
    br_job         *job   = g->job;
    br_shards      *s     = job->shards;
    br_drawn_parts *d     = s->drawn;
    int64_t         n_all = 0, n_own = g->own.n, row = g->own.first + i;
    int32_t        *item_M  = d->item_LM + (int64_t)lane * d->m;
    float          *score_M = d->score_LM + (int64_t)lane * d->m;
    br_draw_parts   parts   = {.n_parts  = s->n,
                               .m        = d->m,
                               .ld       = n_own * d->m,
                               .item_WM  = s->got_item_WRK + i * d->m,
                               .score_WM = s->got_score_WRK + i * d->m,
                               .key_WM   = d->got_key_WRM + i * d->m,
                               .best_ld  = n_own,
                               .taken_W  = d->taken_LW + (int64_t)lane * s->n};
    int32_t         n;

    if (!br_draw_is_from_best(job->config))
        parts.best_W = d->got_best_WR + i;
    n = br_draw_merge(&parts, item_M, score_M, &d->best_B[row]);
    for (int32_t w = 0; w < s->n; w++)
        n_all += d->got_n_WR[w * n_own + i];
    if (!br_draw_is_from_best(job->config)) {
        memcpy(s->item_BK + row * job->k, item_M, (size_t)job->k * 4);
        memcpy(s->score_BK + row * job->k, score_M, (size_t)job->k * 4);
    } else {
        br_draw_from from = {.n = n, .item_n = item_M, .score_n = score_M, .n_all = n_all};

        draw_from(job, g->batch, row, &from);
    }
}

static br_status merge_rows(void *context, int lane, int64_t task)
{
    const merging *g    = context;
    br_rows        rows = br_rows_of_task(g->own.n, TASK_ROWS, task);

    for (int64_t i = rows.first; i < rows.first + rows.n; i++)
        merge_row(g, lane, i);
    return BR_OK;
}

br_status br_drawn_merge(br_job *job, br_batch *b, double *cpu_s)
{
    br_shards      *s   = job->shards;
    br_drawn_parts *d   = s->drawn;
    int64_t         n   = b->n_rows;
    br_rows         own = br_shards_cut(n, s->n, s->rank);
    br_status       st  = fetch_lists(job, b);

    trade_lists(s, n, st != BR_OK);
    br_shards_note(&st, br_parallel_for(d->n_lanes, (own.n + TASK_ROWS - 1) / TASK_ROWS, merge_rows,
                                        &(merging){job, b, own}, cpu_s));
    br_shards_share_rows(s, s->item_BK, n, (size_t)job->k * 4, true);
    br_shards_share_rows(s, s->score_BK, n, (size_t)job->k * 4, false);
    if (br_draw_is_from_best(job->config)) {
        br_shards_share_rows(s, d->log_BK, n, (size_t)job->k * 4, false);
        br_shards_share_rows(s, d->normaliser_B, n, 4, false);
        br_shards_share_rows(s, d->remaining_B, n, 4, false);
    } else {
        br_shards_share_rows(s, d->best_B, n, 4, true);
    }
    if (st != BR_OK)
        return st;
    if (!br_draw_is_from_best(job->config))
        BR_TRY(st, br_upload(job->dev, br_mat_rows(b->part.best_B, 0, n), d->best_B));
    BR_TRY(st, br_shards_take_own(job, b));
done:
    return st;
}

/* ---- what lists left, or scores that only their holders know ---- */

/* The sums of what lists left add up over the team. */
static br_status collect_left(br_job *job, br_batch *b)
{
    br_shards      *s = job->shards;
    br_drawn_parts *d = s->drawn;
    br_status st = br_download(job->dev, br_mat_rows(b->part.left_B2, 0, b->n_rows), d->left_B2);

    br_comm_sum_i64(s->team, (int64_t *)d->left_B2, 2 * b->n_rows);
    for (int64_t row = 0; row < b->n_rows && s->rank == 0; row++) {
        br_draw_merged list = list_of(job, b, row);

        br_draw_tell(&list, d->best_B[row], d->left_B2 + 2 * row);
        take_sums(d, row, &list);
    }
    return st;
}

static br_status collect_scores(br_job *job, br_batch *b)
{
    br_shards *s  = job->shards;
    br_status  st = br_shards_collect_mat(job, b->score_BK, b->n_rows);

    if (s->rank == 0)
        memcpy(s->score_BK, s->value_BK, (size_t)(b->n_rows * job->k) * 4);
    return st;
}

br_status br_drawn_collect(br_job *job, br_batch *b)
{
    br_status       st = BR_OK;
    br_shards      *s  = job->shards;
    br_drawn_parts *d  = s->drawn;

    if (job->config->policy_type == BR_POLICY_EPSILON)
        st = collect_scores(job, b);
    else if (!br_draw_is_from_best(job->config))
        st = collect_left(job, b);
    if (st != BR_OK || s->rank > 0)
        return st;
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->log_propensity_BK, 0, b->n_rows), d->log_BK));
    BR_TRY(st,
           br_upload(job->dev, br_mat_rows(b->log_normaliser_B, 0, b->n_rows), d->normaliser_B));
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->log_remaining_B, 0, b->n_rows), d->remaining_B));
done:
    return st;
}
