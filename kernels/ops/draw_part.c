/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of a catalogue in parts, on the host: draw/part.h. Called once per customer. */
#include <math.h>
#include <stdlib.h>

#include "kernels/draw/part.h"
#include "kernels/ref/draw_topk.h"

/* ---- parts to the whole ---- */

/* The part whose next item is the best of all; -1: all are taken. */
static int32_t next_part(const br_draw_parts *lists)
{
    int32_t best = -1;
    int64_t from = 0;

    for (int32_t w = 0; w < lists->n_parts; w++) {
        int64_t at = w * lists->ld + lists->taken_W[w];

        if (lists->taken_W[w] == lists->m || lists->item_WM[at] < 0)
            continue;
        if (best < 0 || lists->key_WM[at] > lists->key_WM[from] ||
            (lists->key_WM[at] == lists->key_WM[from] &&
             lists->item_WM[at] < lists->item_WM[from])) {
            best = w;
            from = at;
        }
    }
    return best;
}

/* Lists are by key: any of their items may have the best score. */
static float best_of_others(const br_draw_parts *lists)
{
    float best = -INFINITY;

    for (int32_t w = 0; w < lists->n_parts; w++) {
        best = fmaxf(best, lists->best_W[w * lists->best_ld]);
        for (int32_t j = lists->taken_W[w]; j < lists->m; j++)
            if (lists->item_WM[w * lists->ld + j] >= 0)
                best = fmaxf(best, lists->score_WM[w * lists->ld + j]);
    }
    return best;
}

int32_t br_draw_merge(const br_draw_parts *lists, int32_t *item_M, float *score_M,
                      float *best_score)
{
    int32_t n = 0, w;

    for (w = 0; w < lists->n_parts; w++)
        lists->taken_W[w] = 0;
    while (n < lists->m && (w = next_part(lists)) >= 0) {
        int64_t at = w * lists->ld + lists->taken_W[w]++;

        item_M[n]    = lists->item_WM[at];
        score_M[n++] = lists->score_WM[at];
    }
    for (int32_t j = n; j < lists->m; j++) {
        item_M[j]  = -1;
        score_M[j] = NAN;
    }
    if (lists->best_W != NULL)
        *best_score = best_of_others(lists);
    return n;
}

/* ---- a list of the whole ---- */

static br_draw_row row_of(const br_draw_merged *list)
{
    return (br_draw_row){.temperature = list->heat,
                         .epsilon     = list->heat,
                         .source      = {list->seed, list->customer},
                         .k           = list->k,
                         .item_K      = list->item_K,
                         .score_K     = list->score_K,
                         .log_K       = list->log_propensity_K};
}

static void take_sums(br_draw_merged *list, const br_draw_row *row)
{
    list->log_normaliser = (float)row->log_all;
    list->log_remaining  = (float)row->log_rest;
}

/* ---- Plackett-Luce from a shortlist ---- */

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* unit_n: of the noise that is above the threshold; else 0. */
static void find_above(const br_draw_from *from, br_source source, const br_gumbel *law, int64_t N,
                       double *unit_n)
{
    uint64_t key_n[BR_MOST_LISTED]; /* item << 32 | place, ascending */
    br_above walk = {.item = -1};
    int32_t  at   = 0;

    for (int32_t i = 0; i < from->n; i++) {
        unit_n[i] = 0.0;
        key_n[i]  = (uint64_t)from->item_n[i] << 32 | (uint32_t)i;
    }
    qsort(key_n, (size_t)from->n, sizeof *key_n, compare_keys);
    while (at < from->n && br_above_next(&walk, source, law, N)) {
        while (at < from->n && (int64_t)(key_n[at] >> 32) < walk.item)
            at++;
        if (at < from->n && (int64_t)(key_n[at] >> 32) == walk.item)
            unit_n[(uint32_t)key_n[at]] = walk.unit;
    }
}

/* Of the shortlist what is not listed; the best of it stands first. */
static br_left left_of(const br_draw_from *from, const br_draw_row *row, int64_t N)
{
    br_left left  = br_left_none();
    double  floor = br_left_floor(N);

    for (int32_t i = 0; i < from->n; i++) {
        double y = (double)from->score_n[i] / row->temperature;

        if (br_draw_is_listed(row, from->item_n[i]))
            continue;
        if (left.most == -INFINITY)
            left.most = y;
        br_left_add(&left, br_left_term(y - left.most, floor));
    }
    return left;
}

static void draw_plackett_luce(br_draw_row *row, const br_draw_from *from, int64_t N)
{
    br_gumbel law = br_gumbel_of(N, row->k);
    double    unit_n[BR_MOST_LISTED], y_K[BR_MOST_LISTED];

    find_above(from, row->source, &law, N, unit_n);
    for (int32_t i = 0; i < from->n; i++)
        br_draw_insert(row, y_K, from->item_n[i], from->score_n[i],
                       (double)from->score_n[i] / row->temperature +
                           (unit_n[i] > 0.0 ? br_noise_above(&law, unit_n[i])
                                            : br_noise_below(&law, row->source, from->item_n[i])));
    br_draw_finish(row, left_of(from, row, N), NULL);
}

/* ---- Epsilon ---- */

/* Any that is left: a place of the head where no others take part, else an item row. */
static int32_t any_left(const br_draw_row *row, const br_draw_from *from, int64_t N,
                        uint32_t *index)
{
    bool in_head = from->takes_part == NULL;

    for (;;) {
        uint32_t word = br_random_at(row->source, BR_STREAM_ITEM, (*index)++).word[0];
        int64_t  at   = br_choice(word, (uint32_t)(in_head ? from->n : N));
        int32_t  item = at < 0 ? -1 : in_head ? from->item_n[at] : (int32_t)at;

        if (item >= 0 && !br_draw_is_listed(row, item) &&
            (in_head || from->takes_part(from->context, item)))
            return item;
    }
}

/* NaN: the item is not in the head. */
static float score_in_head(const br_draw_from *from, int32_t item)
{
    for (int32_t i = 0; i < from->n; i++)
        if (from->item_n[i] == item)
            return from->score_n[i];
    return NAN;
}

static void draw_epsilon(br_draw_row *row, const br_draw_from *from, int64_t N)
{
    int64_t  n_all = from->takes_part == NULL ? from->n : from->n_all, n_left = n_all;
    uint32_t index = 0;
    int32_t  at    = 0;

    for (; row->n < row->k && n_left > 0; n_left--) {
        br_random coin = br_random_at(row->source, BR_STREAM_COIN, (uint32_t)row->n);
        int32_t   item, best;

        while (at < from->n && br_draw_is_listed(row, from->item_n[at]))
            at++;
        if (at == from->n) /* never, where n_all is what it should be */
            break;
        best = item = from->item_n[at];
        if (br_unit(coin.word[0], coin.word[1]) < row->epsilon)
            item = any_left(row, from, N, &index);
        br_draw_append(row, item, score_in_head(from, item), item == best, n_left);
    }
    br_draw_finish_epsilon(row, n_all, n_left);
}

void br_draw_from_best(br_draw_merged *list, const br_draw_from *from)
{
    br_draw_row row = row_of(list);

    if (list->law == BR_DRAW_PLACKETT_LUCE)
        draw_plackett_luce(&row, from, list->n_items);
    else
        draw_epsilon(&row, from, list->n_items);
    take_sums(list, &row);
}

void br_draw_tell(br_draw_merged *list, float best_score, const uint64_t left_2[2])
{
    br_draw_row row  = row_of(list);
    br_left     left = {(double)best_score / list->heat, left_2[0], left_2[1]};

    while (row.n < row.k && list->item_K[row.n] >= 0)
        row.n++;
    br_draw_finish(&row, left, NULL);
    take_sums(list, &row);
}
