/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting the customers into work units: one pass over the offsets, in blocks. Runs once. */
#include <string.h>

#include "host/base/memory.h"
#include "host/io/customers/inner.h"

#define BLOCK_ROWS ((int64_t)1 << 20)

typedef struct planner {
    int64_t   max_customers;
    int64_t   max_events;
    uint64_t *offset_B1;
    int64_t  *event_B; /* of one block of rows, over all modalities */
    int64_t  *start;
    int64_t   n_starts;
    int64_t   capacity;
    int64_t   unit_events; /* of the unit being filled */
} planner;

static br_status add_start(planner *plan, int64_t row)
{
    br_status st       = BR_OK;
    int64_t   capacity = plan->capacity == 0 ? 1024 : 2 * plan->capacity;
    int64_t  *start    = NULL;

    if (plan->n_starts == plan->capacity) {
        BR_ALLOC(st, start, capacity, "work units");
        if (plan->n_starts > 0)
            memcpy(start, plan->start, (size_t)plan->n_starts * sizeof *start);
        br_free(&plan->start);
        plan->start    = start;
        plan->capacity = capacity;
    }
    plan->start[plan->n_starts++] = row;
done:
    return st;
}

/* Checks n_rows offsets from `row` of one ragged array; adds to event_B when asked. */
static br_status scan_offsets(planner *plan, const br_customers_sets *sets, int64_t row,
                              int64_t n_rows, bool adds)
{
    br_status st = BR_OK;

    BR_TRY(st, br_h5_read(sets->offset, row, n_rows + 1, plan->offset_B1));
    BR_TRY(st, br_customers_check_offsets(sets->offset, row, sets->item->n_rows, plan->offset_B1,
                                          n_rows));
    for (int64_t i = 0; adds && i < n_rows; i++)
        plan->event_B[i] += (int64_t)(plan->offset_B1[i + 1] - plan->offset_B1[i]);
done:
    return st;
}

static br_status scan_block(planner *plan, const br_customers *c, int64_t row, int64_t n_rows)
{
    br_status st = BR_OK;

    memset(plan->event_B, 0, (size_t)n_rows * sizeof *plan->event_B);
    for (int32_t m = 0; m < c->info.n_modalities; m++)
        BR_TRY(st, scan_offsets(plan, &c->modality[m], row, n_rows, true));
    if (c->exclude.offset != NULL)
        BR_TRY(st, scan_offsets(plan, &c->exclude, row, n_rows, false));
    if (c->contact.offset != NULL)
        BR_TRY(st, scan_offsets(plan, &c->contact, row, n_rows, false));
done:
    return st;
}

static br_status cut_block(planner *plan, int64_t row, int64_t n_rows)
{
    br_status st = BR_OK;

    for (int64_t i = 0; i < n_rows; i++) {
        int64_t n_events  = plan->event_B[i];
        bool    is_first  = plan->n_starts == 0;
        int64_t n_in_unit = is_first ? 0 : row + i - plan->start[plan->n_starts - 1];
        if (is_first || n_in_unit >= plan->max_customers ||
            n_events > plan->max_events - plan->unit_events) {
            BR_TRY(st, add_start(plan, row + i));
            plan->unit_events = 0;
        }
        plan->unit_events += n_events;
    }
done:
    return st;
}

br_status br_customers_plan(br_customers *customers, int64_t max_customers, int64_t max_events,
                            int64_t **start, int64_t *n_units)
{
    br_status st     = BR_OK;
    int64_t   n_rows = customers->info.n_customers;
    int64_t   block  = n_rows < BLOCK_ROWS ? n_rows : BLOCK_ROWS;
    planner   plan   = {.max_customers = max_customers, .max_events = max_events};

    *start   = NULL;
    *n_units = 0;
    BR_ALLOC(st, plan.offset_B1, block + 1, "offsets of a block");
    BR_ALLOC(st, plan.event_B, block, "event counts of a block");
    for (int64_t row = 0; row < n_rows; row += block) {
        int64_t n_block = n_rows - row < block ? n_rows - row : block;
        BR_TRY(st, scan_block(&plan, customers, row, n_block));
        BR_TRY(st, cut_block(&plan, row, n_block));
    }
    *n_units = plan.n_starts;
    BR_TRY(st, add_start(&plan, n_rows));
    *start     = plan.start;
    plan.start = NULL;
done:
    br_free(&plan.offset_B1);
    br_free(&plan.event_B);
    br_free(&plan.start);
    return st;
}
