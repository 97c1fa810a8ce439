/* SPDX-License-Identifier: Apache-2.0
 *
 * Fill: single moves that raise the value, the best by price first: a move that pays little but
 * frees an item at its capacity comes before one that blocks it. Every move raises the value, so
 * the rounds end. */
#include "host/base/memory.h"
#include "host/decide/allocate/heap.h"
#include "host/decide/allocate/repair.h"

#define ROUNDS 6

/* The best move of a row; key -inf: none. */
static br_heap_entry best_move(const br_lists *l, int64_t row)
{
    const br_allocate_args *a    = l->problem->args;
    br_heap_entry           best = {.key = -INFINITY, .row = row};

    for (int32_t k = 0; k < br_problem_length(l->problem, row); k++) {
        int32_t pos  = l->pos_BK[row * a->n_kept + k];
        int32_t end  = pos < 0 ? a->width : pos; /* better candidates stand before */
        int32_t from = br_lists_item(l, row, pos);
        double  here = br_lists_worth(l, row, pos), priced = br_lists_priced(l, row, pos);

        for (int32_t m = 0; m < end; m++) {
            int32_t to = br_lists_item(l, row, m);
            double  key;

            if (to < 0 || br_lists_worth(l, row, m) - here <= l->tiny)
                break;
            if (!br_lists_has_room(l, to))
                continue;
            key = br_lists_priced(l, row, m) - priced;
            if (key > best.key && !br_lists_holds(l, row, m) && br_lists_fits(l, from, to)) {
                best.key  = key;
                best.slot = k;
                best.to   = m;
            }
        }
    }
    return best;
}

static br_status fill_round(br_lists *lists, br_heap *heap, int64_t *n_moves)
{
    br_status     st = BR_OK;
    br_heap_entry move;

    for (int64_t b = 0; b < lists->problem->args->n_rows; b++) {
        move = best_move(lists, b);
        if (move.key > -INFINITY)
            BR_TRY(st, br_heap_push(heap, move));
    }
    while (br_heap_pop(heap, &move)) {
        br_heap_entry now = best_move(lists, move.row);

        if (now.key == -INFINITY)
            continue;
        if (now.key >= move.key) {
            br_lists_move(lists, now.row, now.slot, now.to);
            ++*n_moves;
            now = best_move(lists, move.row);
        }
        if (now.key > -INFINITY)
            BR_TRY(st, br_heap_push(heap, now));
    }
    lists->problem->passes += 1.0;
done:
    return st;
}

br_status br_repair_fill(br_lists *lists)
{
    br_status st      = BR_OK;
    br_heap   heap    = {0};
    int64_t   n_moves = 1;

    for (int32_t i = 0; i < ROUNDS && n_moves > 0; i++) {
        n_moves = 0;
        BR_TRY(st, fill_round(lists, &heap, &n_moves));
    }
done:
    br_heap_close(&heap);
    return st;
}
