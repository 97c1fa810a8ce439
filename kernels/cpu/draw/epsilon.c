/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists by EPSILON: the best that is left, or any. Called once per customer. */
#include <math.h>

#include "kernels/cpu/draw/block.h"

void br_draw_fill_best(br_draw_block *k, int64_t b, int32_t m)
{
    br_draw_head      *h   = &k->head;
    const br_draw_row *row = &k->row[b];

    h->n_best = h->n = br_draw_take_best(k, b, m);
    for (int64_t e = 0; e < row->n_extras; e++)
        h->n =
            br_topk_insert(h->item_H, h->score_H, h->n, m, row->extra_X[e], row->extra_score_X[e]);
}

static int64_t count_by_segments(br_draw_block *k, const br_topk_rules *rules)
{
    int64_t n = 0;
    int32_t c = 0;

    if (rules->require_N == NULL)
        return k->N;
    for (; c < k->n_counts; c++)
        if (k->have[c] == rules->have)
            return k->count[c];
    for (int64_t i = 0; i < k->N; i++)
        n += (rules->have & rules->require_N[i]) == rules->require_N[i];
    c           = k->n_counts < BR_COUNTS ? k->n_counts++ : (int32_t)(rules->have % BR_COUNTS);
    k->have[c]  = rules->have;
    k->count[c] = n;
    return n;
}

int64_t br_draw_count(br_draw_block *k, const br_draw_row *row)
{
    const br_topk_rules *r = &row->rules;
    int64_t              n = count_by_segments(k, r) + row->n_extras;

    for (int64_t s = 0; s < r->n_never; s++) {
        int32_t item = r->never[s];

        if (item < 0 || item >= k->N || (s > 0 && r->never[s - 1] == item))
            continue;
        n -= r->require_N == NULL || (r->have & r->require_N[item]) == r->require_N[item];
    }
    return n;
}

static bool is_left(const br_draw_row *row, int32_t item)
{
    return !br_draw_is_listed(row, item) && br_draw_has_room(row, item);
}

/* Any of the catalogue that is left, and its score. */
static int32_t any_left(const br_draw_block *k, const br_draw_row *row, uint32_t *index,
                        float *score)
{
    for (;;) {
        uint32_t word = br_random_at(row->source, BR_STREAM_ITEM, (*index)++).word[0];
        int32_t  item = (int32_t)br_choice(word, (uint32_t)k->N);

        if (item < 0 || !br_draw_takes_part(row, item) || !is_left(row, item))
            continue;
        *score = br_draw_score_of(k, row, item);
        return item;
    }
}

/* Any of the shortlist that is left. */
static int32_t any_of_head(const br_draw_head *h, const br_draw_row *row, uint32_t *index,
                           float *score)
{
    for (;;) {
        uint32_t word = br_random_at(row->source, BR_STREAM_ITEM, (*index)++).word[0];
        int32_t  at   = (int32_t)br_choice(word, (uint32_t)h->n);

        if (at < 0 || !is_left(row, h->item_H[at]))
            continue;
        *score = h->score_H[at];
        return h->item_H[at];
    }
}

int32_t br_draw_best_of_all(const br_draw_block *k, const br_draw_row *row, float *score)
{
    int32_t best = -1;

    *score = -INFINITY;
    for (int32_t i = 0; i < k->N; i++) {
        float found;

        if (!br_draw_has_room(row, i) || !br_draw_takes_part(row, i) || br_draw_is_listed(row, i))
            continue;
        found = br_draw_score_of(k, row, i);
        if (found > *score) {
            best   = i;
            *score = found;
        }
    }
    return best;
}

bool br_draw_epsilon(br_draw_block *k, int64_t b, int32_t m, bool is_last)
{
    br_draw_row        *row   = &k->row[b];
    const br_draw_head *h     = &k->head;
    uint32_t            index = 0;
    int32_t             at    = 0;
    int64_t             n_all, n_left;

    br_draw_fill_best(k, b, m);
    br_draw_begin(row);
    n_all = n_left = k->args->n_shortlist > 0 ? h->n : br_draw_count(k, row);
    while (row->n < row->k && n_left > 0) {
        br_random coin = br_random_at(row->source, BR_STREAM_COIN, (uint32_t)row->n);
        int32_t   item, best;
        float     score = -INFINITY;

        while (at < h->n && !is_left(row, h->item_H[at]))
            at++;
        if (at == h->n && !is_last)
            return false;
        best = item = at < h->n ? h->item_H[at] : br_draw_best_of_all(k, row, &score);
        if (at < h->n)
            score = h->score_H[at];
        if (br_unit(coin.word[0], coin.word[1]) < row->epsilon)
            item = k->args->n_shortlist > 0 ? any_of_head(h, row, &index, &score)
                                            : any_left(k, row, &index, &score);
        br_draw_append(row, item, score, item == best, n_left);
        n_left -= 1 + br_draw_count_leaving(k, row, row->n);
    }
    br_draw_finish_epsilon(row, n_all, n_left);
    br_draw_write_sums(k->args, row);
    return true;
}
