/* SPDX-License-Identifier: Apache-2.0
 *
 * What the ranks of a team exchange, three times per unit, by the computing thread: x_u, partial
 * lists, and what is said of listed items. All of it through host memory. Whoever fails between two
 * agreements (br_shards_go_on) still sends what the others wait for. */
#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/shards/exchange.h"

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

    return s->n_shards == 1
               ? 0.0
               : n_rows * 4.0 * ((double)width_of_rows(s) + 8.0 * k) + br_drawn_bytes(s, n_rows);
}

br_status br_shards_open(br_job *job, br_comm *team, br_shards **out)
{
    br_status  st  = BR_OK;
    br_shards *s   = NULL;
    int32_t    n   = br_comm_size(team);
    int64_t    all = job->max_rows * job->k, m = job->k;

    *out = NULL;
    if (n == 1)
        return BR_OK;
    BR_ALLOC(st, s, 1, "exchange of a team");
    s->team = team;
    s->n    = n;
    s->rank = br_comm_rank(team);
    BR_ALLOC(st, s->parcel_W, n, "parcels of a team");
    BR_ALLOC(st, s->x_BD, job->max_rows * width_of_rows(job->setup), "customer vectors");
    BR_TRY(st, br_drawn_open(job, n, most_rows(job, n), &s->drawn));
    m = s->drawn != NULL ? s->drawn->m : m;
    BR_ALLOC(st, s->part_item_BK, job->max_rows * m, "partial lists");
    BR_ALLOC(st, s->part_score_BK, job->max_rows * m, "partial lists");
    BR_ALLOC(st, s->got_item_WRK, n * most_rows(job, n) * m, "partial lists");
    BR_ALLOC(st, s->got_score_WRK, n * most_rows(job, n) * m, "partial lists");
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
    br_drawn_close(&s->drawn);
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

/* A matrix of which each rank has filled its own rows, through x_BD. */
static br_status share_mat(br_job *job, br_mat mat, int64_t n_rows, bool to_all)
{
    br_shards *s    = job->shards;
    br_rows    own  = br_shards_cut(n_rows, s->n, s->rank);
    size_t     cols = (size_t)mat.n_cols;
    br_status  st   = br_download(job->dev, br_mat_rows(mat, own.first, own.n),
                                  s->x_BD + (size_t)own.first * cols);

    br_shards_share_rows(s, s->x_BD, n_rows, cols * sizeof *s->x_BD, to_all);
    if (st != BR_OK || (!to_all && s->rank != 0))
        return st;
    BR_TRY(st, br_upload(job->dev, br_mat_rows(mat, 0, n_rows), s->x_BD));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    return st;
}

br_status br_shards_share_vectors(br_job *job, br_batch *b)
{
    br_status st = BR_OK;

    if (job->setup->n_encoders == 0 || b->vector_BD != NULL)
        return BR_OK; /* everybody has read them */
    br_shards_note(&st, share_mat(job, b->x_BD, b->n_rows, true));
    if (b->alpha_BM.buf != NULL) {
        br_shards_note(&st, share_mat(job, b->alpha_BM, b->n_rows, false));
        br_shards_note(&st, share_mat(job, b->gate_BM, b->n_rows, false));
    }
    return st;
}
