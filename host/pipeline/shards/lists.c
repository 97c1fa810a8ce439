/* SPDX-License-Identifier: Apache-2.0
 *
 * Partial lists to merged ones, and what the holders of listed items say of them, to the leader.
 * Once per unit, by the computing thread. */
#include <math.h>

#include "host/pipeline/shards/exchange.h"

/* The k best of W lists of one row: score descending, then item row ascending, which is the order
 * of the shards. */
static void merge_row(br_shards *s, int64_t n_rows, int64_t row, int32_t k, int64_t to)
{
    for (int32_t r = 0; r < s->n; r++)
        s->at_W[r] = (r * n_rows + row) * k;
    for (int32_t j = 0; j < k; j++) {
        int64_t best = -1;
        int32_t from = 0;

        for (int32_t r = 0; r < s->n; r++) {
            int64_t at = s->at_W[r];

            if (at == (r * n_rows + row + 1) * k || s->got_item_WRK[at] < 0)
                continue;
            if (best < 0 || s->got_score_WRK[at] > s->got_score_WRK[best]) {
                best = at;
                from = r;
            }
        }
        s->item_BK[to + j]  = best < 0 ? -1 : s->got_item_WRK[best];
        s->score_BK[to + j] = best < 0 ? NAN : s->got_score_WRK[best];
        s->at_W[from] += best >= 0;
    }
}

static int32_t holder_of(const br_setup *setup, int32_t item)
{
    int32_t r = (int32_t)((int64_t)item * setup->n_shards / setup->n_listed);

    while (item >= setup->n_listed * (r + 1) / setup->n_shards)
        r++;
    return r;
}

/* Items by the rows of this rank's shard, -1 for those of others; counts the slots of each. */
static void pick_own(const br_setup *setup, br_shards *s, int64_t n)
{
    for (int32_t r = 0; r < s->n; r++)
        s->n_own_W[r] = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t holder = s->item_BK[i] < 0 ? -1 : holder_of(setup, s->item_BK[i]);

        s->part_item_BK[i] = holder == s->rank ? s->item_BK[i] - (int32_t)setup->held.first : -1;
        if (holder >= 0)
            s->n_own_W[holder]++;
    }
}

static br_status fetch_parts(br_job *job, br_batch *b)
{
    br_status  st = BR_OK;
    br_shards *s  = job->shards;

    BR_TRY(st, br_download(job->dev, br_mat_rows(b->item_BK, 0, b->n_rows), s->part_item_BK));
    BR_TRY(st, br_download(job->dev, br_mat_rows(b->score_BK, 0, b->n_rows), s->part_score_BK));
    for (int64_t i = 0; i < b->n_rows * job->k; i++)
        if (s->part_item_BK[i] >= 0)
            s->part_item_BK[i] += (int32_t)job->setup->held.first;
done:
    return st;
}

br_status br_shards_take_own(br_job *job, br_batch *b)
{
    br_status  st = BR_OK;
    br_shards *s  = job->shards;

    pick_own(job->setup, s, b->n_rows * job->k);
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->item_BK, 0, b->n_rows), s->part_item_BK));
    BR_TRY(st, br_dev_sync(job->dev)); /* the lanes read it */
done:
    return st;
}

static br_status merge_best(br_job *job, br_batch *b)
{
    br_shards *s   = job->shards;
    br_rows    own = br_shards_cut(b->n_rows, s->n, s->rank);
    br_status  st  = fetch_parts(job, b);

    br_shards_trade_lists(s, b->n_rows, job->k, st != BR_OK);
    for (int64_t row = 0; row < own.n; row++)
        merge_row(s, own.n, row, job->k, (own.first + row) * job->k);
    br_shards_share_rows(s, s->item_BK, b->n_rows, (size_t)job->k * 4, true);
    br_shards_share_rows(s, s->score_BK, b->n_rows, (size_t)job->k * 4, false);
    return st == BR_OK ? br_shards_take_own(job, b) : st;
}

br_status br_shards_merge(br_job *job, br_batch *b, double *cpu_s)
{
    return job->shards->drawn != NULL ? br_drawn_merge(job, b, cpu_s) : merge_best(job, b);
}

/* ---- what is said of them ---- */

/* The values of this rank's own items, in order of slots. */
static void pack(br_shards *s, int64_t n)
{
    int64_t to = 0;

    for (int64_t i = 0; i < n; i++)
        if (s->part_item_BK[i] >= 0)
            s->packed_P[to++] = s->value_BK[i];
}

/* On the leader: others' values to their slots. */
static void unpack(const br_setup *setup, br_shards *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (s->item_BK[i] >= 0 && s->part_item_BK[i] < 0)
            s->value_BK[i] = s->packed_P[s->at_W[holder_of(setup, s->item_BK[i])]++];
}

br_status br_shards_collect_mat(br_job *job, br_mat mat, int64_t n_rows)
{
    br_shards *s = job->shards;
    int64_t    n = n_rows * job->k, at = 0;
    br_status  st = br_download(job->dev, br_mat_rows(mat, 0, n_rows), s->value_BK);

    for (int32_t r = 0; r < s->n; r++) {
        size_t bytes = (size_t)s->n_own_W[r] * sizeof *s->packed_P;

        s->parcel_W[r] = (br_parcel){0};
        s->at_W[r]     = at;
        if (s->rank == 0 && r > 0) {
            s->parcel_W[r] = (br_parcel){.to = s->packed_P + at, .to_bytes = bytes};
            at += s->n_own_W[r];
        }
    }
    if (s->rank > 0) {
        pack(s, n);
        s->parcel_W[0] = (br_parcel){
            .from = s->packed_P, .from_bytes = (size_t)s->n_own_W[s->rank] * sizeof *s->packed_P};
    }
    br_shards_trade(s);
    if (st != BR_OK || s->rank > 0)
        return st;
    unpack(job->setup, s, n);
    BR_TRY(st, br_upload(job->dev, br_mat_rows(mat, 0, n_rows), s->value_BK));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    return st;
}

br_status br_shards_collect(br_job *job, br_batch *b)
{
    br_status  st = BR_OK;
    br_shards *s  = job->shards;

    for (int32_t h = 0; h < job->setup->n_heads; h++)
        br_shards_note(&st, br_shards_collect_mat(job, b->probability_BK[h], b->n_rows));
    for (int32_t t = 0; t < job->setup->objective.n_terms; t++)
        br_shards_note(&st, br_shards_collect_mat(job, b->term_BK[t], b->n_rows));
    if (s->drawn != NULL)
        br_shards_note(&st, br_drawn_collect(job, b));
    if (st != BR_OK || s->rank > 0)
        return st;
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->item_BK, 0, b->n_rows), s->item_BK));
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->score_BK, 0, b->n_rows), s->score_BK));
    BR_TRY(st, br_dev_sync(job->dev)); /* the writing thread reads it */
done:
    return st;
}
