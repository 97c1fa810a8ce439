/* SPDX-License-Identifier: Apache-2.0
 *
 * Relief: slots leave what is over its bound in order of what that loses, per unit of relief. The
 * loss of a move is taken at the prices; a move whose loss has grown since goes back in line. */
#include "host/base/memory.h"
#include "host/decide/allocate/heap.h"
#include "host/decide/allocate/repair.h"

#define ITEMS (-1) /* relieve all capacities, rather than one limit */

typedef struct relief {
    br_lists *lists;
    int32_t   limit;     /* or ITEMS */
    bool      is_forced; /* drops may break other shares, which are relieved later */
    br_heap   heap;
} relief;

static bool is_over(const relief *r, int32_t item)
{
    const br_problem *p = r->lists->problem;

    if (r->limit == ITEMS)
        return r->lists->demand_N[item] > br_problem_capacity(p, item);
    return r->lists->activity_L[r->limit] > p->side_L[r->limit].bound;
}

/* How much one unit of the move relieves; <= 0: not at all. */
static double relieves(const relief *r, int32_t from, int32_t to)
{
    if (r->limit == ITEMS)
        return 1.0;
    return (double)(br_lists_coef(r->lists, r->limit, from) -
                    br_lists_coef(r->lists, r->limit, to)) /
           r->lists->problem->side_L[r->limit].scale;
}

/* The move of this slot that loses least per unit of relief; key -inf: none. */
static br_heap_entry best_move(const relief *r, int64_t row, int32_t slot)
{
    const br_lists         *l    = r->lists;
    const br_allocate_args *a    = l->problem->args;
    int32_t                 pos  = l->pos_BK[row * a->n_kept + slot];
    int32_t                 from = br_lists_item(l, row, pos);
    double                  here = br_lists_priced(l, row, pos);
    double                  unit = relieves(r, from, -1);
    br_heap_entry           best = {.key = -INFINITY, .row = row, .slot = slot, .to = -1};

    if (unit > 0.0 && (r->is_forced || br_lists_fits(l, from, -1)))
        best.key = -here / unit;
    for (int32_t m = 0; m < a->width; m++) {
        int32_t to = br_lists_item(l, row, m);
        double  key;

        if (to < 0)
            break;
        if (!br_lists_has_room(l, to) || br_lists_worth(l, row, m) <= 0.0)
            continue;
        unit = relieves(r, from, to);
        key  = unit > 0.0 ? (br_lists_priced(l, row, m) - here) / unit : -INFINITY;
        if (key > best.key && !br_lists_holds(l, row, m) && br_lists_fits(l, from, to)) {
            best.key = key;
            best.to  = m;
        }
    }
    return best;
}

/* A missing slot of a minimum share costs short_price; relief must not cost more. */
static bool is_worth_it(const relief *r, double key)
{
    const br_problem *p = r->lists->problem;

    if (r->limit == ITEMS || !p->side_L[r->limit].is_soft)
        return key > -INFINITY;
    return -key + r->lists->dual_C[p->args->n_items + r->limit] < p->short_price;
}

static br_status line_up(relief *r)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = r->lists->problem->args;

    for (int64_t b = 0; b < a->n_rows; b++)
        for (int32_t k = 0; k < a->n_kept; k++) {
            int32_t       item = br_lists_item(r->lists, b, r->lists->pos_BK[b * a->n_kept + k]);
            br_heap_entry move;

            if (item < 0 || !is_over(r, item))
                continue;
            move = best_move(r, b, k);
            if (is_worth_it(r, move.key))
                BR_TRY(st, br_heap_push(&r->heap, move));
        }
done:
    return st;
}

static br_status relieve(br_lists *lists, int32_t limit, bool is_forced)
{
    br_status     st = BR_OK;
    relief        r  = {.lists = lists, .limit = limit, .is_forced = is_forced};
    br_heap_entry move;

    BR_TRY(st, line_up(&r));
    while (br_heap_pop(&r.heap, &move)) {
        int32_t       pos = lists->pos_BK[move.row * lists->problem->args->n_kept + move.slot];
        br_heap_entry now;

        if (!is_over(&r, br_lists_item(lists, move.row, pos)))
            continue;
        now = best_move(&r, move.row, move.slot);
        if (!is_worth_it(&r, now.key))
            continue;
        if (now.key < move.key) {
            BR_TRY(st, br_heap_push(&r.heap, now));
            continue;
        }
        br_lists_move(lists, now.row, now.slot, now.to);
    }
done:
    br_heap_close(&r.heap);
    return st;
}

br_status br_repair_relieve_items(br_lists *lists)
{
    return relieve(lists, ITEMS, true);
}

br_status br_repair_relieve(br_lists *lists)
{
    br_status         st = BR_OK;
    const br_problem *p  = lists->problem;

    /* every round drops or moves a slot, and the empty lists break nothing */
    for (bool is_forced = false; br_lists_n_over(lists) > 0; is_forced = true) {
        BR_TRY(st, relieve(lists, ITEMS, is_forced));
        for (int32_t l = 0; l < p->args->n_limits; l++)
            if (!p->side_L[l].is_soft && lists->activity_L[l] > p->side_L[l].bound)
                BR_TRY(st, relieve(lists, l, is_forced));
        lists->problem->passes += 1.0;
    }
    for (int32_t l = 0; l < p->args->n_limits; l++)
        if (p->side_L[l].is_soft && lists->activity_L[l] > p->side_L[l].bound)
            BR_TRY(st, relieve(lists, l, false));
done:
    return st;
}
