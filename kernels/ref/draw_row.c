/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of draw_topk on its way, for every host backend: draw_topk.h. */
#include <math.h>

#include "kernels/ref/draw_topk.h"

br_score_topk_args br_draw_as_topk(const br_draw_topk_args *args)
{
    return (br_score_topk_args){.items           = args->items,
                                .query_BD        = args->query_BD,
                                .never_offset_B1 = args->never_offset_B1,
                                .never_item_S    = args->never_item_S,
                                .have_B          = args->have_B};
}

static bool is_never(const br_topk_rules *rules, int32_t item)
{
    int64_t lo = 0, hi = rules->n_never;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (rules->never[mid] < item)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < rules->n_never && rules->never[lo] == item;
}

static br_status check_extras(const br_draw_row *row, int64_t n_items)
{
    long long at = (long long)row->at;

    if (row->n_extras < 0 || row->n_extras > BR_DRAW_MOST_EXTRAS)
        return br_fail(BR_E_SELFCHECK, "draw_topk: row %lld has %lld extras, expected 0..%d", at,
                       (long long)row->n_extras, BR_DRAW_MOST_EXTRAS);
    for (int64_t e = 0; e < row->n_extras; e++) {
        if (row->extra_X[e] < 0 || row->extra_X[e] >= n_items)
            return br_fail(BR_E_SELFCHECK, "draw_topk: extra %d of row %lld, expected 0..%lld",
                           (int)row->extra_X[e], at, (long long)n_items - 1);
        if (e > 0 && row->extra_X[e] <= row->extra_X[e - 1])
            return br_fail(BR_E_SELFCHECK, "draw_topk: extra %d of row %lld after %d",
                           (int)row->extra_X[e], at, (int)row->extra_X[e - 1]);
        if (!isfinite(row->extra_score_X[e]))
            return br_fail(BR_E_SELFCHECK, "draw_topk: extra %d of row %lld has score %g",
                           (int)row->extra_X[e], at, (double)row->extra_score_X[e]);
        if (!is_never(&row->rules, row->extra_X[e]))
            return br_fail(BR_E_SELFCHECK,
                           "draw_topk: extra %d of row %lld is not in its never-list",
                           (int)row->extra_X[e], at);
    }
    return BR_OK;
}

static br_status check_law(const br_draw_topk_args *args, const br_draw_row *row)
{
    if (args->law == BR_DRAW_PLACKETT_LUCE &&
        !(row->temperature > 0.0 && row->temperature < INFINITY))
        return br_fail(BR_E_SELFCHECK, "draw_topk: temperature of row %lld is %g, expected > 0",
                       (long long)row->at, row->temperature);
    if (args->law == BR_DRAW_EPSILON && !(row->epsilon >= 0.0 && row->epsilon <= 1.0))
        return br_fail(BR_E_SELFCHECK, "draw_topk: epsilon of row %lld is %g, expected 0..1",
                       (long long)row->at, row->epsilon);
    return BR_OK;
}

static br_quota_groups groups_of(const br_quotas *quotas)
{
    br_quota_groups none = {0};

    if (quotas == NULL)
        return none;
    return (br_quota_groups){.n_quotas  = quotas->n_quotas,
                             .group_NQ  = br_mat_at(quotas->group_NQ),
                             .max_G     = br_mat_at(quotas->max_G),
                             .offset_G1 = br_mat_at(quotas->offset_G1),
                             .item_P    = br_mat_at(quotas->item_P)};
}

static float value_at(br_mat mat, int64_t at)
{
    return mat.buf == NULL ? 0.0f : br_mat_f32(mat)[at * mat.ld];
}

br_status br_draw_row_of(const br_draw_topk_args *args, int64_t at, br_draw_row *row)
{
    br_status          st       = BR_OK;
    br_score_topk_args topk     = br_draw_as_topk(args);
    const int64_t     *offset   = br_mat_at(args->extra_offset_B1);
    const uint64_t    *customer = br_mat_at(args->customer_B);
    br_mat             score = args->score_BK, log = args->log_propensity_BK;

    *row = (br_draw_row){.at          = at,
                         .rules       = br_topk_rules_of(&topk, at),
                         .temperature = (double)value_at(args->temperature_B, at),
                         .epsilon     = (double)value_at(args->epsilon_B, at),
                         .source      = {args->seed, customer[at * args->customer_B.ld]},
                         .k           = args->k,
                         .quotas      = groups_of(args->quotas),
                         .item_K      = br_mat_i32(args->item_BK) + at * args->item_BK.ld,
                         .score_K = score.buf == NULL ? NULL : br_mat_f32(score) + at * score.ld,
                         .log_K   = log.buf == NULL ? NULL : br_mat_f32(log) + at * log.ld};
    if (offset != NULL && args->extra_item_X.buf != NULL) {
        row->extra_X       = br_mat_i32(args->extra_item_X) + offset[at];
        row->extra_score_X = br_mat_f32(args->extra_score_X) + offset[at];
        row->n_extras      = offset[at + 1] - offset[at];
    }
    BR_TRY(st, check_law(args, row));
    BR_TRY(st, check_extras(row, args->items->item_ND.n_rows));
done:
    return st;
}

int64_t br_draw_extra(const br_draw_row *row, int32_t item)
{
    int64_t lo = 0, hi = row->n_extras;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (row->extra_X[mid] < item)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < row->n_extras && row->extra_X[lo] == item ? lo : -1;
}

bool br_draw_is_listed(const br_draw_row *row, int32_t item)
{
    for (int32_t j = 0; j < row->n; j++)
        if (row->item_K[j] == item)
            return true;
    return false;
}

bool br_draw_takes_part(const br_draw_row *row, int32_t item)
{
    return br_draw_extra(row, item) >= 0 || br_topk_is_allowed(&row->rules, item);
}

bool br_draw_has_room(const br_draw_row *row, int32_t item)
{
    return br_room_has(&row->quotas, &row->room, item);
}

void br_draw_begin(br_draw_row *row)
{
    row->n = 0;
    if (row->quotas.n_quotas > 0)
        br_room_clear(&row->room);
}

void br_draw_list(br_draw_row *row, int32_t item, float score)
{
    row->item_K[row->n]  = item;
    row->score_K[row->n] = score;
    br_room_place(&row->quotas, &row->room, item, ++row->n);
}

void br_draw_count_again(br_draw_row *row)
{
    if (row->quotas.n_quotas == 0)
        return;
    br_room_clear(&row->room);
    for (int32_t j = 0; j < row->n; j++)
        br_room_place(&row->quotas, &row->room, row->item_K[j], j + 1);
}

static bool is_before(double y_a, int32_t item_a, double y_b, int32_t item_b)
{
    return y_a > y_b || (y_a == y_b && item_a < item_b);
}

void br_draw_insert(br_draw_row *row, double *y_K, int32_t item, float score, double y)
{
    int32_t k = row->k, at = row->n < k ? row->n : k - 1;

    if (row->n == k && !is_before(y, item, y_K[k - 1], row->item_K[k - 1]))
        return;
    for (; at > 0 && is_before(y, item, y_K[at - 1], row->item_K[at - 1]); at--) {
        y_K[at]          = y_K[at - 1];
        row->item_K[at]  = row->item_K[at - 1];
        row->score_K[at] = row->score_K[at - 1];
    }
    y_K[at]          = y;
    row->item_K[at]  = item;
    row->score_K[at] = score;
    row->n += row->n < k;
}

void br_draw_append(br_draw_row *row, int32_t item, float score, bool is_best, int64_t n_left)
{
    double p = row->epsilon / (double)n_left + (is_best ? 1.0 - row->epsilon : 0.0);

    row->log_K[row->n] = (float)br_log(p < 1.0 ? p : 1.0);
    br_draw_list(row, item, score);
}

static void empty_slots(br_draw_row *row)
{
    for (int32_t j = row->n; j < row->k; j++) {
        row->item_K[j]  = -1;
        row->score_K[j] = NAN;
        if (row->log_K != NULL)
            row->log_K[j] = NAN;
    }
}

/* From the last slot to the first: each adds to what was left after it its own term and those that
 * it shut out, so nothing is ever subtracted from a sum. */
void br_draw_finish(br_draw_row *row, br_left left, const br_logsum *leave_K)
{
    br_logsum sum = br_left_sum(left);

    row->log_rest = br_logsum_ln(sum);
    for (int32_t j = row->n - 1; j >= 0; j--) {
        double y = (double)row->score_K[j] / row->temperature, ln;

        if (leave_K != NULL)
            sum = br_logsum_add(sum, leave_K[j]);
        sum           = br_logsum_term(sum, y);
        ln            = y - br_logsum_ln(sum);
        row->log_K[j] = (float)(ln < 0.0 ? ln : 0.0);
    }
    row->log_all = br_logsum_ln(sum);
    empty_slots(row);
}

void br_draw_finish_epsilon(br_draw_row *row, int64_t n_all, int64_t n_left)
{
    row->log_all  = br_log((double)n_all);
    row->log_rest = br_log((double)n_left);
    empty_slots(row);
}

static void write_float(br_mat mat, int64_t at, double value)
{
    if (mat.buf != NULL)
        br_mat_f32(mat)[at * mat.ld] = (float)value;
}

void br_draw_write_sums(const br_draw_topk_args *args, const br_draw_row *row)
{
    write_float(args->log_normaliser_B, row->at, row->log_all);
    write_float(args->log_remaining_B, row->at, row->log_rest);
}

/* ---- of a part ---- */

static double *keys_of(const br_draw_topk_args *args, const br_draw_row *row)
{
    return (double *)br_mat_at(args->part.key_BK) + row->at * args->part.key_BK.ld;
}

void br_draw_write_list(const br_draw_topk_args *args, br_draw_row *row, const double *key_K,
                        float best_score)
{
    for (int32_t j = 0; j < row->k; j++)
        keys_of(args, row)[j] = j < row->n ? key_K[j] : -INFINITY;
    write_float(args->part.best_B, row->at, (double)best_score);
    empty_slots(row);
}

void br_draw_write_best(const br_draw_topk_args *args, br_draw_row *row, int64_t n_all)
{
    int64_t *n_B = br_mat_at(args->part.n_B);

    for (int32_t j = 0; j < row->k; j++)
        keys_of(args, row)[j] = j < row->n ? (double)row->score_K[j] : -INFINITY;
    n_B[row->at * args->part.n_B.ld] = n_all;
    empty_slots(row);
}

br_left br_draw_given_left(const br_draw_topk_args *args, const br_draw_row *row)
{
    br_left left = br_left_none();

    left.most = (double)value_at(args->part.best_B, row->at) / row->temperature;
    return left;
}

void br_draw_write_left(const br_draw_topk_args *args, const br_draw_row *row, br_left left)
{
    uint64_t *left_2 = (uint64_t *)br_mat_at(args->part.left_B2) + row->at * args->part.left_B2.ld;

    left_2[0] = left.high;
    left_2[1] = left.low;
}
