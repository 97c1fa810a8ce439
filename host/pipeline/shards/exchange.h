/* SPDX-License-Identifier: Apache-2.0
 *
 * The arrays of a team's exchange, and how rows of them go from rank to rank. Private to shards/.
 */
#ifndef BR_HOST_PIPELINE_SHARDS_EXCHANGE_H
#define BR_HOST_PIPELINE_SHARDS_EXCHANGE_H

#include "host/pipeline/job.h"
#include "host/pipeline/shards/shards.h"

/* Of lists that are drawn (draws.c); M items in a shard's list of a customer. */
typedef struct br_drawn_parts {
    int32_t   m;
    double   *part_key_BM;
    float    *part_best_B;
    int64_t  *part_n_B;
    double   *got_key_WRM; /* R: the most rows that one merges */
    float    *got_best_WR;
    int64_t  *got_n_WR;
    int32_t   n_lanes; /* L, that merge */
    int32_t  *taken_LW;
    int32_t  *item_LM; /* of one customer at a time */
    float    *score_LM;
    float    *best_B; /* of the whole catalogue, what a list left */
    uint64_t *left_B2;
    float    *log_BK;
    float    *normaliser_B;
    float    *remaining_B;
} br_drawn_parts;

struct br_shards {
    br_comm        *team;
    int32_t         n;    /* W */
    int32_t         rank; /* 0: the leader */
    br_parcel      *parcel_W;
    float          *x_BD; /* also alpha and gate, one after the other */
    int32_t        *part_item_BK;
    float          *part_score_BK;
    int32_t        *got_item_WRK; /* R: the most rows that one merges */
    float          *got_score_WRK;
    int32_t        *item_BK; /* merged, listed rows */
    float          *score_BK;
    float          *value_BK;
    float          *packed_P; /* values of the items of one rank after the other */
    int64_t        *n_own_W;  /* listed slots whose item each rank holds */
    int64_t        *at_W;
    br_drawn_parts *drawn;   /* NULL: nothing is drawn */
    double          wait_s;  /* for the others to come to an agreement */
    double          trade_s; /* and with what they send */
    double          sent_bytes;
};

/* The first failure of several exchanges that all take place. */
static inline void br_shards_note(br_status *st, br_status next)
{
    if (*st == BR_OK)
        *st = next;
}

/* parcel_W, to their ranks. */
void br_shards_trade(br_shards *shards);

/* Each rank's own rows of an array [n_rows][row_bytes], to all, or to the leader alone. */
void br_shards_share_rows(br_shards *shards, void *array, int64_t n_rows, size_t row_bytes,
                          bool to_all);

/* To each rank the rows that it merges, of an array [n_rows][row_bytes]: [W][its rows][row_bytes].
 */
void br_shards_trade_parts(br_shards *shards, const void *from, void *to, int64_t n_rows,
                           size_t row_bytes);

/* The parts' lists of n_rows customers, in part_item_BK (by listed rows) and part_score_BK, m wide,
 * to the ranks that merge them. has_failed: there are none. */
void br_shards_trade_lists(br_shards *shards, int64_t n_rows, int32_t m, bool has_failed);

/* item_BK is whole on all ranks: the rank's own of it to the device, by its rows. */
br_status br_shards_take_own(br_job *job, br_batch *batch);

/* What each rank says of its own listed items in a [n_rows, k] view, on the leader's. */
br_status br_shards_collect_mat(br_job *job, br_mat mat, int64_t n_rows);

/* ---- draws.c ---- */

br_status br_drawn_open(br_job *job, int32_t n_ranks, int64_t most_rows, br_drawn_parts **out);
void      br_drawn_close(br_drawn_parts **drawn);
double    br_drawn_bytes(const br_setup *setup, double n_rows);
br_status br_drawn_merge(br_job *job, br_batch *batch, double *cpu_s);
br_status br_drawn_collect(br_job *job, br_batch *batch);

#endif
