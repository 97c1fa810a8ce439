/* SPDX-License-Identifier: Apache-2.0
 *
 * What the ranks of a team exchange, three times per unit, by the computing thread: x_u, partial
 * lists, and what is said of listed items. All of it through host memory. Whoever fails between two
 * agreements (br_shards_go_on) still sends what the others wait for. */
#include "host/pipeline/shards/shards.h"

#include <math.h>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/job.h"

struct br_shards {
    br_comm   *team;
    int32_t    n;    /* W */
    int32_t    rank; /* 0: the leader */
    br_parcel *parcel_W;
    float     *x_BD; /* also alpha and gate, one after the other */
    int32_t   *part_item_BK;
    float     *part_score_BK;
    int32_t   *got_item_WRK; /* R: the most rows that one merges */
    float     *got_score_WRK;
    int32_t   *item_BK; /* merged, listed rows */
    float     *score_BK;
    float     *value_BK;
    float     *packed_P; /* values of the items of one rank after the other */
    int64_t   *n_own_W;  /* listed slots whose item each rank holds */
    int64_t   *at_W;
    double     wait_s;  /* for the others to come to an agreement */
    double     trade_s; /* and with what they send */
    double     sent_bytes;
};

static int64_t most_rows(const br_job *job, int32_t n)
{
    return (job->max_rows + n - 1) / n;
}

static int64_t width_of_rows(const br_setup *s)
{
    return s->dim > s->n_encoders ? s->dim : s->n_encoders;
}

double br_shards_bytes(const br_setup *s, double n_rows)
{
    double k = (double)s->config->list_k;

    return s->n_shards == 1 ? 0.0 : n_rows * 4.0 * ((double)width_of_rows(s) + 8.0 * k);
}

br_status br_shards_open(br_job *job, br_comm *team, br_shards **out)
{
    br_status  st  = BR_OK;
    br_shards *s   = NULL;
    int32_t    n   = br_comm_size(team);
    int64_t    all = job->max_rows * job->k, part = n * most_rows(job, n) * job->k;

    *out = NULL;
    if (n == 1)
        return BR_OK;
    BR_ALLOC(st, s, 1, "exchange of a team");
    s->team = team;
    s->n    = n;
    s->rank = br_comm_rank(team);
    BR_ALLOC(st, s->parcel_W, n, "parcels of a team");
    BR_ALLOC(st, s->x_BD, job->max_rows * width_of_rows(job->setup), "customer vectors");
    BR_ALLOC(st, s->part_item_BK, all, "partial lists");
    BR_ALLOC(st, s->part_score_BK, all, "partial lists");
    BR_ALLOC(st, s->got_item_WRK, part, "partial lists");
    BR_ALLOC(st, s->got_score_WRK, part, "partial lists");
    BR_ALLOC(st, s->item_BK, all, "merged lists");
    BR_ALLOC(st, s->score_BK, all, "merged lists");
    BR_ALLOC(st, s->value_BK, all, "values of listed items");
    BR_ALLOC(st, s->packed_P, all, "values of listed items");
    BR_ALLOC(st, s->n_own_W, n, "slots of a team");
    BR_ALLOC(st, s->at_W, n, "slots of a team");
    *out = s;
    s    = NULL;
done:
    br_shards_close(&s);
    return st;
}

void br_shards_close(br_shards **shards)
{
    br_shards *s = *shards;

    if (s == NULL)
        return;
    br_free(&s->parcel_W);
    br_free(&s->x_BD);
    br_free(&s->part_item_BK);
    br_free(&s->part_score_BK);
    br_free(&s->got_item_WRK);
    br_free(&s->got_score_WRK);
    br_free(&s->item_BK);
    br_free(&s->score_BK);
    br_free(&s->value_BK);
    br_free(&s->packed_P);
    br_free(&s->n_own_W);
    br_free(&s->at_W);
    br_free(shards);
}

bool br_shards_go_on(br_shards *s, int64_t unit, bool has_failed)
{
    int64_t said[3] = {has_failed || unit < 0, unit, -unit};

    s->wait_s -= br_clock_wall_s();
    br_comm_max_i64(s->team, said, 3);
    s->wait_s += br_clock_wall_s();
    if (said[0] == 0 && said[1] != -said[2])
        br_comm_abort(s->team,
                      br_fail(BR_E_SELFCHECK, "shards: ranks of a team are at units %lld and %lld",
                              (long long)-said[2], (long long)said[1]));
    return said[0] == 0;
}

void br_shards_report(const br_shards *s)
{
    if (s != NULL)
        br_log(BR_LOG_INFO, "run",
               "exchange %10.3f s, %.1f MB sent; %.3f s waited for the team's others", s->trade_s,
               s->sent_bytes / 1e6, s->wait_s);
}

static void trade(br_shards *s)
{
    s->trade_s -= br_clock_wall_s();
    br_comm_trade(s->team, s->parcel_W);
    s->trade_s += br_clock_wall_s();
    for (int32_t r = 0; r < s->n; r++)
        s->sent_bytes += r == s->rank ? 0.0 : (double)s->parcel_W[r].from_bytes;
}

/* ---- rows to all, or to the leader ---- */

/* Each rank's own rows of an array [n_rows][row_bytes], to all, or to the leader alone. */
static void share_rows(br_shards *s, void *array, int64_t n_rows, size_t row_bytes, bool to_all)
{
    char   *base = array;
    br_rows own  = br_shards_cut(n_rows, s->n, s->rank);

    for (int32_t r = 0; r < s->n; r++) {
        br_rows rows = br_shards_cut(n_rows, s->n, r);

        s->parcel_W[r] = (br_parcel){0};
        if (to_all || r == 0) {
            s->parcel_W[r].from       = base + (size_t)own.first * row_bytes;
            s->parcel_W[r].from_bytes = (size_t)own.n * row_bytes;
        }
        if (to_all || s->rank == 0) {
            s->parcel_W[r].to       = base + (size_t)rows.first * row_bytes;
            s->parcel_W[r].to_bytes = (size_t)rows.n * row_bytes;
        }
    }
    if (!to_all && s->rank != 0) /* of the own nothing stays */
        s->parcel_W[s->rank] = (br_parcel){0};
    trade(s);
}

/* A matrix of which each rank has filled its own rows, through x_BD. */
static br_status share_mat(br_job *job, br_mat mat, int64_t n_rows, bool to_all)
{
    br_shards *s    = job->shards;
    br_rows    own  = br_shards_cut(n_rows, s->n, s->rank);
    size_t     cols = (size_t)mat.n_cols;
    br_status  st   = br_download(job->dev, br_mat_rows(mat, own.first, own.n),
                                  s->x_BD + (size_t)own.first * cols);

    share_rows(s, s->x_BD, n_rows, cols * sizeof *s->x_BD, to_all);
    if (st != BR_OK || (!to_all && s->rank != 0))
        return st;
    BR_TRY(st, br_upload(job->dev, br_mat_rows(mat, 0, n_rows), s->x_BD));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    return st;
}

/* The first failure of several exchanges that all take place. */
static void note(br_status *st, br_status next)
{
    if (*st == BR_OK)
        *st = next;
}

br_status br_shards_share_vectors(br_job *job, br_batch *b)
{
    br_status st = BR_OK;

    if (job->setup->n_encoders == 0 || b->vector_BD != NULL)
        return BR_OK; /* everybody has read them */
    note(&st, share_mat(job, b->x_BD, b->n_rows, true));
    if (b->alpha_BM.buf != NULL) {
        note(&st, share_mat(job, b->alpha_BM, b->n_rows, false));
        note(&st, share_mat(job, b->gate_BM, b->n_rows, false));
    }
    return st;
}

/* ---- lists ---- */

/* To each rank the rows that it merges: [W][its rows][k]. */
static void trade_parts(br_shards *s, const void *from, void *to, int64_t n_rows, int64_t k)
{
    br_rows own = br_shards_cut(n_rows, s->n, s->rank);

    for (int32_t r = 0; r < s->n; r++) {
        br_rows rows = br_shards_cut(n_rows, s->n, r);

        s->parcel_W[r] = (br_parcel){.from       = (const char *)from + 4 * rows.first * k,
                                     .from_bytes = (size_t)(4 * rows.n * k),
                                     .to         = (char *)to + 4 * r * own.n * k,
                                     .to_bytes   = (size_t)(4 * own.n * k)};
    }
    trade(s);
}

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

br_status br_shards_merge(br_job *job, br_batch *b)
{
    br_shards *s   = job->shards;
    int64_t    n   = b->n_rows * job->k;
    br_rows    own = br_shards_cut(b->n_rows, s->n, s->rank);
    br_status  st  = fetch_parts(job, b);

    if (st != BR_OK) /* the others leave with it */
        for (int64_t i = 0; i < n; i++)
            s->part_item_BK[i] = -1;
    trade_parts(s, s->part_item_BK, s->got_item_WRK, b->n_rows, job->k);
    trade_parts(s, s->part_score_BK, s->got_score_WRK, b->n_rows, job->k);
    for (int64_t row = 0; row < own.n; row++)
        merge_row(s, own.n, row, job->k, (own.first + row) * job->k);
    share_rows(s, s->item_BK, b->n_rows, (size_t)job->k * 4, true);
    share_rows(s, s->score_BK, b->n_rows, (size_t)job->k * 4, false);
    if (st != BR_OK)
        return st;
    pick_own(job->setup, s, n);
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->item_BK, 0, b->n_rows), s->part_item_BK));
    BR_TRY(st, br_dev_sync(job->dev)); /* the lanes read it */
done:
    return st;
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

static br_status collect(br_job *job, br_mat mat, int64_t n_rows)
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
    trade(s);
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
        note(&st, collect(job, b->probability_BK[h], b->n_rows));
    for (int32_t t = 0; t < job->setup->objective.n_terms; t++)
        note(&st, collect(job, b->term_BK[t], b->n_rows));
    if (st != BR_OK || s->rank > 0)
        return st;
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->item_BK, 0, b->n_rows), s->item_BK));
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->score_BK, 0, b->n_rows), s->score_BK));
    BR_TRY(st, br_dev_sync(job->dev)); /* the writing thread reads it */
done:
    return st;
}
