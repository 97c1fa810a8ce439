/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/lists.h"

#include <string.h>

#include "host/base/memory.h"

br_status br_lists_open(br_problem *p, br_lists *lists)
{
    br_status st = BR_OK;

    *lists = (br_lists){.problem = p};
    BR_ALLOC(st, lists->pos_BK, p->args->n_rows * p->args->n_kept, "lists");
    BR_ALLOC(st, lists->demand_N, p->args->n_items, "demand");
    BR_ALLOC(st, lists->activity_L, p->args->n_limits, "left-hand sides");
done:
    return st;
}

void br_lists_close(br_lists *lists)
{
    br_free(&lists->pos_BK);
    br_free(&lists->demand_N);
    br_free(&lists->activity_L);
}

void br_lists_count(br_lists *l)
{
    const br_allocate_args *a = l->problem->args;

    memset(l->demand_N, 0, (size_t)a->n_items * sizeof *l->demand_N);
    for (int64_t b = 0; b < a->n_rows; b++)
        for (int32_t k = 0; k < a->n_kept; k++)
            if (l->pos_BK[b * a->n_kept + k] >= 0)
                l->demand_N[br_lists_item(l, b, l->pos_BK[b * a->n_kept + k])]++;
    br_problem_activity(l->problem, l->demand_N, l->activity_L);
}

bool br_lists_holds(const br_lists *l, int64_t row, int32_t pos)
{
    const int32_t  n     = l->problem->args->n_kept;
    const int32_t *pos_K = l->pos_BK + row * n;

    for (int32_t k = 0; k < n; k++)
        if (pos_K[k] == pos)
            return true;
    return false;
}

bool br_lists_fits(const br_lists *l, int32_t from, int32_t to)
{
    if (!br_lists_has_room(l, to))
        return false;
    for (int32_t s = 0; s < l->problem->args->n_limits; s++) {
        int64_t more = br_lists_coef(l, s, to) - br_lists_coef(l, s, from);

        if (more > 0 && l->activity_L[s] + more > l->problem->side_L[s].bound)
            return false;
    }
    return true;
}

void br_lists_move(br_lists *l, int64_t row, int32_t slot, int32_t to_pos)
{
    int32_t *pos  = &l->pos_BK[row * l->problem->args->n_kept + slot];
    int32_t  from = br_lists_item(l, row, *pos);
    int32_t  to   = br_lists_item(l, row, to_pos);

    if (from >= 0)
        l->demand_N[from]--;
    if (to >= 0)
        l->demand_N[to]++;
    for (int32_t s = 0; s < l->problem->args->n_limits; s++)
        l->activity_L[s] += br_lists_coef(l, s, to) - br_lists_coef(l, s, from);
    *pos = to_pos;
}

int64_t br_lists_n_over(const br_lists *l)
{
    int64_t n = 0;

    for (int32_t i = 0; i < l->problem->args->n_items; i++)
        if (l->demand_N[i] > br_problem_capacity(l->problem, i))
            n += l->demand_N[i] - br_problem_capacity(l->problem, i);
    for (int32_t s = 0; s < l->problem->args->n_limits; s++)
        n += !l->problem->side_L[s].is_soft && l->activity_L[s] > l->problem->side_L[s].bound;
    return n;
}

double br_lists_value(const br_lists *l)
{
    const br_allocate_args *a   = l->problem->args;
    double                  sum = 0.0;

    for (int64_t b = 0; b < a->n_rows; b++)
        for (int32_t k = 0; k < a->n_kept; k++)
            sum += br_lists_worth(l, b, l->pos_BK[b * a->n_kept + k]);
    for (int32_t s = 0; s < a->n_limits; s++) {
        const br_side *side = &l->problem->side_L[s];

        if (side->is_soft && l->activity_L[s] > side->bound)
            sum -= (double)(l->activity_L[s] - side->bound) / side->scale * l->problem->short_price;
    }
    return sum;
}
