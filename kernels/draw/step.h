/* SPDX-License-Identifier: Apache-2.0
 *
 * What draw_topk is asked, of a whole catalogue or of a part, for every backend. */
#ifndef BR_KERNELS_DRAW_STEP_H
#define BR_KERNELS_DRAW_STEP_H

#include "kernels/backend.h"

/* Of a part: are its lists the best by score, not by perturbed scores? */
static inline bool br_draw_is_by_score(const br_draw_topk_args *args)
{
    return args->law == BR_DRAW_EPSILON || args->n_shortlist > 0;
}

/* Items of the whole catalogue, and where these begin there. */
static inline int64_t br_draw_n_whole(const br_draw_topk_args *args)
{
    return args->part.step == BR_DRAW_WHOLE ? args->items->item_ND.n_rows : args->part.n_items;
}

static inline int64_t br_draw_first_item(const br_draw_topk_args *args)
{
    return args->part.step == BR_DRAW_WHOLE ? 0 : args->part.first_item;
}

#endif
