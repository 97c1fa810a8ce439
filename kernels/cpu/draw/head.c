/* SPDX-License-Identifier: Apache-2.0
 *
 * A customer's best items: from the shortlist, with the extras among them, and what a list leaves
 * of them. Called once per customer and shortlist. */
#include <math.h>

#include "kernels/cpu/draw/block.h"
#include "kernels/cpu/topk/candidates.h"

int32_t br_draw_take_best(br_draw_block *k, int64_t b, int32_t m)
{
    br_draw_head  *h     = &k->head;
    const int32_t *item  = br_mat_i32(k->item_RM) + b * k->item_RM.ld;
    const float   *score = br_mat_f32(k->score_RM) + b * k->score_RM.ld;
    int32_t        n     = 0;

    for (; n < m && item[n] >= 0; n++) {
        h->item_H[n]  = item[n];
        h->score_H[n] = score[n];
    }
    return n;
}

/* From a shortlist, the m best of both. */
void br_draw_fill_head(br_draw_block *k, int64_t b, int32_t m)
{
    br_draw_head      *h   = &k->head;
    const br_draw_row *row = &k->row[b];

    h->n_best = h->n = br_draw_take_best(k, b, m);
    h->is_all        = k->args->n_shortlist > 0 || h->n_best < m || h->n_best == k->N;
    for (int64_t e = 0; e < row->n_extras; e++)
        if (k->args->n_shortlist > 0) {
            h->n = br_topk_insert(h->item_H, h->score_H, h->n, m, row->extra_X[e],
                                  row->extra_score_X[e]);
        } else {
            h->item_H[h->n]    = row->extra_X[e];
            h->score_H[h->n++] = row->extra_score_X[e];
        }
    for (int32_t i = 0; i < h->n; i++) {
        h->y_H[i]    = (double)h->score_H[i] / row->temperature;
        h->unit_H[i] = 0.0;
        h->key_H[i]  = (uint64_t)h->item_H[i] << 32 | (uint32_t)i;
    }
    br_rank_sort(h->key_H, h->n);
    h->ceiling = h->is_all ? -INFINITY : h->y_H[h->n_best - 1];
}

br_status br_draw_fill_above(br_draw_block *k, const br_draw_row *row)
{
    br_draw_head *h    = &k->head;
    br_above      walk = {.item = -1};
    int32_t       at   = 0;

    h->n_above = 0;
    while (br_above_next(&walk, row->source, &k->law, k->first_item + k->N)) {
        double  unit = walk.unit;
        int64_t item = walk.item - k->first_item;

        if (item < 0)
            continue;
        if (h->n_above == k->n_above_most)
            return br_fail(BR_E_SELFCHECK, "draw_topk: more than %lld items above the threshold",
                           (long long)k->n_above_most);
        while (at < h->n && (int64_t)(h->key_H[at] >> 32) < item)
            at++;
        if (at < h->n && (int64_t)(h->key_H[at] >> 32) == item) {
            h->unit_H[(uint32_t)h->key_H[at]] = unit;
            unit                              = -unit;
        }
        h->item_A[h->n_above]   = (int32_t)item;
        h->unit_A[h->n_above++] = unit;
    }
    return BR_OK;
}

/* What of the head had no room from some slot on, by slots. */
static void take_leaving(br_draw_block *k, int64_t b)
{
    const br_draw_row *row     = &k->row[b];
    br_draw_head      *h       = &k->head;
    br_logsum         *leave_K = k->leave_RK + b * row->k;
    int32_t            column;

    for (int32_t j = 0; j < row->n; j++)
        leave_K[j] = br_logsum_none();
    for (int32_t i = 0; i < h->n; i++) {
        int32_t after = br_room_leaves(&row->quotas, &row->room, h->item_H[i], &column);

        if (after == 0 || h->y_H[i] == -INFINITY)
            continue;
        leave_K[after - 1] = br_logsum_term(leave_K[after - 1], h->y_H[i]);
        h->y_H[i]          = -INFINITY;
    }
}

static void unmark_listed(const br_draw_row *row, br_draw_head *h)
{
    for (int32_t j = 0; j < row->n; j++) {
        uint64_t want = (uint64_t)row->item_K[j] << 32;
        int32_t  lo = 0, hi = h->n;

        while (lo < hi) {
            int32_t mid = lo + (hi - lo) / 2;

            if (h->key_H[mid] < want)
                lo = mid + 1;
            else
                hi = mid;
        }
        if (lo < h->n && h->key_H[lo] >> 32 == want >> 32)
            h->y_H[(uint32_t)h->key_H[lo]] = -INFINITY;
    }
}

void br_draw_take_listed(br_draw_block *k, int64_t b)
{
    unmark_listed(&k->row[b], &k->head);
    if (k->n_quotas > 0)
        take_leaving(k, b);
}

/* None of the best items may be left: then it is looked for among all. */
float br_draw_best_left(const br_draw_block *k, const br_draw_row *row)
{
    const br_draw_head *h    = &k->head;
    float               most = -INFINITY;

    for (int32_t i = 0; i < h->n_best; i++)
        if (h->y_H[i] > -INFINITY && h->score_H[i] > most)
            most = h->score_H[i];
    if (most == -INFINITY && !h->is_all) {
        (void)br_draw_best_of_all(k, row, &most);
        return most;
    }
    for (int32_t i = h->n_best; i < h->n; i++)
        if (h->y_H[i] > -INFINITY && h->score_H[i] > most)
            most = h->score_H[i];
    return most;
}

bool br_draw_left_of_head(br_draw_block *k, int64_t b)
{
    br_draw_head *h    = &k->head;
    br_left      *left = &k->left_R[b];

    if (!h->is_all && h->ceiling - left->most >= k->floor)
        return false;
    for (int32_t i = 0; i < h->n && left->most > -INFINITY; i += BR_SUM_BLOCK)
        br_left_add_block(left, k->floor, h->y_H + i,
                          h->n - i < BR_SUM_BLOCK ? h->n - i : BR_SUM_BLOCK);
    return true;
}
