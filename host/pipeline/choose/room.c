/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane's arrays. Taken once per job. */
#include "host/base/memory.h"
#include "host/pipeline/choose/chunk.h"

int64_t br_choose_room_columns(int32_t m)
{
    return m > BR_EXTRA_COLUMNS ? m : BR_EXTRA_COLUMNS;
}

br_status br_choose_room_open(br_choose_room *r, int64_t n, int32_t m, int32_t keep)
{
    br_status st      = BR_OK;
    int64_t   n_slots = n * br_choose_room_columns(m);

    BR_ALLOC(st, r->item_BM, n_slots, "candidates");
    BR_ALLOC(st, r->score_BM, n_slots, "candidates' scores");
    BR_ALLOC(st, r->penalty_BM, n_slots, "candidates' penalties");
    BR_ALLOC(st, r->total_BM, n_slots, "candidates' expected values");
    BR_ALLOC(st, r->list_item_BK, n * keep, "lists of a chunk");
    BR_ALLOC(st, r->list_score_BK, n * keep, "scores of a chunk");
    BR_ALLOC(st, r->n_B, n, "list lengths of a chunk");
    BR_ALLOC(st, r->is_all_B, n, "lists that are all there is");
done:
    return st;
}

void br_choose_room_close(br_choose_room *r)
{
    br_free(&r->item_BM);
    br_free(&r->score_BM);
    br_free(&r->penalty_BM);
    br_free(&r->total_BM);
    br_free(&r->list_item_BK);
    br_free(&r->list_score_BK);
    br_free(&r->n_B);
    br_free(&r->is_all_B);
    br_free(&r->extra_score.data);
    br_free(&r->extra_offset.data);
    br_dev_free(&r->extra.offset_B1);
    br_dev_free(&r->extra.item_X);
    br_dev_free(&r->extra.score_X);
}
