/* SPDX-License-Identifier: Apache-2.0
 *
 * What an allocation refuses: arrays that break their contract, limits that contradict each other.
 */
#include <math.h>
#include <stdbool.h>

#include "host/base/memory.h"
#include "host/decide/allocate/allocate.h"

#define SHARE_SLACK 1e-9 /* shares that people round sum to 1 within this */

static bool is_share(br_limit_kind kind)
{
    return kind == BR_LIMIT_MAX_SHARE || kind == BR_LIMIT_MIN_SHARE;
}

static br_status check_shape(const br_allocate_args *a)
{
    if (a->n_rows < 0 || a->n_items < 1 || a->width < 1 || a->n_kept < 1 || a->n_kept > a->width ||
        a->n_kept > 1024 || a->width > 65534)
        return br_fail(BR_E_USAGE,
                       "allocate: %lld rows, %d items, shortlists of %d, lists of %d; expected at "
                       "least 1 item and 1 <= list <= shortlist <= 65534, list <= 1024",
                       (long long)a->n_rows, a->n_items, a->width, a->n_kept);
    if (!isfinite(a->floor) || !(a->short_price >= 0.0) || !(a->tolerance >= 0.0) ||
        !(a->max_passes >= 0.0) || isinf(a->short_price) || a->n_lanes < 1)
        return br_fail(BR_E_USAGE,
                       "allocate: floor %g, short_price %g, tolerance %g, max_passes "
                       "%g, %d lanes; expected a finite floor, the others >= 0, and "
                       "a lane",
                       a->floor, a->short_price, a->tolerance, a->max_passes, a->n_lanes);
    return BR_OK;
}

/* One shortlist; seen_N[i] is the last row + 1 that named item i. */
static br_status check_row(const br_allocate_args *a, int64_t row, int64_t *seen_N)
{
    const int32_t *item_M    = a->item_BM + row * a->width;
    const float   *utility_M = a->utility_BM + row * a->width;

    for (int32_t m = 0; m < a->width && item_M[m] != -1; m++) {
        if (item_M[m] < 0 || item_M[m] >= a->n_items || seen_N[item_M[m]] == row + 1)
            return br_fail(BR_E_INPUT,
                           "allocate: row %lld, candidate %d: found item %d, expected "
                           "0 .. %d, each once",
                           (long long)row, m, item_M[m], a->n_items - 1);
        if (!isfinite(utility_M[m]) || (m > 0 && utility_M[m] > utility_M[m - 1]))
            return br_fail(BR_E_INPUT,
                           "allocate: row %lld, candidate %d: found utility %g, "
                           "expected a finite one, best first",
                           (long long)row, m, (double)utility_M[m]);
        seen_N[item_M[m]] = row + 1;
    }
    if (a->bound_B != NULL && (isnan(a->bound_B[row]) || a->bound_B[row] == INFINITY))
        return br_fail(BR_E_INPUT, "allocate: row %lld: found bound %g, expected a number or -inf",
                       (long long)row, (double)a->bound_B[row]);
    if (a->length_B != NULL && (a->length_B[row] < 0 || a->length_B[row] > a->n_kept))
        return br_fail(BR_E_INPUT, "allocate: row %lld: found list length %d, expected 0 .. %d",
                       (long long)row, a->length_B[row], a->n_kept);
    return BR_OK;
}

static br_status check_rows(const br_allocate_args *a)
{
    br_status st     = BR_OK;
    int64_t  *seen_N = NULL;

    BR_ALLOC(st, seen_N, a->n_items, "allocate: items seen");
    for (int64_t b = 0; b < a->n_rows; b++)
        BR_TRY(st, check_row(a, b, seen_N));
done:
    br_free(&seen_N);
    return st;
}

static br_status check_capacities(const br_allocate_args *a)
{
    for (int32_t i = 0; a->capacity_N != NULL && i < a->n_items; i++)
        if (a->capacity_N[i] < -1)
            return br_fail(BR_E_INPUT,
                           "allocate: item %d: found capacity %lld, expected units >= 0, or -1 for "
                           "none",
                           i, (long long)a->capacity_N[i]);
    for (int32_t c = 0; a->start_C != NULL && c < a->n_items + a->n_limits; c++)
        if (!(a->start_C[c] >= 0.0) || isinf(a->start_C[c]))
            return br_fail(BR_E_INPUT, "allocate: start %d: found dual %g, expected >= 0", c,
                           a->start_C[c]);
    return BR_OK;
}

static br_status check_budget(const br_allocate_args *a, const br_limit *limit)
{
    double largest = 0.0;

    for (int32_t i = 0; i < a->n_items; i++) {
        if (!(limit->cost_N[i] >= 0.0f) || isinf(limit->cost_N[i]))
            return br_fail(BR_E_INPUT, "budget '%s': item %d: found cost %g, expected >= 0",
                           limit->name, i, (double)limit->cost_N[i]);
        largest = fmax(largest, limit->cost_N[i]);
    }
    if (largest == 0.0)
        return br_fail(BR_E_INPUT, "budget '%s': every item costs 0, so it limits nothing",
                       limit->name);
    return BR_OK;
}

/* Units that the group's items can be listed at most. */
static double group_room(const br_allocate_args *a, const br_limit *limit)
{
    double room = 0.0;

    for (int32_t i = 0; i < a->n_items; i++) {
        if (limit->group_N[i] != limit->group)
            continue;
        if (a->capacity_N == NULL || a->capacity_N[i] < 0)
            return INFINITY;
        room += (double)a->capacity_N[i];
    }
    return room;
}

static br_status check_limit(const br_allocate_args *a, const br_limit *limit)
{
    if (limit->name == NULL || (limit->kind == BR_LIMIT_BUDGET) != (limit->cost_N != NULL) ||
        (limit->kind != BR_LIMIT_BUDGET) != (limit->group_N != NULL))
        return br_fail(BR_E_USAGE, "allocate: a limit needs a name, and costs or groups");
    if (!(limit->bound >= 0.0) || (is_share(limit->kind) && limit->bound > 1.0))
        return br_fail(BR_E_USAGE, "limit '%s': found %g, expected %s", limit->name, limit->bound,
                       is_share(limit->kind) ? "a share, 0 .. 1" : "a maximum >= 0");
    if (limit->kind == BR_LIMIT_BUDGET)
        return check_budget(a, limit);
    if (limit->kind == BR_LIMIT_MIN_SHARE && limit->bound > 0.0 && group_room(a, limit) == 0.0)
        return br_fail(BR_E_USAGE,
                       "limit '%s': a minimum share of %g for a group without items, or without "
                       "capacity",
                       limit->name, limit->bound);
    return BR_OK;
}

/* Two limits on one group of one column. */
static br_status check_pair(const br_limit *x, const br_limit *y)
{
    if (x->kind == y->kind)
        return br_fail(BR_E_USAGE, "limits '%s' and '%s' are of one kind, on one group", x->name,
                       y->name);
    if (x->kind == BR_LIMIT_MIN_SHARE && y->kind == BR_LIMIT_MAX_SHARE && x->bound > y->bound)
        return br_fail(BR_E_USAGE,
                       "limits '%s' and '%s': the minimum share %g is above the "
                       "maximum %g",
                       x->name, y->name, x->bound, y->bound);
    if (x->kind == BR_LIMIT_MIN_SHARE && x->bound > 0.0 && y->kind == BR_LIMIT_MAX_UNITS &&
        y->bound < 1.0)
        return br_fail(BR_E_USAGE,
                       "limits '%s' and '%s': a minimum share of %g, but a maximum of %g "
                       "units",
                       x->name, y->name, x->bound, y->bound);
    return BR_OK;
}

/* Sum of the shares of one kind and column; *n_items counts the items of their groups. */
static double sum_shares(const br_allocate_args *a, const br_limit *of, int32_t *n_items)
{
    double sum = 0.0;

    *n_items = 0;
    for (int32_t l = 0; l < a->n_limits; l++) {
        const br_limit *limit = &a->limit_L[l];

        if (limit->kind != of->kind || limit->group_N != of->group_N)
            continue;
        sum += limit->bound;
        for (int32_t i = 0; i < a->n_items; i++)
            *n_items += limit->group_N[i] == limit->group;
    }
    return sum;
}

static br_status check_column(const br_allocate_args *a, const br_limit *limit)
{
    int32_t n_items;
    double  sum;

    if (!is_share(limit->kind))
        return BR_OK;
    sum = sum_shares(a, limit, &n_items);
    if (limit->kind == BR_LIMIT_MIN_SHARE && sum > 1.0 + SHARE_SLACK)
        return br_fail(BR_E_USAGE,
                       "limit '%s': the minimum shares of its column sum to %g, "
                       "expected at most 1",
                       limit->name, sum);
    if (limit->kind == BR_LIMIT_MAX_SHARE && sum < 1.0 - SHARE_SLACK && n_items == a->n_items)
        return br_fail(BR_E_USAGE,
                       "limit '%s': the maximum shares of its column sum to %g and "
                       "cover every item, expected at least 1: nothing could be shown",
                       limit->name, sum);
    return BR_OK;
}

br_status br_allocate_check(const br_allocate_args *a)
{
    br_status st = BR_OK;

    BR_TRY(st, check_shape(a));
    BR_TRY(st, check_capacities(a));
    for (int32_t l = 0; l < a->n_limits; l++)
        BR_TRY(st, check_limit(a, &a->limit_L[l]));
    for (int32_t l = 0; l < a->n_limits; l++) {
        const br_limit *x = &a->limit_L[l];

        BR_TRY(st, check_column(a, x));
        for (int32_t j = 0; j < a->n_limits; j++) {
            const br_limit *y = &a->limit_L[j];

            if (j != l && x->group_N != NULL && x->group_N == y->group_N && x->group == y->group)
                BR_TRY(st, check_pair(x, y));
        }
    }
    BR_TRY(st, check_rows(a));
done:
    return st;
}
