/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists under quotas: the best perturbed scores in their order, each listed if its groups have
 * room. An item that has none is passed over for good, as room only shrinks. Called once or twice
 * per customer; in passes over all items where few of these do not make a certain list. */
#include <math.h>
#include <stdlib.h>

#include "kernels/cpu/draw/block.h"

/* Greater ones first; equal ones: item ascending. */
static int compare(const void *a, const void *b)
{
    const br_perturbed *x = a, *z = b;

    if (x->y != z->y)
        return x->y > z->y ? -1 : 1;
    return (x->item > z->item) - (x->item < z->item);
}

static void sort(br_draw_pool *pool)
{
    qsort(pool->place, (size_t)pool->n, sizeof *pool->place, compare);
}

void br_draw_pool_begin(br_draw_pool *pool, double floor)
{
    pool->n      = 0;
    pool->floor  = floor;
    pool->next   = INT64_MAX;
    pool->is_cut = false;
}

void br_draw_pool_add(br_draw_pool *pool, int32_t item, float score, double y)
{
    if (pool->n == pool->most) { /* the better half stays */
        sort(pool);
        pool->n      = pool->most / 2;
        pool->floor  = pool->place[pool->n - 1].y;
        pool->is_cut = true;
    }
    if (y < pool->floor || (pool->is_cut && y == pool->floor)) /* items come in their order */
        return;
    pool->place[pool->n++] = (br_perturbed){y, item, score};
}

void br_draw_pool_raise(br_draw_pool *pool, double floor, int64_t more)
{
    if (floor > pool->floor)
        pool->floor = floor;
    while (pool->n > 0 && pool->place[pool->n - 1].y < pool->floor)
        pool->n--;
    pool->next = pool->n + more;
}

/* Lists what has room, best first, behind what is listed. */
static void list_in_order(br_draw_block *k, br_draw_row *row)
{
    sort(&k->pool);
    for (int64_t i = 0; i < k->pool.n && row->n < row->k; i++) {
        const br_perturbed *p = &k->pool.place[i];

        if (p->y < k->pool.floor)
            break;
        if (!br_draw_has_room(row, p->item))
            continue;
        k->head.y_K[row->n] = p->y;
        br_draw_list(row, p->item, p->score);
    }
}

double br_draw_walk(br_draw_block *k, br_draw_row *row)
{
    br_draw_begin(row);
    list_in_order(k, row);
    return row->n < row->k ? -INFINITY : k->head.y_K[row->k - 1];
}

/* The best of all items that are left, as many as the pool holds. */
static void fill_by_all(br_draw_block *k, const br_draw_row *row)
{
    const br_draw_head *h    = &k->head;
    br_draw_others      walk = {0};

    br_draw_pool_begin(&k->pool, -INFINITY);
    for (int32_t i = 0; i < k->N; i++) {
        double  unit;
        int32_t at = br_draw_find(h, &walk, i, &unit);
        float   score;

        if (!br_draw_has_room(row, i) || (at < 0 && !br_topk_is_allowed(&row->rules, i)) ||
            br_draw_is_listed(row, i))
            continue;
        score = at >= 0 ? h->score_H[at] : br_draw_score(k, row, i);
        br_draw_pool_add(&k->pool, i, score,
                         (double)score / row->temperature + (unit > 0.0
                                                                 ? br_noise_above(&k->law, unit)
                                                                 : br_draw_noise_below(k, row, i)));
    }
}

void br_draw_pass_all(br_draw_block *k, br_draw_row *row, double certain_above)
{
    int32_t n = 0;

    while (n < row->n && k->head.y_K[n] > certain_above)
        n++;
    row->n = n;
    br_draw_count_again(row);
    do {
        fill_by_all(k, row);
        list_in_order(k, row);
    } while (k->pool.is_cut && row->n < row->k);
}
