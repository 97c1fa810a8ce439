/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists whose candidates did not suffice: first more candidates for these customers together; then,
 * where even the most that score_topk gives are of full groups, one customer at a time without
 * those groups. Both end with the list that all items would give. Called once per chunk that has
 * such customers. */
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/choose/shape_lane.h"

#define MORE 4 /* times as many candidates, each time */

br_status br_again_open(const br_setup *s, br_shape_lane *lane)
{
    br_status st = BR_OK;

    BR_TRY(st, br_choose_room_open(&lane->again, BR_AGAIN_ROWS, BR_MAX_K, BR_MAX_K));
    BR_TRY(st, br_choose_room_open(&lane->far, 1, BR_MAX_K, BR_MAX_K));
    BR_ALLOC(st, lane->never_item_S, s->n_listed, "never-lists to ask again");
    BR_ALLOC(st, lane->drop_N, (s->n_listed + 63) / 64, "bits of items that are out");
    for (int32_t q = 0; q < s->shape.shape.n_quotas; q++)
        BR_ALLOC(st, lane->count_G[q], s->shape.quota[q].n_groups, "items of each group");
    BR_ALLOC(st, lane->far_item_M, 3 * BR_MAX_K, "candidates behind the first");
    BR_ALLOC(st, lane->far_score_M, 3 * BR_MAX_K, "candidates behind the first");
done:
    return st;
}

void br_again_close(br_shape_lane *lane)
{
    br_choose_room_close(&lane->again);
    br_choose_room_close(&lane->far);
    br_free(&lane->never_item_S);
    br_free(&lane->drop_N);
    for (int32_t q = 0; q < BR_SHAPE_MAX_QUOTAS; q++)
        br_free(&lane->count_G[q]);
    br_free(&lane->far_item_M);
    br_free(&lane->far_score_M);
}

size_t br_again_bytes(const br_setup *s)
{
    size_t bytes = (size_t)BR_MAX_K * (BR_AGAIN_ROWS + 1) * 28 + (size_t)BR_MAX_K * 24 +
                   (size_t)s->n_listed * 4 + (size_t)s->n_listed / 8;

    for (int32_t q = 0; q < s->shape.shape.n_quotas; q++)
        bytes += (size_t)s->shape.quota[q].n_groups * 4;
    return bytes;
}

/* Never-lists and segment bits of n customers from the lane's arrays, onto the device. */
static br_status place_subset(br_shape_lane *lane, br_chunk *c, int64_t n, br_subset *out)
{
    br_status st      = BR_OK;
    int64_t   n_never = lane->never_offset_B1[n];

    *out = (br_subset){.row_B = lane->row_B};
    if (c->batch->have_B != NULL) {
        BR_TRY(st, br_dev_scratch(c->lane, BR_U64, n, 1, &out->have_B));
        BR_TRY(st, br_upload(c->lane, out->have_B, lane->have_B));
    }
    if (n_never == 0)
        goto done;
    BR_TRY(st, br_dev_scratch(c->lane, BR_I64, n + 1, 1, &out->never_offset_B1));
    BR_TRY(st, br_dev_scratch(c->lane, BR_I32, n_never, 1, &out->never_item_S));
    BR_TRY(st, br_upload(c->lane, out->never_offset_B1, lane->never_offset_B1));
    BR_TRY(st, br_upload(c->lane, out->never_item_S, lane->never_item_S));
done:
    return st;
}

static void name_customer(br_shape_lane *lane, const br_chunk *c, int64_t at, int64_t row)
{
    lane->row_B[at] = row;
    if (c->batch->have_B != NULL)
        lane->have_B[at] = c->batch->have_B[row];
}

/* ---- one customer, without what is out ---- */

static void drop(br_shape_lane *lane, int32_t item)
{
    lane->drop_N[item >> 6] |= UINT64_C(1) << (item & 63);
}

/* Keeps of the candidates the window, as it is, and what was chosen behind it: what was passed
 * over there is of a full group. Leaves the bits of all these and of full groups. */
static void drop_what_is_out(br_shape_lane *lane, const br_chunk *c, int64_t b)
{
    const br_shape *shape    = &c->job->shaping->shape;
    const int32_t  *item_K   = lane->item_BK + b * shape->k;
    int64_t         n_window = shape->lambda < 1.0 ? shape->window : 0, to = 0;

    memset(lane->drop_N, 0, (size_t)((shape->n_items + 63) / 64) * sizeof *lane->drop_N);
    for (int32_t j = 0; j < shape->k && item_K[j] >= 0; j++) {
        drop(lane, item_K[j]);
        for (int32_t q = 0; q < shape->n_quotas; q++)
            if (shape->quota[q].group_N[item_K[j]] >= 0)
                lane->count_G[q][shape->quota[q].group_N[item_K[j]]]++;
    }
    for (int64_t i = 0; i < lane->n_far; i++) {
        if (i >= n_window && !br_bit(lane->drop_N, lane->far_item_M[i]))
            continue;
        drop(lane, lane->far_item_M[i]);
        lane->far_item_M[to]    = lane->far_item_M[i];
        lane->far_score_M[to++] = lane->far_score_M[i];
    }
    lane->n_far = to;
    for (int32_t q = 0; q < shape->n_quotas; q++)
        for (int64_t i = 0; i < shape->n_items; i++) {
            int32_t group = shape->quota[q].group_N[i];

            if (group >= 0 && lane->count_G[q][group] >= shape->quota[q].max)
                drop(lane, (int32_t)i);
        }
}

static void forget_counts(br_shape_lane *lane, const br_chunk *c, int64_t b)
{
    const br_shape *shape  = &c->job->shaping->shape;
    const int32_t  *item_K = lane->item_BK + b * shape->k;

    for (int32_t j = 0; j < shape->k && item_K[j] >= 0; j++)
        for (int32_t q = 0; q < shape->n_quotas; q++)
            if (shape->quota[q].group_N[item_K[j]] >= 0)
                lane->count_G[q][shape->quota[q].group_N[item_K[j]]] = 0;
}

/* The customer's own never-list and all that is out, ascending. */
static void forbid_what_is_out(br_shape_lane *lane, const br_chunk *c, int64_t row)
{
    const br_batch *batch = c->batch;
    int64_t         at = batch->never_offset_B1[row], end = batch->never_offset_B1[row + 1], n = 0;

    for (int32_t i = 0; i < (int32_t)c->job->shaping->shape.n_items; i++) {
        bool is_never = at < end && batch->never_item_S[at] == i;

        at += is_never;
        if (is_never || br_bit(lane->drop_N, i))
            lane->never_item_S[n++] = i;
    }
    lane->never_offset_B1[0] = 0;
    lane->never_offset_B1[1] = n;
}

/* Appends the best of what is not out. */
static br_status go_farther(br_shape_lane *lane, br_chunk *c, int64_t row, br_mat query_1Q,
                            bool *is_all)
{
    br_status       st     = BR_OK;
    size_t          mark   = br_dev_mark(c->lane);
    br_subset       subset = {0};
    br_choose_room *room   = &lane->far;
    br_chunk        one    = {.job      = c->job,
                              .batch    = c->batch,
                              .lane     = c->lane,
                              .rows     = {0, 1},
                              .subset   = &subset,
                              .query_BQ = query_1Q,
                              .room     = room,
                              .m        = BR_MAX_K,
                              .keep     = BR_MAX_K,
                              .drop_N   = lane->drop_N};

    name_customer(lane, c, 0, row);
    BR_TRY(st, place_subset(lane, c, 1, &subset));
    BR_TRY(st, br_choose_best(&one));
    memcpy(lane->far_item_M + lane->n_far, room->list_item_BK, (size_t)room->n_B[0] * 4);
    memcpy(lane->far_score_M + lane->n_far, room->list_score_BK, (size_t)room->n_B[0] * 4);
    lane->n_far += room->n_B[0];
    *is_all = room->is_all_B[0];
done:
    br_dev_rewind(c->lane, mark);
    return st;
}

/* Each turn lists an item at least: the first of the new candidates has room. */
static br_status go_far(br_shape_lane *lane, br_chunk *c, int64_t b, br_mat query_1Q,
                        const br_ranked *ranked)
{
    br_status st      = BR_OK;
    int64_t   row     = br_chunk_row(c, b);
    int32_t   k       = c->job->k;
    bool      is_done = false, is_all = false;

    memcpy(lane->far_item_M, ranked->item_M, (size_t)ranked->n * sizeof *lane->far_item_M);
    memcpy(lane->far_score_M, ranked->score_M, (size_t)ranked->n * sizeof *lane->far_score_M);
    lane->n_far = ranked->n;
    while (!is_done) {
        br_ranked farther = {.item_M = lane->far_item_M, .score_M = lane->far_score_M};

        drop_what_is_out(lane, c, b);
        forget_counts(lane, c, b);
        forbid_what_is_out(lane, c, row);
        BR_TRY(st, go_farther(lane, c, row, query_1Q, &is_all));
        farther.n      = lane->n_far;
        farther.is_all = is_all;
        is_done        = br_shape_one(lane, c, b, &farther);
    }
    /* At least BR_MAX_K items were met, and those passed over are no longer among the candidates.
     */
    c->batch->short_B[row] = lane->item_BK[b * k + k - 1] < 0 ? BR_SHORT_QUOTA : 0;
done:
    return st;
}

/* ---- customers together, with more candidates ---- */

/* Customers of todo_B from `first` on whose never-lists fit the lane's array together; how many. */
static int64_t gather_group(br_shape_lane *lane, const br_chunk *c, int64_t first)
{
    const br_batch *batch = c->batch;
    int64_t         n     = 0;

    lane->never_offset_B1[0] = 0;
    for (; n < BR_AGAIN_ROWS && first + n < lane->n_todo; n++) {
        int64_t row   = br_chunk_row(c, lane->todo_B[first + n]);
        int64_t begin = batch->never_offset_B1[row], len = batch->never_offset_B1[row + 1] - begin;
        int64_t to = lane->never_offset_B1[n];

        if (n > 0 && to + len > c->job->setup->n_listed)
            break;
        if (len > 0)
            memcpy(lane->never_item_S + to, batch->never_item_S + begin, (size_t)len * 4);
        lane->never_offset_B1[n + 1] = to + len;
        name_customer(lane, c, n, row);
    }
    return n;
}

static br_status gather_queries(const br_chunk *c, const int32_t *todo_B, int64_t n, br_mat *out)
{
    br_status           st    = BR_OK;
    br_mat              row_B = {0};
    br_gather_rows_args args;

    BR_TRY(st, br_dev_scratch(c->lane, BR_I32, n, 1, &row_B));
    BR_TRY(st, br_dev_scratch(c->lane, BR_F32, n, c->query_BQ.n_cols, out));
    BR_TRY(st, br_upload(c->lane, row_B, todo_B));
    args = (br_gather_rows_args){.table_VD = c->query_BQ, .row_B = row_B, .out_BD = *out};
    BR_TRY(st, br_op_gather_rows(c->lane, &args));
done:
    return st;
}

/* The lists of n customers from `first` on; those that need still more stay in todo_B, at *n_left.
 */
static br_status ask_group(br_shape_lane *lane, br_chunk *c, int64_t first, int64_t n, int32_t m,
                           int64_t *n_left)
{
    br_status       st     = BR_OK;
    size_t          mark   = br_dev_mark(c->lane);
    br_subset       subset = {0};
    br_choose_room *room   = &lane->again;
    br_chunk        group  = {.job    = c->job,
                              .batch  = c->batch,
                              .lane   = c->lane,
                              .rows   = {0, n},
                              .subset = &subset,
                              .room   = room,
                              .m      = m,
                              .keep   = m};

    BR_TRY(st, place_subset(lane, c, n, &subset));
    BR_TRY(st, gather_queries(c, lane->todo_B + first, n, &group.query_BQ));
    BR_TRY(st, br_choose_best(&group));
    for (int64_t i = 0; i < n; i++) {
        int64_t         b      = lane->todo_B[first + i];
        const br_ranked ranked = {room->n_B[i], room->list_item_BK + i * m,
                                  room->list_score_BK + i * m, room->is_all_B[i]};

        if (br_shape_one(lane, c, b, &ranked))
            continue;
        if (m < BR_MAX_K)
            lane->todo_B[(*n_left)++] = (int32_t)b;
        else
            BR_TRY(st, go_far(lane, c, b, br_mat_rows(group.query_BQ, i, 1), &ranked));
    }
done:
    br_dev_rewind(c->lane, mark);
    return st;
}

br_status br_again(br_shape_lane *lane, br_chunk *c)
{
    br_status st = BR_OK;
    int32_t   m  = c->m;

    while (lane->n_todo > 0) {
        int64_t first = 0, n_left = 0;

        m = m < BR_MAX_K / MORE ? m * MORE : BR_MAX_K;
        while (first < lane->n_todo) {
            int64_t n = gather_group(lane, c, first);

            BR_TRY(st, ask_group(lane, c, first, n, m, &n_left));
            first += n;
        }
        lane->n_todo = n_left;
    }
done:
    return st;
}
