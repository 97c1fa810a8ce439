/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains of moves. At the prices of the limits, with capacities alone to hold, what no chain
 * improves is optimal, and the labels are exact prices of the capacities. Limits are then met by
 * raising the price of a broken one little by little, each time moving along the chains that this
 * makes pay, until it holds: each such chain loses next to nothing. Last come chains that gain
 * utility and keep every limit. */
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/allocate/graph.h"
#include "host/decide/allocate/repair.h"

#define MAX_ITEMS      1023
#define MAX_CANDIDATES 1e7   /* of all shortlists */
#define WORK           1.5e8 /* per call: edges and candidates looked at */
#define TRIES          32    /* ends of paths tried per labelling */
#define ROUNDS         4     /* over all limits */
#define RAISES         24    /* of one price: doubled from the smallest */

bool br_repair_is_small(const br_allocate_args *a)
{
    return a->n_rows > 0 && a->n_items <= MAX_ITEMS &&
           (double)a->n_rows * a->width <= MAX_CANDIDATES;
}

/* What a path from `start` (-1: any) to `end` must beat for it to pay. */
static double bar_of(const br_chains *c, int32_t start, int32_t end)
{
    return start < 0 ? c->scarce_n[end] : c->price_n[end];
}

static bool is_open(const br_chains *c, int32_t start, int32_t end)
{
    return br_lists_fits(c->l, br_chains_item(c, start), br_chains_item(c, end));
}

/* The end of the path that pays most, -1: none. `start` >= 0: it must keep the limits, too. */
static int32_t best_end(const br_chains *c, int32_t start)
{
    int32_t best  = -1;
    double  least = -c->l->tiny;

    for (int32_t b = 0; b < c->n; b++) {
        double length = c->label_n[b] - bar_of(c, start, b);

        if (length < least && c->from_n[b] >= 0 &&
            (start < 0 ? br_lists_has_room(c->l, br_chains_item(c, b)) : is_open(c, start, b))) {
            least = length;
            best  = b;
        }
    }
    return best;
}

/* Moves along the chain that pays most at the prices, whatever the limits say. */
static bool improve_priced(br_chains *c)
{
    if (!br_chains_label(c, -1)) {
        int32_t end = best_end(c, -1);

        if (end < 0)
            return false;
        br_chains_trace(c, end);
    }
    br_chains_apply(c);
    return true;
}

/* Moves along a chain from `start` (-1: anywhere) that gains utility and keeps the limits. */
static bool improve(br_chains *c, int32_t start)
{
    bool is_found = false;

    if (br_chains_label(c, start)) {
        is_found = br_chains_gain(c) > c->l->tiny;
    } else {
        for (int32_t i = 0, end; !is_found && i < TRIES && (end = best_end(c, start)) >= 0; i++) {
            br_chains_trace(c, end);
            is_found        = is_open(c, c->path_n[0], end) && br_chains_gain(c) > c->l->tiny;
            c->label_n[end] = INFINITY;
        }
    }
    if (is_found)
        br_chains_apply(c);
    return is_found;
}

static bool is_broken(const br_lists *l, int32_t limit)
{
    return l->activity_L[limit] > l->problem->side_L[limit].bound;
}

/* Raises one limit's price until the limit holds. */
static void raise(br_chains *c, int32_t limit, double *dual_C)
{
    const br_problem *p    = c->l->problem;
    double           *dual = dual_C + p->args->n_items + limit;
    double            from = *dual, more = 10.0 * c->l->tiny / p->side_L[limit].largest;
    double            most = p->side_L[limit].is_soft ? p->short_price : INFINITY;

    for (int32_t i = 0; i < RAISES && is_broken(c->l, limit) && *dual < most; i++) {
        *dual = fmin(from + more, most);
        more *= 2.0;
        br_chains_price(c, dual_C);
        while (c->work < WORK && is_broken(c->l, limit) && improve_priced(c))
            continue;
    }
}

static void meet_limits(br_chains *c, double *dual_C)
{
    int32_t n_limits = c->l->problem->args->n_limits, n_broken = n_limits;

    for (int32_t i = 0; i < ROUNDS && n_broken > 0; i++) {
        n_broken = 0;
        for (int32_t l = 0; l < n_limits; l++) {
            if (is_broken(c->l, l)) {
                n_broken++;
                raise(c, l, dual_C);
            }
        }
    }
}

/* The labels of lists that no chain improves say what a unit of each capacity is worth. */
static void take_prices(const br_chains *c, double *dual_C)
{
    for (int32_t i = 0; i < c->n - 1; i++)
        dual_C[i] = br_problem_capacity(c->l->problem, i) == INT64_MAX
                        ? 0.0
                        : fmax(c->scarce_n[i] - c->label_n[i], 0.0);
}

static void count_work(const br_chains *c)
{
    const br_allocate_args *a = c->l->problem->args;
    c->l->problem->passes += c->work / ((double)a->n_rows * a->width);
}

br_status br_repair_priced_chains(br_lists *lists, double *dual_C)
{
    br_status               st     = BR_OK;
    const br_allocate_args *a      = lists->problem->args;
    br_chains               c      = {0};
    double                 *side_C = NULL;

    BR_ALLOC(st, side_C, a->n_items + a->n_limits, "prices raised");
    BR_TRY(st, br_chains_open(lists, &c));
    while (c.work < WORK && improve_priced(&c))
        continue;
    if (c.work < WORK)
        take_prices(&c, dual_C);
    memcpy(side_C, dual_C, (size_t)(a->n_items + a->n_limits) * sizeof *side_C);
    br_chains_price(&c, side_C);
    meet_limits(&c, side_C);
    count_work(&c);
done:
    br_chains_close(&c);
    br_free(&side_C);
    return st;
}

br_status br_repair_chains(br_lists *lists)
{
    br_status               st        = BR_OK;
    const br_allocate_args *a         = lists->problem->args;
    int32_t                 n_without = 0; /* starts in a row from which nothing pays */
    br_chains               c         = {0};

    if (!br_repair_is_small(a))
        return BR_OK;
    BR_TRY(st, br_chains_open(lists, &c));
    while (c.work < WORK && improve(&c, -1))
        continue;
    for (int32_t i = 0; a->n_limits > 0 && c.work < WORK && n_without < c.n; i = (i + 1) % c.n)
        n_without = improve(&c, i) ? 0 : n_without + 1;
    count_work(&c);
done:
    br_chains_close(&c);
    return st;
}
