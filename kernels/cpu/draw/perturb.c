/* SPDX-License-Identifier: Apache-2.0
 *
 * The best perturbed scores of a customer from few of them (docs/EXACTNESS.md): the best items by
 * score, and the items whose noise is above the threshold, of which most are ruled out by a bound
 * on their score before it is computed. Called once per customer. */
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/cpu/draw/block.h"

#define MORE                                                                                       \
    64 /* items in a pool before its floor is looked at again, beside two for each slot            \
        */

/* What a perturbed score must reach; -inf: anything counts. */
static double least(const br_draw_block *k, const br_draw_row *row)
{
    if (k->n_quotas > 0)
        return k->pool.floor;
    return row->n < row->k ? -INFINITY : k->head.y_K[row->k - 1];
}

static void insert(br_draw_block *k, br_draw_row *row, int32_t item, float score, double y)
{
    if (k->n_quotas == 0) {
        br_draw_insert(row, k->head.y_K, item, score, y);
        return;
    }
    br_draw_pool_add(&k->pool, item, score, y);
    if (k->pool.n >= k->pool.next)
        br_draw_pool_raise(&k->pool, br_draw_walk(k, row), MORE + 2 * row->k);
}

/* May an item of this score / T, its noise not above, still enter the list? */
static bool may_enter(const br_draw_block *k, const br_draw_row *row, double y)
{
    double t = k->law.threshold;

    return y + t + br_gumbel_slack(y, t) >= least(k, row);
}

static void insert_head(br_draw_block *k, br_draw_row *row)
{
    const br_draw_head *h = &k->head;

    for (int32_t i = 0; i < h->n; i++)
        if (h->unit_H[i] > 0.0)
            insert(k, row, h->item_H[i], h->score_H[i],
                   h->y_H[i] + br_noise_above(&k->law, h->unit_H[i]));
    for (int32_t i = 0; i < h->n; i++)
        if (h->unit_H[i] == 0.0 && may_enter(k, row, h->y_H[i]))
            insert(k, row, h->item_H[i], h->score_H[i],
                   h->y_H[i] + br_draw_noise_below(k, row, h->item_H[i]));
}

/* What share * unit must not exceed for an item outside the head to matter: its noise is -ln E with
 * E >= share * unit, its score / T at most the ceiling. */
static double most_unit(const br_draw_block *k, const br_draw_row *row)
{
    double ceiling = k->head.ceiling, last = least(k, row);

    if (last == -INFINITY)
        return INFINITY;
    return br_exp(ceiling - last + br_gumbel_slack(ceiling, last)) * (1.0 + 1e-9);
}

static void insert_above(br_draw_block *k, br_draw_row *row)
{
    const br_draw_head *h    = &k->head;
    double              most = most_unit(k, row);

    for (int64_t a = 0; a < h->n_above; a++) {
        int32_t item = h->item_A[a];
        float   score;

        if (h->unit_A[a] < 0.0 || k->law.share * h->unit_A[a] > most ||
            !br_topk_is_allowed(&row->rules, item))
            continue;
        score = br_draw_score(k, row, item);
        insert(k, row, item, score,
               (double)score / row->temperature + br_noise_above(&k->law, h->unit_A[a]));
        most = most_unit(k, row);
    }
}

/* ---- under quotas ---- */

/* The head alone gives a list whose last perturbed score bounds what else may matter, the more so
 * as others join. More items can make the last one worse where quotas overlap: then all count. */
static void draw_by_quotas(br_draw_block *k, br_draw_row *row)
{
    double last;

    br_draw_pool_begin(&k->pool, -INFINITY);
    insert_head(k, row);
    last = br_draw_walk(k, row);
    if (!k->head.is_all) {
        br_draw_pool_raise(&k->pool, last, MORE + 2 * row->k);
        insert_above(k, row);
        last = br_draw_walk(k, row);
        if (last < k->pool.floor) {
            br_draw_pool_begin(&k->pool, -INFINITY);
            insert_head(k, row);
            insert_above(k, row);
            last = br_draw_walk(k, row);
        }
    }
    k->pool.floor = last;
}

/* ---- a row ---- */

br_status br_draw_perturb(br_draw_block *k, int64_t b, int32_t m, bool *is_certain)
{
    br_status    st  = BR_OK;
    br_draw_row *row = &k->row[b];

    row->n = 0;
    br_draw_fill_head(k, b, m);
    BR_TRY(st, br_draw_fill_above(k, row));
    if (k->n_quotas > 0) {
        draw_by_quotas(k, row);
    } else {
        insert_head(k, row);
        if (!k->head.is_all)
            insert_above(k, row);
    }
    *is_certain = k->head.is_all || !may_enter(k, row, k->head.ceiling);
done:
    return st;
}

int32_t br_draw_find(const br_draw_head *h, br_draw_others *walk, int32_t item, double *unit)
{
    while (walk->a < h->n_above && h->item_A[walk->a] < item)
        walk->a++;
    while (walk->at < h->n && (int64_t)(h->key_H[walk->at] >> 32) < item)
        walk->at++;
    *unit = walk->a < h->n_above && h->item_A[walk->a] == item ? fabs(h->unit_A[walk->a]) : 0.0;
    return walk->at < h->n && (int64_t)(h->key_H[walk->at] >> 32) == item
               ? (int32_t)(uint32_t)h->key_H[walk->at]
               : -1;
}

void br_draw_perturb_others(br_draw_block *k, int64_t b)
{
    const br_draw_head *h    = &k->head;
    br_draw_row        *row  = &k->row[b];
    double              t    = k->law.threshold, unit;
    br_draw_others      walk = {0};

    if (k->n_quotas > 0) {
        br_draw_pass_all(k, row, h->ceiling + t + br_gumbel_slack(h->ceiling, t));
        return;
    }
    for (int32_t i = 0; i < k->N; i++) {
        float  score;
        double y;

        if (br_draw_find(h, &walk, i, &unit) >= 0 || unit > 0.0 ||
            !br_topk_is_allowed(&row->rules, i))
            continue;
        score = br_draw_score(k, row, i);
        y     = (double)score / row->temperature;
        if (may_enter(k, row, y))
            br_draw_insert(row, h->y_K, i, score, y + br_draw_noise_below(k, row, i));
    }
}
