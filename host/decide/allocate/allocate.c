/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/allocate.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/allocate/ascent.h"
#include "host/decide/allocate/repair.h"

#define QUICK 1e6 /* candidates of all shortlists: chains take no time to speak of */

typedef struct price_at {
    double  price;
    int32_t item;
} price_at;

typedef struct solve {
    br_problem problem;
    br_scan    scan;
    br_lists   lists;
    int32_t   *first_BK;   /* the priced top-k, before the repair */
    price_at  *cheapest_N; /* items by price */
    int64_t   *seen_N;
} solve;

static int by_price(const void *x, const void *y)
{
    const price_at *a = x, *b = y;
    return a->price != b->price ? (a->price < b->price ? -1 : 1)
                                : (a->item > b->item) - (a->item < b->item);
}

/* The lowest price of the items outside the row's shortlist, over that which shortlists were taken
 * at; inf: there are none. */
static double lowest_outside(solve *s, int64_t row)
{
    const br_allocate_args *a      = s->problem.args;
    const int32_t          *item_M = a->item_BM + row * a->width;

    for (int32_t m = 0; m < a->width && item_M[m] >= 0; m++)
        s->seen_N[item_M[m]] = row + 1;
    for (int32_t i = 0; i < a->n_items; i++)
        if (s->seen_N[s->cheapest_N[i].item] != row + 1)
            return s->cheapest_N[i].price;
    return INFINITY;
}

/* Which customers an item outside their shortlist could reach, at the final prices. */
static br_status certify(solve *s)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = s->problem.args;

    a->report->n_uncertain   = 0;
    a->report->outside_value = 0.0;
    if (a->bound_B == NULL)
        return BR_OK;
    BR_ALLOC(st, s->cheapest_N, a->n_items, "items by price");
    BR_ALLOC(st, s->seen_N, a->n_items, "items seen");
    for (int32_t i = 0; i < a->n_items; i++)
        s->cheapest_N[i] = (price_at){
            (double)a->price_N[i] - (a->bound_price_N != NULL ? (double)a->bound_price_N[i] : 0.0),
            i};
    qsort(s->cheapest_N, (size_t)a->n_items, sizeof *s->cheapest_N, by_price);
    for (int64_t b = 0; b < a->n_rows; b++) {
        int32_t n    = br_problem_length(&s->problem, b);
        int32_t last = n > 0 ? s->first_BK[b * a->n_kept + n - 1] : -1;
        double  could;

        if (n == 0 || a->bound_B[b] == -INFINITY)
            continue;
        could = (double)a->bound_B[b] - a->floor - lowest_outside(s, b) -
                fmax(br_lists_priced(&s->lists, b, last), 0.0);
        if (could > 0.0) {
            a->report->n_uncertain++;
            a->report->outside_value += n * could;
        }
    }
done:
    return st;
}

static int by_position(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return (a > b) - (a < b);
}

/* A list by utility: the order of its shortlist. Also says whether the repair changed it. */
static void write_row(solve *s, int64_t row)
{
    const br_allocate_args *a       = s->problem.args;
    int32_t                *pos_K   = s->lists.pos_BK + row * a->n_kept;
    int32_t                *first_K = s->first_BK + row * a->n_kept;
    br_allocate_report     *report  = a->report;
    int32_t                 n       = 0;

    for (int32_t k = 0; k < a->n_kept; k++)
        if (pos_K[k] >= 0)
            pos_K[n++] = pos_K[k];
    for (int32_t k = n; k < a->n_kept; k++)
        pos_K[k] = INT32_MAX;
    for (int32_t k = 0; k < a->n_kept; k++)
        first_K[k] = first_K[k] < 0 ? INT32_MAX : first_K[k];
    qsort(pos_K, (size_t)a->n_kept, sizeof *pos_K, by_position);
    qsort(first_K, (size_t)a->n_kept, sizeof *first_K, by_position);
    a->touched_B[row] = memcmp(pos_K, first_K, (size_t)a->n_kept * sizeof *pos_K) != 0;
    for (int32_t k = 0; k < a->n_kept; k++) {
        a->list_BK[row * a->n_kept + k] = k < n ? br_lists_item(&s->lists, row, pos_K[k]) : -1;
        if (k < n)
            report->utility += (double)a->utility_BM[row * a->width + pos_K[k]];
    }
    report->n_slots += n;
    report->n_touched += a->touched_B[row];
}

static void write_activity(solve *s)
{
    const br_allocate_args *a = s->problem.args;

    for (int32_t l = 0; l < a->n_limits; l++) {
        const br_side *side  = &s->problem.side_L[l];
        double         units = 0.0;

        for (int32_t i = 0; i < a->n_items; i++)
            if (side->cost_N != NULL || side->group_N[i] == side->group)
                units += (double)s->lists.demand_N[i] *
                         (side->cost_N != NULL ? (double)a->limit_L[l].cost_N[i] : 1.0);
        a->activity_L[l] = units;
        if (side->is_soft && s->lists.activity_L[l] > side->bound)
            a->report->short_cost -= (double)(s->lists.activity_L[l] - side->bound) / side->scale *
                                     s->problem.short_price;
    }
}

static br_status solve_open(const br_allocate_args *a, solve *s)
{
    br_status st = BR_OK;

    BR_TRY(st, br_problem_open(a, &s->problem));
    BR_TRY(st, br_scan_open(&s->problem, &s->scan));
    BR_TRY(st, br_lists_open(&s->problem, &s->lists));
    BR_ALLOC(st, s->first_BK, a->n_rows * a->n_kept, "priced lists");
    memset(a->dual_C, 0, (size_t)(a->n_items + a->n_limits) * sizeof *a->dual_C);
    if (a->start_C != NULL)
        memcpy(a->dual_C, a->start_C, (size_t)(a->n_items + a->n_limits) * sizeof *a->dual_C);
    *a->report = (br_allocate_report){.short_price = s->problem.short_price};
done:
    return st;
}

static void solve_close(solve *s)
{
    br_lists_close(&s->lists);
    br_scan_close(&s->scan);
    br_problem_close(&s->problem);
    br_free(&s->first_BK);
    br_free(&s->cheapest_N);
    br_free(&s->seen_N);
}

/* The exact dual value of the duals, and the item prices. */
static br_status price(solve *s)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = s->problem.args;

    s->scan.jitter = 0.0f;
    BR_TRY(st, br_scan_run(&s->scan, a->dual_C));
    a->report->dual_value =
        s->problem.share * br_problem_bound_value(&s->problem, a->dual_C) + s->scan.worth;
    br_problem_prices(&s->problem, a->dual_C, a->price_N, NULL);
done:
    return st;
}

/* The lists at the prices found; ties by the draws. */
static br_status take_lists(solve *s)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = s->problem.args;

    br_scan_sample(&s->scan, 1);
    s->scan.band   = 0.0f;
    s->scan.pos_BK = s->first_BK;
    BR_TRY(st, br_scan_run(&s->scan, a->dual_C));
    s->scan.pos_BK   = NULL;
    s->lists.tiny    = 1e-7 * s->problem.max_utility;
    s->lists.price_N = a->price_N;
    s->lists.dual_C  = a->dual_C;
    BR_TRY(st, price(s));
done:
    return st;
}

/* Chains may find better duals; the lists that count as priced are then those at hand. */
static br_status improve_prices(solve *s)
{
    br_status               st     = BR_OK;
    const br_allocate_args *a      = s->problem.args;
    double                  before = a->report->dual_value;
    double                 *dual_C = NULL;
    size_t                  bytes  = (size_t)(a->n_items + a->n_limits) * sizeof *dual_C;

    BR_ALLOC(st, dual_C, a->n_items + a->n_limits, "duals before");
    memcpy(dual_C, a->dual_C, bytes);
    BR_TRY(st, br_repair_priced_chains(&s->lists, a->dual_C));
    BR_TRY(st, price(s));
    if (a->report->dual_value > before) {
        memcpy(a->dual_C, dual_C, bytes);
        BR_TRY(st, price(s));
    }
done:
    br_free(&dual_C);
    return st;
}

static void copy_lists(const br_allocate_args *a, const int32_t *from_BK, int32_t *to_BK)
{
    if (a->n_rows > 0)
        memcpy(to_BK, from_BK, (size_t)(a->n_rows * a->n_kept) * sizeof *to_BK);
}

static void start_from(solve *s, const int32_t *list_BK)
{
    copy_lists(s->problem.args, list_BK, s->lists.pos_BK);
    br_lists_count(&s->lists);
}

/* Holds every hard cap and fills what is free. */
static br_status hold(solve *s)
{
    br_status st = BR_OK;

    BR_TRY(st, br_repair_relieve(&s->lists));
    BR_TRY(st, br_repair_fill(&s->lists));
done:
    return st;
}

/* Small problems are repaired by chains, from optimal lists at the prices and from the priced lists
 * as they are: the better one stays. */
static br_status repair_small(solve *s)
{
    br_status               st      = BR_OK;
    const br_allocate_args *a       = s->problem.args;
    int32_t                *kept_BK = NULL;
    double                  value;

    start_from(s, s->first_BK);
    BR_ALLOC(st, kept_BK, a->n_rows * a->n_kept, "lists kept");
    BR_TRY(st, br_repair_relieve_items(&s->lists));
    BR_TRY(st, improve_prices(s));
    BR_TRY(st, hold(s));
    BR_TRY(st, br_repair_chains(&s->lists));
    if (a->n_limits == 0) /* optimal */
        goto done;
    value = br_lists_value(&s->lists);
    copy_lists(a, s->lists.pos_BK, kept_BK);
    start_from(s, s->first_BK);
    BR_TRY(st, hold(s));
    BR_TRY(st, br_repair_chains(&s->lists));
    if (br_lists_value(&s->lists) < value)
        start_from(s, kept_BK);
done:
    br_free(&kept_BK);
    return st;
}

/* Holds every hard cap, then raises the value: by chains where they are quick, or needed. */
static br_status repair(solve *s)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = s->problem.args;
    double                  aim;

    start_from(s, s->first_BK);
    BR_TRY(st, hold(s));
    aim = a->report->dual_value - 0.5 * s->problem.tolerance * fabs(a->report->dual_value);
    if (br_repair_is_small(a) &&
        ((double)a->n_rows * a->width <= QUICK || br_lists_value(&s->lists) < aim))
        BR_TRY(st, repair_small(s));
done:
    return st;
}

br_status br_allocate_prices(const br_allocate_args *args)
{
    br_status st = BR_OK;
    solve     s  = {0};

    BR_TRY(st, br_allocate_check(args));
    BR_TRY(st, solve_open(args, &s));
    BR_TRY(st, br_ascent(&s.problem, &s.scan, args->dual_C, &args->report->n_steps));
    BR_TRY(st, take_lists(&s));
    BR_TRY(st, certify(&s));
    args->report->passes = s.problem.passes;
done:
    solve_close(&s);
    return st;
}

br_status br_allocate(const br_allocate_args *args)
{
    br_status           st     = BR_OK;
    br_allocate_report *report = args->report;
    solve               s      = {0};

    BR_TRY(st, br_allocate_check(args));
    BR_TRY(st, solve_open(args, &s));
    BR_TRY(st, br_ascent(&s.problem, &s.scan, args->dual_C, &report->n_steps));
    BR_TRY(st, take_lists(&s));
    BR_TRY(st, repair(&s));
    BR_TRY(st, certify(&s));
    for (int64_t b = 0; b < args->n_rows; b++)
        write_row(&s, b);
    write_activity(&s);
    report->n_over = br_lists_n_over(&s.lists);
    report->value  = report->utility - args->floor * (double)report->n_slots;
    report->gap    = (report->dual_value - report->value - report->short_cost) /
                  fmax(fabs(report->dual_value), 1e-300);
    report->passes = s.problem.passes;
done:
    solve_close(&s);
    return st;
}
