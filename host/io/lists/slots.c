/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocated a few times per job; emptied for every customer. */
#include "host/io/lists/slots.h"

#include <math.h>

#include "host/base/memory.h"

br_status br_slots_alloc(br_lists *lists, int64_t n_rows)
{
    br_status st      = BR_OK;
    int64_t   n_slots = n_rows * lists->k;

    BR_ALLOC(st, lists->n_B, n_rows, "list lengths");
    BR_ALLOC(st, lists->flags_B, n_rows, "list flags");
    BR_ALLOC(st, lists->item_BK, n_slots, "list items");
    BR_ALLOC(st, lists->score_BK, n_slots, "list scores");
    BR_ALLOC(st, lists->source_BK, n_slots, "list sources");
    BR_ALLOC(st, lists->log_propensity_BK, n_slots, "log-propensities");
    for (int32_t h = 0; h < lists->n_heads; h++)
        BR_ALLOC(st, lists->probability_BK[h], n_slots, "probabilities");
    for (int32_t t = 0; t < lists->n_terms; t++)
        BR_ALLOC(st, lists->term_BK[t], n_slots, "terms of the objective");
done:
    return st;
}

void br_slots_forget_scores(br_lists *lists, int64_t at)
{
    for (int32_t h = 0; h < lists->n_heads; h++)
        lists->probability_BK[h][at] = NAN;
    for (int32_t t = 0; t < lists->n_terms; t++)
        lists->term_BK[t][at] = NAN;
}

void br_slots_clear(br_lists *lists, int64_t from, int64_t to)
{
    for (int64_t at = from; at < to; at++) {
        lists->item_BK[at]           = -1;
        lists->score_BK[at]          = NAN;
        lists->source_BK[at]         = BR_SOURCE_NONE;
        lists->log_propensity_BK[at] = NAN;
        br_slots_forget_scores(lists, at);
    }
}
