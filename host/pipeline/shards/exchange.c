/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows from rank to rank of a team (exchange.h). Several times per unit. */
#include "host/pipeline/shards/exchange.h"

#include "host/base/clock.h"

void br_shards_trade(br_shards *s)
{
    s->trade_s -= br_clock_wall_s();
    br_comm_trade(s->team, s->parcel_W);
    s->trade_s += br_clock_wall_s();
    for (int32_t r = 0; r < s->n; r++)
        s->sent_bytes += r == s->rank ? 0.0 : (double)s->parcel_W[r].from_bytes;
}

void br_shards_share_rows(br_shards *s, void *array, int64_t n_rows, size_t row_bytes, bool to_all)
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
    br_shards_trade(s);
}

void br_shards_trade_parts(br_shards *s, const void *from, void *to, int64_t n_rows,
                           size_t row_bytes)
{
    br_rows own = br_shards_cut(n_rows, s->n, s->rank);

    for (int32_t r = 0; r < s->n; r++) {
        br_rows rows = br_shards_cut(n_rows, s->n, r);

        s->parcel_W[r] = (br_parcel){.from = (const char *)from + (size_t)rows.first * row_bytes,
                                     .from_bytes = (size_t)rows.n * row_bytes,
                                     .to         = (char *)to + (size_t)(r * own.n) * row_bytes,
                                     .to_bytes   = (size_t)own.n * row_bytes};
    }
    br_shards_trade(s);
}

void br_shards_trade_lists(br_shards *s, int64_t n_rows, int32_t m, bool has_failed)
{
    for (int64_t i = 0; i < n_rows * m && has_failed; i++) /* the others leave with it */
        s->part_item_BK[i] = -1;
    br_shards_trade_parts(s, s->part_item_BK, s->got_item_WRK, n_rows, (size_t)m * 4);
    br_shards_trade_parts(s, s->part_score_BK, s->got_score_WRK, n_rows, (size_t)m * 4);
}
