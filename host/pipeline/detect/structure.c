/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists row by row. Called once per work unit, by the writing thread. */
#include "host/pipeline/detect/structure.h"

#include <stdio.h>

#include "host/pipeline/popularity.h"

/* Items that cannot be listed, or not for this customer. */
static bool is_allowed(const br_job *job, const br_batch *batch, int64_t b, char *what,
                       size_t what_bytes)
{
    const br_lists *lists = &batch->lists;
    const br_setup *s     = job->setup;

    for (int32_t j = 0; j < lists->n_B[b]; j++) {
        int32_t item = lists->item_BK[b * lists->k + j];
        int32_t row  = s->listed_row[item];

        if (row >= 0 && br_popularity_may_show(s, batch, b, row))
            continue;
        (void)snprintf(what, what_bytes, "slot %d: item %d %s", j, item,
                       row < 0 ? "cannot be listed"
                               : "is on the never-list, or requires what the customer lacks");
        return false;
    }
    return true;
}

br_status br_structure_look(const br_job *job, const br_batch *batch, int64_t *row, char *what,
                            size_t what_bytes)
{
    br_status st;
    int64_t   n_items = job->setup->catalogue.n_items, bad = -1;

    st = br_lists_check_rows(&batch->lists, n_items, "list", *row, &bad);
    if (st != BR_OK && st != BR_E_INPUT)
        return st;
    if (st == BR_E_INPUT)
        (void)snprintf(what, what_bytes, "%s", br_error_last()->text);
    for (int64_t b = *row; b < (bad < 0 ? batch->n_rows : bad); b++)
        if (!is_allowed(job, batch, b, what, what_bytes)) {
            *row = b;
            return BR_OK;
        }
    *row = bad;
    return BR_OK;
}
