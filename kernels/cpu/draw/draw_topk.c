/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk: shortlists by score_topk, lists from them and from lazy noise, longer shortlists for
 * the rows that are not certain, then what each list left over. Called once per batch of customers
 * and lane. */
#include "kernels/canonical.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/draw/block.h"
#include "kernels/cpu/topk/candidates.h"

#define GROUP 12 /* rows that a longer shortlist costs no more for than one */

float br_draw_score(const br_draw_block *k, const br_draw_row *row, int32_t item)
{
    const br_items *items = k->args->items;
    const float    *x_D   = br_mat_f32(k->args->query_BD) + row->at * k->args->query_BD.ld;
    const float    *z_D   = br_mat_f32(items->item_ND) + item * items->item_ND.ld;
    float bias = items->bias_N.buf ? br_mat_f32(items->bias_N)[item * items->bias_N.ld] : 0.0f;

    return br_canonical_round(br_canonical_dot_fast(x_D, z_D, k->D), bias);
}

float br_draw_score_of(const br_draw_block *k, const br_draw_row *row, int32_t item)
{
    int64_t extra = br_draw_extra(row, item);

    return extra >= 0 ? row->extra_score_X[extra] : br_draw_score(k, row, item);
}

/* How long the first shortlist is. */
static int32_t first_length(const br_draw_block *k)
{
    double length = br_gumbel_shortlist(k->n_whole, k->args->k);

    if (k->args->n_shortlist > 0)
        return k->args->n_shortlist;
    if (k->args->law == BR_DRAW_EPSILON)
        length = (k->n_quotas > 0 ? 2.0 : 1.0) * k->args->k;
    return length < BR_MOST_LISTED ? (int32_t)length : BR_MOST_LISTED;
}

/* The m best of the block's rows from `b` on. */
static br_status fill_shortlists(br_dev *dev, br_draw_block *k, int64_t b, int64_t n, int32_t m)
{
    br_status          st   = BR_OK;
    int64_t            at   = k->first + b;
    br_score_topk_args topk = br_draw_as_topk(k->args);

    topk.query_BD = br_mat_rows(topk.query_BD, at, n);
    if (topk.never_offset_B1.buf != NULL)
        topk.never_offset_B1 = br_mat_rows(topk.never_offset_B1, at, n + 1);
    if (topk.have_B.buf != NULL)
        topk.have_B = br_mat_rows(topk.have_B, at, n);
    topk.k        = m;
    topk.item_BK  = br_mat_cols(br_mat_rows(k->item_RM, b, n), 0, m);
    topk.score_BK = br_mat_cols(br_mat_rows(k->score_RM, b, n), 0, m);
    topk.bad_row = topk.bad_item = -1;
    st                           = br_cpu_score_topk(dev, &topk);
    if (topk.bad_row >= 0) {
        k->args->bad_row  = at + topk.bad_row;
        k->args->bad_item = topk.bad_item;
    }
    br_witness_add(&k->args->witness, &topk.witness, at);
    return st;
}

/* The row's list is there: what it left, if the head tells. */
static void settle(br_draw_block *k, int64_t b)
{
    br_draw_row *row = &k->row[b];

    if (k->args->law == BR_DRAW_EPSILON)
        return;
    br_draw_take_listed(k, b);
    if (k->args->part.step == BR_DRAW_LISTS) {
        br_draw_tell_list(k, b);
        return;
    }
    k->left_R[b]      = br_left_none();
    k->left_R[b].most = (double)br_draw_best_left(k, row) / row->temperature;
    if (br_draw_left_of_head(k, b))
        return;
    k->summed_R[k->n_summed++] = (int32_t)b;
    if (k->n_quotas > 0)
        br_draw_find_full(k, b);
}

static br_status draw_row(br_draw_block *k, int64_t b, int32_t m, bool *is_certain)
{
    if (k->args->law == BR_DRAW_PLACKETT_LUCE)
        return br_draw_perturb(k, b, m, is_certain);
    *is_certain = br_draw_epsilon(k, b, m, false);
    return BR_OK;
}

static void draw_from_all(br_draw_block *k, int64_t b)
{
    if (k->args->law == BR_DRAW_PLACKETT_LUCE)
        br_draw_perturb_others(k, b);
    else
        (void)br_draw_epsilon(k, b, BR_MOST_LISTED, true);
}

/* Rows b .. b+n-1 of which some are not certain with m: up to the longest shortlist, then all. */
static br_status draw_longer(br_dev *dev, br_draw_block *k, int64_t b, bool *is_certain_R,
                             int32_t m)
{
    br_status st = BR_OK;
    int64_t   n = k->n - b < GROUP ? k->n - b : GROUP, n_open = 0;

    for (int64_t i = 0; i < n; i++)
        n_open += !is_certain_R[b + i];
    for (bool is_last = false; n_open > 0 && !is_last;) {
        int32_t before = m;

        m       = 2 * m < BR_MOST_LISTED ? 2 * m : BR_MOST_LISTED;
        is_last = m == BR_MOST_LISTED;
        if (m > before) /* else they are there */
            BR_TRY(st, fill_shortlists(dev, k, b, n, m));
        for (int64_t i = b; i < b + n; i++) {
            if (is_certain_R[i])
                continue;
            BR_TRY(st, draw_row(k, i, m, &is_certain_R[i]));
            if (!is_certain_R[i] && !is_last)
                continue;
            k->args->n_longer += is_certain_R[i];
            k->args->n_slow += !is_certain_R[i];
            if (!is_certain_R[i])
                draw_from_all(k, i);
            is_certain_R[i] = true;
            n_open--;
            settle(k, i);
        }
    }
done:
    return st;
}

static br_status draw_lists(br_dev *dev, br_draw_block *k, int32_t m)
{
    br_status st = BR_OK;
    bool      is_certain_R[BR_DRAW_ROWS];

    for (int64_t b = 0; b < k->n; b++) {
        BR_TRY(st, draw_row(k, b, m, &is_certain_R[b]));
        k->args->n_first += is_certain_R[b];
        if (is_certain_R[b])
            settle(k, b);
    }
    for (int64_t b = 0; b < k->n; b += GROUP)
        BR_TRY(st, draw_longer(dev, k, b, is_certain_R, m));
done:
    return st;
}

/* What lists left is known. */
static void finish(br_draw_block *k, int64_t b)
{
    if (k->args->part.step == BR_DRAW_LEFT) {
        br_draw_write_left(k->args, &k->row[b], k->left_R[b]);
        return;
    }
    br_draw_finish(&k->row[b], k->left_R[b], k->n_quotas > 0 ? k->leave_RK + b * k->args->k : NULL);
    br_draw_write_sums(k->args, &k->row[b]);
}

static br_status draw_block(br_dev *dev, br_draw_block *k)
{
    br_status    st   = BR_OK;
    br_draw_step step = k->args->part.step;
    int32_t      m    = first_length(k);

    k->n_summed = 0;
    for (int64_t b = 0; b < k->n; b++) {
        BR_TRY(st, br_draw_row_of(k->args, k->first + b, &k->row[b]));
        k->row[b].room = k->room;
    }
    if (step != BR_DRAW_LEFT || k->args->law == BR_DRAW_PLACKETT_LUCE)
        BR_TRY(st, fill_shortlists(dev, k, 0, k->n, m));
    if (step == BR_DRAW_LISTS && br_draw_is_by_score(k->args)) {
        for (int64_t b = 0; b < k->n; b++)
            br_draw_tell_best(k, b);
        goto done;
    }
    if (step == BR_DRAW_LEFT)
        for (int64_t b = 0; b < k->n; b++) {
            if (!br_draw_tell_left(k, b, m))
                k->summed_R[k->n_summed++] = (int32_t)b;
        }
    else
        BR_TRY(st, draw_lists(dev, k, m));
    br_draw_sum(k);
    k->args->n_summed += k->n_summed;
    for (int64_t b = 0; b < k->n && step != BR_DRAW_LISTS; b++)
        if (k->args->law == BR_DRAW_PLACKETT_LUCE)
            finish(k, b);
done:
    return st;
}

/* ---- memory ---- */

/* Head and items above; what is left after a full pool was cut is more than a longest shortlist. */
static int64_t most_pooled(int64_t n_above_most)
{
    return BR_DRAW_HEAD + n_above_most;
}

static size_t quota_bytes(int64_t n_above_most, int32_t k, int32_t n_quotas)
{
    size_t row = (size_t)k * (sizeof(br_logsum) + (size_t)n_quotas * sizeof(br_draw_full)) + 4;

    if (n_quotas == 0)
        return 0;
    return (size_t)most_pooled(n_above_most) * sizeof(br_perturbed) +
           (size_t)br_room_entries(k, n_quotas) * sizeof(br_room_entry) + BR_DRAW_ROWS * row +
           (size_t)5 * 64;
}

size_t br_draw_topk_scratch_bytes(int64_t n_items, int64_t dim, int32_t k, int32_t n_quotas)
{
    br_gumbel law   = br_gumbel_of(n_items, k);
    size_t    above = (size_t)br_gumbel_most_above(&law, n_items);
    size_t    row =
        sizeof(br_draw_row) + sizeof(br_left) + 4 + BR_MOST_LISTED * 8 + ((size_t)dim + 8) * 8;

    return br_score_topk_scratch_bytes(n_items, dim, BR_MOST_LISTED) + BR_DRAW_ROWS * row +
           BR_DRAW_HEAD * 32 + BR_MOST_LISTED * 8 + above * 12 + (size_t)5 * BR_SUM_BLOCK * 8 +
           (size_t)20 * 64 + quota_bytes((int64_t)above, k, n_quotas);
}

static br_status take(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, void *out)
{
    br_status st = BR_OK;
    br_mat    mat;

    BR_TRY(st, br_dev_scratch(dev, dtype, n_rows, n_cols, &mat));
    *(void **)out = br_mat_at(mat);
done:
    return st;
}

static br_status take_scratch(br_dev *dev, br_draw_block *k)
{
    br_status     st = BR_OK;
    br_draw_head *h  = &k->head;

    BR_TRY(st, br_dev_scratch(dev, BR_I32, BR_DRAW_ROWS, BR_MOST_LISTED, &k->item_RM));
    BR_TRY(st, br_dev_scratch(dev, BR_F32, BR_DRAW_ROWS, BR_MOST_LISTED, &k->score_RM));
    BR_TRY(st, take(dev, BR_U8, BR_DRAW_ROWS, (int64_t)sizeof(br_draw_row), &k->row));
    BR_TRY(st, take(dev, BR_U8, BR_DRAW_ROWS, (int64_t)sizeof(br_left), &k->left_R));
    BR_TRY(st, take(dev, BR_I32, BR_DRAW_ROWS, 1, &k->summed_R));
    BR_TRY(st, take(dev, BR_I64, BR_DRAW_ROWS, k->D + 8, &k->x_RD8));
    BR_TRY(st, take(dev, BR_I64, 5, BR_SUM_BLOCK, &k->y_4C));
    BR_TRY(st, take(dev, BR_I32, 1, BR_DRAW_HEAD, &h->item_H));
    BR_TRY(st, take(dev, BR_F32, 1, BR_DRAW_HEAD, &h->score_H));
    BR_TRY(st, take(dev, BR_I64, 1, BR_DRAW_HEAD, &h->unit_H));
    BR_TRY(st, take(dev, BR_I64, 1, BR_DRAW_HEAD, &h->y_H));
    BR_TRY(st, take(dev, BR_U64, 1, BR_DRAW_HEAD, &h->key_H));
    BR_TRY(st, take(dev, BR_I64, 1, BR_MOST_LISTED, &h->y_K));
    BR_TRY(st, take(dev, BR_I32, 1, k->n_above_most, &h->item_A));
    BR_TRY(st, take(dev, BR_I64, 1, k->n_above_most, &h->unit_A));
done:
    return st;
}

static br_status take_quota_scratch(br_dev *dev, br_draw_block *k)
{
    br_status st = BR_OK;
    int64_t   K = k->args->k, n = br_room_entries(k->args->k, k->n_quotas);

    k->room.mask = (uint32_t)(n - 1);
    k->pool.most = most_pooled(k->n_above_most);
    BR_TRY(st, take(dev, BR_U8, k->pool.most, (int64_t)sizeof(br_perturbed), &k->pool.place));
    BR_TRY(st, take(dev, BR_U8, n, (int64_t)sizeof(br_room_entry), &k->room.entry));
    BR_TRY(st, take(dev, BR_U8, BR_DRAW_ROWS * K, (int64_t)sizeof(br_logsum), &k->leave_RK));
    BR_TRY(st, take(dev, BR_U8, BR_DRAW_ROWS * K * k->n_quotas, (int64_t)sizeof(br_draw_full),
                    &k->full_RF));
    BR_TRY(st, take(dev, BR_I32, BR_DRAW_ROWS, 1, &k->n_full_R));
done:
    return st;
}

br_status br_cpu_draw_topk(br_dev *dev, br_draw_topk_args *args)
{
    br_status     st   = BR_OK;
    size_t        mark = br_dev_mark(dev);
    br_draw_block k    = {
           .args = args, .N = args->items->item_ND.n_rows, .D = args->items->item_ND.n_cols};

    k.n_whole      = br_draw_n_whole(args);
    k.first_item   = br_draw_first_item(args);
    k.law          = br_gumbel_of(k.n_whole, args->k);
    k.floor        = br_left_floor(k.n_whole);
    k.n_above_most = br_gumbel_most_above(&k.law, k.N);
    k.n_quotas     = args->quotas == NULL ? 0 : args->quotas->n_quotas;
    BR_TRY(st, take_scratch(dev, &k));
    if (k.n_quotas > 0)
        BR_TRY(st, take_quota_scratch(dev, &k));
    for (k.first = 0; k.first < args->query_BD.n_rows; k.first += k.n) {
        int64_t left = args->query_BD.n_rows - k.first;

        k.n = left < BR_DRAW_ROWS ? left : BR_DRAW_ROWS;
        BR_TRY(st, draw_block(dev, &k));
    }
done:
    br_dev_rewind(dev, mark);
    return st;
}
