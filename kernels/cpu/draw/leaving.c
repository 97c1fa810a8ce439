/* SPDX-License-Identifier: Apache-2.0
 *
 * Items that a slot shut out: their groups' last room went to it. From the groups' own lists of
 * items, so that only full groups cost. Called once per customer under quotas. */
#include "kernels/cpu/draw/block.h"

/* Walks them, by the columns of the listed item and the rows of each group. */
typedef struct walk {
    const br_draw_row *row;
    int32_t            slot; /* from 1 */
    int32_t            q;    /* column that is walked */
    int64_t            at, end;
} walk;

static int32_t group_of(const br_quota_groups *groups, int32_t item, int32_t q)
{
    return groups->group_NQ[(int64_t)item * groups->n_quotas + q];
}

/* Is the listed item's group of column q full with it? */
static bool is_full_by(const br_draw_row *row, int32_t slot, int32_t q)
{
    int32_t group = group_of(&row->quotas, row->item_K[slot - 1], q);

    return group >= 0 && br_room_find(&row->room, group)->full_after == slot;
}

static walk walk_of(const br_draw_row *row, int32_t slot)
{
    return (walk){.row = row, .slot = slot, .q = -1};
}

/* What is of a group that the slot filled is listed by then or never. */
static bool is_listed_by(const br_draw_row *row, int32_t slot, int32_t item)
{
    for (int32_t j = 0; j < slot; j++)
        if (row->item_K[j] == item)
            return true;
    return false;
}

/* Once each, by the first column that says so. */
static bool next(walk *w, int32_t *item)
{
    const br_quota_groups *groups = &w->row->quotas;

    for (;;) {
        for (; w->at < w->end; w->at++) {
            int32_t q;

            *item = groups->item_P[w->at];
            if (br_room_leaves(groups, &w->row->room, *item, &q) != w->slot || q != w->q ||
                is_listed_by(w->row, w->slot, *item) || !br_draw_takes_part(w->row, *item))
                continue;
            w->at++;
            return true;
        }
        for (w->q++; w->q < groups->n_quotas && !is_full_by(w->row, w->slot, w->q); w->q++)
            continue;
        if (w->q >= groups->n_quotas)
            return false;
        w->at  = groups->offset_G1[group_of(groups, w->row->item_K[w->slot - 1], w->q)];
        w->end = groups->offset_G1[group_of(groups, w->row->item_K[w->slot - 1], w->q) + 1];
    }
}

static int64_t count_in_head(const br_draw_head *h, const br_draw_row *row, int32_t slot)
{
    int64_t n = 0;
    int32_t q;

    for (int32_t i = 0; i < h->n; i++)
        n += br_room_leaves(&row->quotas, &row->room, h->item_H[i], &q) == slot &&
             !br_draw_is_listed(row, h->item_H[i]);
    return n;
}

int64_t br_draw_count_leaving(const br_draw_block *k, const br_draw_row *row, int32_t slot)
{
    walk    w = walk_of(row, slot);
    int64_t n = 0;
    int32_t item;

    if (k->n_quotas == 0)
        return 0;
    if (k->args->n_shortlist > 0)
        return count_in_head(&k->head, row, slot);
    while (next(&w, &item))
        n++;
    return n;
}

void br_draw_find_full(br_draw_block *k, int64_t b)
{
    const br_draw_row *row    = &k->row[b];
    br_draw_full      *full_F = k->full_RF + b * row->k * k->n_quotas;
    int32_t            n      = 0;

    for (int32_t j = 0; j < row->n; j++) {
        k->leave_RK[b * row->k + j] = br_logsum_none();
        for (int32_t q = 0; q < k->n_quotas; q++)
            if (is_full_by(row, j + 1, q))
                full_F[n++] = (br_draw_full){group_of(&row->quotas, row->item_K[j], q), j};
    }
    k->n_full_R[b] = n;
}
