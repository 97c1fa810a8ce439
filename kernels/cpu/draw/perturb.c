/* SPDX-License-Identifier: Apache-2.0
 *
 * The K best perturbed scores of a customer from few of them (docs/EXACTNESS.md): the best items by
 * score, and the items whose noise is above the threshold, of which most are ruled out by a bound
 * on their score before it is computed. Called once per customer. */
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/cpu/draw/block.h"
#include "kernels/cpu/topk/candidates.h"

#define SLACK      1e-12 /* relative: thousands of roundings of a float64 */
#define NEGLIGIBLE 1e-7

static double slack_of(double a, double b)
{
    return SLACK * (fabs(a) + fabs(b) + 1.0);
}

static int32_t take_best(br_draw_block *k, int64_t b, int32_t m)
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

/* The m best and the extras; from a shortlist, the m best of both. */
static void fill_head(br_draw_block *k, int64_t b, int32_t m)
{
    br_draw_head      *h   = &k->head;
    const br_draw_row *row = &k->row[b];

    h->n_best = h->n = take_best(k, b, m);
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

/* Who is above, and which of the head are. */
static br_status fill_above(br_draw_block *k, const br_draw_row *row)
{
    br_draw_head *h    = &k->head;
    br_above      walk = {.item = -1};
    int32_t       at   = 0;

    h->n_above = 0;
    while (br_above_next(&walk, row->source, &k->law, k->N)) {
        double unit = walk.unit;

        if (h->n_above == k->n_above_most)
            return br_fail(BR_E_SELFCHECK, "draw_topk: more than %lld items above the threshold",
                           (long long)k->n_above_most);
        while (at < h->n && (int64_t)(h->key_H[at] >> 32) < walk.item)
            at++;
        if (at < h->n && (int64_t)(h->key_H[at] >> 32) == walk.item) {
            h->unit_H[(uint32_t)h->key_H[at]] = unit;
            unit                              = -unit;
        }
        h->item_A[h->n_above]   = (int32_t)walk.item;
        h->unit_A[h->n_above++] = unit;
    }
    return BR_OK;
}

/* May an item of this score / T, its noise not above, still enter the list? */
static bool may_enter(const br_draw_block *k, const br_draw_row *row, double y)
{
    double t = k->law.threshold;

    return row->n < row->k || y + t + slack_of(y, t) >= k->head.y_K[row->k - 1];
}

static void insert_head(br_draw_block *k, br_draw_row *row)
{
    const br_draw_head *h = &k->head;

    for (int32_t i = 0; i < h->n; i++)
        if (h->unit_H[i] > 0.0)
            br_draw_insert(row, h->y_K, h->item_H[i], h->score_H[i],
                           h->y_H[i] + br_noise_above(&k->law, h->unit_H[i]));
    for (int32_t i = 0; i < h->n; i++)
        if (h->unit_H[i] == 0.0 && may_enter(k, row, h->y_H[i]))
            br_draw_insert(row, h->y_K, h->item_H[i], h->score_H[i],
                           h->y_H[i] + br_noise_below(&k->law, row->source, h->item_H[i]));
}

/* What share * unit must not exceed for an item outside the head to matter: its noise is -ln E with
 * E >= share * unit, its score / T at most the ceiling. */
static double most_unit(const br_draw_row *row, const br_draw_head *h)
{
    double last;

    if (row->n < row->k)
        return INFINITY;
    last = h->y_K[row->k - 1];
    return br_exp(h->ceiling - last + slack_of(h->ceiling, last)) * (1.0 + 1e-9);
}

static void insert_above(br_draw_block *k, br_draw_row *row)
{
    const br_draw_head *h    = &k->head;
    double              most = most_unit(row, h);

    for (int64_t a = 0; a < h->n_above; a++) {
        int32_t item = h->item_A[a];
        float   score;

        if (h->unit_A[a] < 0.0 || k->law.share * h->unit_A[a] > most ||
            !br_topk_is_allowed(&row->rules, item))
            continue;
        score = br_draw_score(k, row, item);
        br_draw_insert(row, h->y_K, item, score,
                       (double)score / row->temperature + br_noise_above(&k->law, h->unit_A[a]));
        most = most_unit(row, h);
    }
}

br_status br_draw_perturb(br_draw_block *k, int64_t b, int32_t m, bool *is_certain)
{
    br_status    st  = BR_OK;
    br_draw_row *row = &k->row[b];

    row->n = 0;
    fill_head(k, b, m);
    BR_TRY(st, fill_above(k, row));
    insert_head(k, row);
    if (!k->head.is_all)
        insert_above(k, row);
    *is_certain = k->head.is_all || !may_enter(k, row, k->head.ceiling);
done:
    return st;
}

br_status br_draw_perturb_others(br_draw_block *k, int64_t b)
{
    const br_draw_head *h   = &k->head;
    br_draw_row        *row = &k->row[b];
    int64_t             a   = 0;
    int32_t             at  = 0;

    for (int32_t i = 0; i < k->N; i++) {
        float  score;
        double y;

        for (; a < h->n_above && h->item_A[a] < i; a++)
            continue;
        for (; at < h->n && (int64_t)(h->key_H[at] >> 32) < i; at++)
            continue;
        if ((a < h->n_above && h->item_A[a] == i) ||
            (at < h->n && (int64_t)(h->key_H[at] >> 32) == i) ||
            !br_topk_is_allowed(&row->rules, i))
            continue;
        score = br_draw_score(k, row, i);
        y     = (double)score / row->temperature;
        if (may_enter(k, row, y))
            br_draw_insert(row, h->y_K, i, score, y + br_noise_below(&k->law, row->source, i));
    }
    return BR_OK;
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

bool br_draw_rest_of_head(br_draw_block *k, int64_t b)
{
    br_draw_head *h    = &k->head;
    br_logsum     rest = br_logsum_none();

    unmark_listed(&k->row[b], h);
    for (int32_t i = 0; i < h->n; i += BR_SUM_BLOCK)
        rest = br_logsum_add(
            rest, br_logsum_block(h->y_H + i, h->n - i < BR_SUM_BLOCK ? h->n - i : BR_SUM_BLOCK));
    k->rest_R[b] = rest;
    return h->is_all || (rest.sum > 0.0 &&
                         (double)k->N * br_exp(h->ceiling - rest.most) <= NEGLIGIBLE * rest.sum);
}
