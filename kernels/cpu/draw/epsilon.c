/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists by EPSILON: the best that is left, or any. Called once per customer. */
#include "kernels/cpu/draw/block.h"

/* The row's best items, extras among them, at most m in canonical order. */
static int32_t merge_extras(br_draw_block *k, int64_t b, int32_t m, int32_t **item_M,
                            float **score_M)
{
    const br_draw_row *row = &k->row[b];
    int32_t            n   = 0;

    *item_M  = br_mat_i32(k->item_RM) + b * k->item_RM.ld;
    *score_M = br_mat_f32(k->score_RM) + b * k->score_RM.ld;
    while (n < m && (*item_M)[n] >= 0)
        n++;
    for (int64_t e = 0; e < row->n_extras; e++)
        n = br_topk_insert(*item_M, *score_M, n, m, row->extra_X[e], row->extra_score_X[e]);
    return n;
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

static int64_t count_eligible(br_draw_block *k, const br_draw_row *row)
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

static bool takes_part(const br_draw_row *row, int32_t item)
{
    return br_draw_extra(row, item) >= 0 || br_topk_is_allowed(&row->rules, item);
}

/* Any of the catalogue that is left, and its score. */
static int32_t any_left(const br_draw_block *k, const br_draw_row *row, uint32_t *index,
                        float *score)
{
    for (;;) {
        uint32_t word = br_random_at(row->source, BR_STREAM_ITEM, (*index)++).word[0];
        int32_t  item = (int32_t)br_choice(word, (uint32_t)k->N);
        int64_t  extra;

        if (item < 0 || !takes_part(row, item) || br_draw_is_listed(row, item))
            continue;
        extra  = br_draw_extra(row, item);
        *score = extra >= 0 ? row->extra_score_X[extra] : br_draw_score(k, row, item);
        return item;
    }
}

/* Any place of a shortlist of n whose item is left. */
static int32_t any_place(const br_draw_row *row, const int32_t *item_M, int32_t n, uint32_t *index)
{
    for (;;) {
        uint32_t word = br_random_at(row->source, BR_STREAM_ITEM, (*index)++).word[0];
        int32_t  at   = (int32_t)br_choice(word, (uint32_t)n);

        if (at >= 0 && !br_draw_is_listed(row, item_M[at]))
            return at;
    }
}

void br_draw_epsilon(br_draw_block *k, int64_t b, int32_t m)
{
    br_draw_row *row = &k->row[b];
    int32_t     *item_M, best = 0;
    float       *score_M;
    int32_t      n          = merge_extras(k, b, m, &item_M, &score_M);
    int64_t      n_eligible = k->args->n_shortlist > 0 ? n : count_eligible(k, row);
    uint32_t     index      = 0;

    while (row->n < row->k && row->n < n_eligible) {
        br_random coin = br_random_at(row->source, BR_STREAM_COIN, (uint32_t)row->n);
        int32_t   item, at;
        float     score;

        while (br_draw_is_listed(row, item_M[best]))
            best++;
        item  = item_M[best];
        score = score_M[best];
        if (br_unit(coin.word[0], coin.word[1]) < row->epsilon && k->args->n_shortlist > 0) {
            at    = any_place(row, item_M, n, &index);
            item  = item_M[at];
            score = score_M[at];
        } else if (br_unit(coin.word[0], coin.word[1]) < row->epsilon) {
            item = any_left(k, row, &index, &score);
        }
        br_draw_append(row, item, score, item == item_M[best], n_eligible - row->n);
    }
    br_draw_finish_epsilon(k->args, row, n_eligible);
}
