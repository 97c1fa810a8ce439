/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/problem.h"

#include <math.h>

#include "host/base/memory.h"

#define DEFAULT_TOLERANCE 2e-4

/* The power of two by which a coefficient of at most `largest` is scaled: sums over all slots stay
 * below 2^61, one coefficient below 2^52. */
static double scale_of(double largest, int64_t n_slots)
{
    int total = 0, one = 0;

    (void)frexp(largest * (double)(n_slots + 1), &total);
    (void)frexp(largest, &one);
    return ldexp(1.0, 61 - total < 52 - one ? 61 - total : 52 - one);
}

static int64_t fixed_bound(double bound, double scale)
{
    double scaled = floor(bound * scale);
    return scaled < 0x1p62 ? (int64_t)scaled : (int64_t)1 << 62;
}

static br_status open_budget(const br_problem *p, const br_limit *limit, br_side *side)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < p->args->n_items; i++)
        side->largest = fmax(side->largest, limit->cost_N[i]);
    if (side->largest == 0.0)
        side->largest = 1.0;
    side->scale = scale_of(side->largest, p->n_slots);
    side->bound = fixed_bound(limit->bound, side->scale);
    BR_ALLOC(st, side->cost_N, p->args->n_items, "costs");
    for (int32_t i = 0; i < p->args->n_items; i++)
        side->cost_N[i] = (int64_t)ceil(limit->cost_N[i] * side->scale);
done:
    return st;
}

static void open_group(const br_problem *p, const br_limit *limit, br_side *side)
{
    double one = side->scale = fmin(scale_of(1.0, p->n_slots), 0x1p40);

    side->largest = 1.0;
    side->group_N = limit->group_N;
    side->group   = limit->group;
    side->is_soft = limit->kind == BR_LIMIT_MIN_SHARE;
    if (limit->kind == BR_LIMIT_MAX_UNITS) {
        side->inside = (int64_t)one;
        side->bound  = fixed_bound(floor(limit->bound), one);
    } else if (limit->kind == BR_LIMIT_MAX_SHARE) {
        side->outside = -(int64_t)ceil(limit->bound * one);
        side->inside  = (int64_t)one + side->outside;
    } else {
        side->outside = (int64_t)floor(limit->bound * one);
        side->inside  = side->outside - (int64_t)one;
    }
}

br_status br_problem_open(const br_allocate_args *args, br_problem *p)
{
    br_status st = BR_OK;

    *p = (br_problem){.args      = args,
                      .tolerance = args->tolerance > 0.0 ? args->tolerance : DEFAULT_TOLERANCE,
                      .share     = args->share > 0.0 ? args->share : 1.0};
    for (int64_t b = 0; b < args->n_rows; b++) {
        double best = args->utility_BM[b * args->width] - args->floor;

        p->n_slots += br_problem_length(p, b);
        if (args->item_BM[b * args->width] >= 0 && best > p->max_utility)
            p->max_utility = best;
    }
    p->short_price = args->short_price > 0.0 ? args->short_price : 4.0 * p->max_utility;
    BR_ALLOC(st, p->side_L, args->n_limits, "limits");
    for (int32_t l = 0; l < args->n_limits; l++) {
        if (args->limit_L[l].kind == BR_LIMIT_BUDGET)
            BR_TRY(st, open_budget(p, &args->limit_L[l], &p->side_L[l]));
        else
            open_group(p, &args->limit_L[l], &p->side_L[l]);
    }
done:
    return st;
}

void br_problem_close(br_problem *p)
{
    for (int32_t l = 0; p->side_L != NULL && l < p->args->n_limits; l++)
        br_free(&p->side_L[l].cost_N);
    br_free(&p->side_L);
}

void br_problem_prices(const br_problem *p, const double *dual_C, float *price_N,
                       float *side_price_N)
{
    int32_t       n      = p->args->n_items;
    const double *dual_L = dual_C + n;

    for (int32_t i = 0; i < n; i++) {
        double side_price = 0.0;

        for (int32_t l = 0; l < p->args->n_limits; l++)
            if (dual_L[l] > 0.0)
                side_price +=
                    dual_L[l] / p->side_L[l].scale * (double)br_side_coef(&p->side_L[l], i);
        price_N[i] = (float)(dual_C[i] + side_price);
        if (side_price_N != NULL)
            side_price_N[i] = (float)side_price;
    }
}

double br_problem_bound_value(const br_problem *p, const double *dual_C)
{
    double sum = 0.0;

    for (int32_t i = 0; i < p->args->n_items; i++)
        if (dual_C[i] > 0.0)
            sum += dual_C[i] * (double)br_problem_capacity(p, i);
    for (int32_t l = 0; l < p->args->n_limits; l++)
        sum += dual_C[p->args->n_items + l] * ((double)p->side_L[l].bound / p->side_L[l].scale);
    return sum;
}

void br_problem_activity(const br_problem *p, const int64_t *demand_N, int64_t *activity_L)
{
    for (int32_t l = 0; l < p->args->n_limits; l++) {
        activity_L[l] = 0;
        for (int32_t i = 0; i < p->args->n_items; i++)
            activity_L[l] += demand_N[i] * br_side_coef(&p->side_L[l], i);
    }
}

double br_problem_spread(const br_problem *p)
{
    const br_allocate_args *a   = p->args;
    double                  sum = 0.0;
    int64_t                 n   = 0;

    for (int64_t b = 0; b < a->n_rows; b++) {
        const float *utility_M = a->utility_BM + b * a->width;
        int32_t      m         = a->width - 1;

        while (m > 0 && a->item_BM[b * a->width + m] < 0)
            m--;
        sum += m > 0 ? (double)(utility_M[0] - utility_M[m]) : 0.0;
        n += m > 0;
    }
    return n > 0 ? sum / (double)n : 0.0;
}
