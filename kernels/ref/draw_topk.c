/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk by its definition: the noise of every item, slot by slot the best perturbed score of
 * what is left, and the sum of all that a list left over. The specification. */
#include "kernels/ref/draw_topk.h"

#include <math.h>

#include "kernels/canonical.h"
#include "kernels/ref/ref.h"

/* One row's items; score_N is NaN for an item that does not take part. */
typedef struct table {
    br_draw_topk_args *args;
    int64_t            N;
    int64_t            n_whole; /* these and the first of them: of a part */
    int64_t            first;
    float             *score_N;
    double            *noise_N; /* then y + noise; -inf once listed */
    double            *y_N;
    double             y_K[BR_MOST_LISTED]; /* noise among it, of the list */
    int32_t            n_best;              /* EPSILON from a shortlist: its items, best first */
    int32_t            best_M[BR_MOST_LISTED];
    float              best_score_M[BR_MOST_LISTED];
} table;

static br_status fill_scores(table *t, const br_draw_row *row)
{
    const br_items *items  = t->args->items;
    const float    *x_D    = br_mat_f32(t->args->query_BD) + row->at * t->args->query_BD.ld;
    const float    *z_ND   = br_mat_f32(items->item_ND);
    const float    *bias_N = br_mat_f32(items->bias_N);

    for (int32_t i = 0; i < t->N; i++) {
        double  dot   = br_canonical_dot(x_D, z_ND + i * items->item_ND.ld, items->item_ND.n_cols);
        float   score = br_canonical_round(dot, bias_N ? bias_N[i * items->bias_N.ld] : 0.0f);
        int64_t extra = br_draw_extra(row, i);

        if (!isfinite(score)) {
            br_score_topk_args topk = br_draw_as_topk(t->args);
            br_status          st   = br_topk_bad_score(&topk, row->at, i, score);

            t->args->bad_row  = topk.bad_row;
            t->args->bad_item = topk.bad_item;
            return st;
        }
        if (extra >= 0)
            t->score_N[i] = row->extra_score_X[extra];
        else
            t->score_N[i] = br_topk_is_allowed(&row->rules, i) ? score : NAN;
    }
    return BR_OK;
}

/* Only the M best take part. */
static void keep_shortlist(table *t, int32_t m)
{
    t->n_best = 0;
    for (int32_t i = 0; i < t->N; i++) {
        if (!isnan(t->score_N[i]))
            t->n_best = br_topk_insert(t->best_M, t->best_score_M, t->n_best, m, i, t->score_N[i]);
        t->score_N[i] = NAN;
    }
    for (int32_t j = 0; j < t->n_best; j++)
        t->score_N[t->best_M[j]] = t->best_score_M[j];
}

static void fill_noise(table *t, const br_draw_row *row)
{
    br_gumbel law  = br_gumbel_of(t->n_whole, row->k);
    br_above  walk = {.item = -1};

    for (int32_t i = 0; i < t->N; i++)
        t->noise_N[i] = br_noise_below(&law, row->source, (int32_t)t->first + i);
    while (br_above_next(&walk, row->source, &law, t->first + t->N))
        if (walk.item >= t->first)
            t->noise_N[walk.item - t->first] = br_noise_above(&law, walk.unit);
}

/* The greatest perturbed score of what is left; -1: nothing is. */
static int32_t next_drawn(const table *t, const br_draw_row *row)
{
    double  most = -INFINITY;
    int32_t best = -1;

    for (int32_t i = 0; i < t->N; i++)
        if (t->noise_N[i] > most && br_draw_has_room(row, i)) {
            most = t->noise_N[i];
            best = i;
        }
    return best;
}

/* Takes the items of a list out of y, and those that had no room, by slots. */
static void take_listed(table *t, const br_draw_row *row, br_logsum *leave_K)
{
    int32_t column;

    for (int32_t j = 0; j < row->n; j++) {
        leave_K[j] = br_logsum_none();
        if (row->item_K[j] >= 0)
            t->y_N[row->item_K[j]] = -INFINITY;
    }
    for (int32_t i = 0; i < t->N; i++) {
        int32_t after = br_room_leaves(&row->quotas, &row->room, i, &column);

        if (after == 0 || t->y_N[i] == -INFINITY)
            continue;
        leave_K[after - 1] = br_logsum_term(leave_K[after - 1], t->y_N[i]);
        t->y_N[i]          = -INFINITY;
    }
}

static int32_t best_left(const table *t)
{
    int32_t best = -1;

    for (int32_t i = 0; i < t->N; i++)
        if (t->y_N[i] > (best < 0 ? -INFINITY : t->y_N[best]))
            best = i;
    return best;
}

static void sum_left(const table *t, br_left *left)
{
    double floor = br_left_floor(t->n_whole);

    for (int32_t i = 0; i < t->N; i++)
        if (t->y_N[i] > -INFINITY)
            br_left_add(left, br_left_term(t->y_N[i] - left->most, floor));
}

static void fill_y(table *t, const br_draw_row *row)
{
    for (int32_t i = 0; i < t->N; i++)
        t->y_N[i] = isnan(t->score_N[i]) ? -INFINITY : (double)t->score_N[i] / row->temperature;
}

static void draw_plackett_luce(table *t, br_draw_row *row)
{
    br_logsum leave_K[BR_MOST_LISTED];
    br_left   left = br_left_none();
    int32_t   best;

    fill_noise(t, row);
    fill_y(t, row);
    for (int32_t i = 0; i < t->N; i++)
        t->noise_N[i] += t->y_N[i];
    for (int32_t item; row->n < row->k && (item = next_drawn(t, row)) >= 0;) {
        t->y_K[row->n] = t->noise_N[item];
        br_draw_list(row, item, t->score_N[item]);
        t->noise_N[item] = -INFINITY;
    }
    take_listed(t, row, leave_K);
    best = best_left(t);
    if (t->args->part.step == BR_DRAW_LISTS) {
        br_draw_write_list(t->args, row, t->y_K, best < 0 ? -INFINITY : t->score_N[best]);
        return;
    }
    left.most = best < 0 ? -INFINITY : t->y_N[best];
    sum_left(t, &left);
    br_draw_finish(row, left, leave_K);
    br_draw_write_sums(t->args, row);
}

static bool is_left(const table *t, const br_draw_row *row, int32_t item)
{
    return !isnan(t->score_N[item]) && !br_draw_is_listed(row, item) && br_draw_has_room(row, item);
}

static int64_t count_left(const table *t, const br_draw_row *row, int32_t *best)
{
    int64_t n = 0;

    *best = -1;
    for (int32_t i = 0; i < t->N; i++) {
        if (!is_left(t, row, i))
            continue;
        n++;
        if (*best < 0 || t->score_N[i] > t->score_N[*best])
            *best = i;
    }
    return n;
}

/* Any that is left: places of the shortlist, or item rows, until one is. */
static int32_t any_left(const table *t, const br_draw_row *row, uint32_t *index)
{
    uint32_t n = (uint32_t)(t->args->n_shortlist > 0 ? t->n_best : t->N);

    for (;;) {
        uint32_t word = br_random_at(row->source, BR_STREAM_ITEM, (*index)++).word[0];
        int64_t  at   = br_choice(word, n);

        if (at >= 0 && t->args->n_shortlist > 0)
            at = t->best_M[at];
        if (at >= 0 && is_left(t, row, (int32_t)at))
            return (int32_t)at;
    }
}

static void draw_epsilon(table *t, br_draw_row *row)
{
    int32_t  best;
    int64_t  n_left = count_left(t, row, &best), n_all = n_left;
    uint32_t index = 0;

    for (; row->n < row->k && n_left > 0; n_left = count_left(t, row, &best)) {
        br_random coin = br_random_at(row->source, BR_STREAM_COIN, (uint32_t)row->n);
        int32_t   item = best;

        if (br_unit(coin.word[0], coin.word[1]) < row->epsilon)
            item = any_left(t, row, &index);
        br_draw_append(row, item, t->score_N[item], item == best, n_left);
    }
    br_draw_finish_epsilon(row, n_all, n_left);
    br_draw_write_sums(t->args, row);
}

/* ---- of a part ---- */

static void list_best(table *t, br_draw_row *row)
{
    int64_t n_all = 0;

    for (int32_t i = 0; i < t->N; i++)
        n_all += !isnan(t->score_N[i]);
    keep_shortlist(t, row->k);
    for (int32_t j = 0; j < t->n_best; j++)
        br_draw_list(row, t->best_M[j], t->best_score_M[j]);
    br_draw_write_best(t->args, row, n_all);
}

static void tell_left(table *t, br_draw_row *row)
{
    br_logsum leave_K[BR_MOST_LISTED];
    br_left   left = br_draw_given_left(t->args, row);

    row->n = row->k;
    if (t->args->law == BR_DRAW_EPSILON) {
        for (int32_t j = 0; j < row->k; j++)
            row->score_K[j] = row->item_K[j] < 0 ? NAN : t->score_N[row->item_K[j]];
        return;
    }
    fill_y(t, row);
    take_listed(t, row, leave_K);
    sum_left(t, &left);
    br_draw_write_left(t->args, row, left);
}

static br_status take_room(const br_draw_topk_args *args, br_room *room)
{
    br_status st = BR_OK;
    int64_t   n  = br_room_entries(args->k, args->quotas == NULL ? 0 : args->quotas->n_quotas);

    BR_ALLOC(st, room->entry, n, "groups of a list");
    room->mask = (uint32_t)(n - 1);
done:
    return st;
}

static void draw_row(table *t, br_draw_row *row)
{
    br_draw_step step = t->args->part.step;

    if (step == BR_DRAW_LEFT)
        tell_left(t, row);
    else if (step == BR_DRAW_LISTS && br_draw_is_by_score(t->args))
        list_best(t, row);
    else if (t->args->law == BR_DRAW_PLACKETT_LUCE)
        draw_plackett_luce(t, row);
    else
        draw_epsilon(t, row);
}

br_status br_ref_draw_topk(br_dev *dev, br_draw_topk_args *args)
{
    br_status   st   = BR_OK;
    table       t    = {.args    = args,
                        .N       = args->items->item_ND.n_rows,
                        .n_whole = br_draw_n_whole(args),
                        .first   = br_draw_first_item(args)};
    br_room     room = {0};
    br_draw_row row;

    (void)dev;
    BR_ALLOC(st, t.score_N, t.N, "scores");
    BR_ALLOC(st, t.noise_N, t.N, "noise");
    BR_ALLOC(st, t.y_N, t.N, "scores over temperatures");
    BR_TRY(st, take_room(args, &room));
    for (int64_t b = 0; b < args->query_BD.n_rows; b++) {
        BR_TRY(st, br_draw_row_of(args, b, &row));
        row.room = room;
        br_draw_begin(&row);
        BR_TRY(st, fill_scores(&t, &row));
        if (args->n_shortlist > 0 && args->part.step == BR_DRAW_WHOLE)
            keep_shortlist(&t, args->n_shortlist);
        draw_row(&t, &row);
    }
    args->n_slow   = args->query_BD.n_rows;
    args->n_summed = args->query_BD.n_rows;
done:
    br_free(&t.score_N);
    br_free(&t.noise_N);
    br_free(&t.y_N);
    br_free(&room.entry);
    return st;
}
