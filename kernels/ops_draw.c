/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of draw_topk, then the backend's entry. Called once per tile of customers. */
#include "kernels/check.h"

#define MOST_LISTED 1024

static br_status check_inputs(br_dev *dev, const br_draw_topk_args *args)
{
    br_status     st       = BR_OK;
    int64_t       B        = args->query_BD.n_rows;
    int64_t       S        = args->never_item_S.buf ? BR_ANY : 0;
    int64_t       X        = args->extra_item_X.buf ? args->extra_item_X.n_rows : 0;
    bool          is_drawn = args->law == BR_DRAW_PLACKETT_LUCE;
    const br_want wants[]  = {
         {"query_BD", args->query_BD, BR_F32, B, args->items->item_ND.n_cols, BR_MUST},
         {"never_offset_B1", args->never_offset_B1, BR_I64, B + 1, 1, S ? BR_MUST : BR_MAY},
         {"never_item_S", args->never_item_S, BR_I32, S, 1, BR_MAY},
         {"have_B", args->have_B, BR_U64, B, 1, BR_MAY},
         {"temperature_B", args->temperature_B, BR_F32, B, 1, is_drawn ? BR_MUST : BR_MAY},
         {"epsilon_B", args->epsilon_B, BR_F32, B, 1, is_drawn ? BR_MAY : BR_MUST},
         {"customer_B", args->customer_B, BR_U64, B, 1, BR_MUST},
         {"extra_offset_B1", args->extra_offset_B1, BR_I64, B + 1, 1, X ? BR_MUST : BR_MAY},
         {"extra_item_X", args->extra_item_X, BR_I32, X, 1, BR_MAY},
         {"extra_score_X", args->extra_score_X, BR_F32, X, 1, X ? BR_MUST : BR_MAY},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "draw_topk", wants));
done:
    return st;
}

static br_status check_quotas(br_dev *dev, const br_draw_topk_args *args)
{
    int64_t N = args->items->item_ND.n_rows;

    if (args->quotas->table != dev->table)
        return br_fail(BR_E_SELFCHECK, "draw_topk: quotas were prepared by backend %s, expected %s",
                       args->quotas->table->name, dev->table->name);
    if (args->quotas->group_NQ.n_rows != N)
        return br_fail(BR_E_SELFCHECK, "draw_topk: quotas are of %lld items, expected %lld",
                       (long long)args->quotas->group_NQ.n_rows, (long long)N);
    return BR_OK;
}

br_status br_op_draw_topk(br_dev *dev, br_draw_topk_args *args)
{
    br_status     st      = BR_OK;
    int64_t       B       = args->query_BD.n_rows;
    const br_want wants[] = {
        {"item_BK", args->item_BK, BR_I32, B, args->k, BR_MUST},
        {"score_BK", args->score_BK, BR_F32, B, args->k, BR_MUST},
        {"log_propensity_BK", args->log_propensity_BK, BR_F32, B, args->k, BR_MUST},
        {"log_normaliser_B", args->log_normaliser_B, BR_F32, B, 1, BR_MAY},
        {"log_remaining_B", args->log_remaining_B, BR_F32, B, 1, BR_MAY},
    };

    args->bad_row = args->bad_item = -1;
    args->n_first = args->n_longer = args->n_slow = args->n_summed = 0;
    if (dev->table->draw_topk == NULL)
        BR_FAIL(st, BR_E_DEVICE, "draw_topk: not available on the %s backend yet: run.backend cpu",
                dev->table->name);
    BR_TRY(st,
           br_check_range("draw_topk", "law", args->law, BR_DRAW_PLACKETT_LUCE, BR_DRAW_EPSILON));
    BR_TRY(st, br_check_range("draw_topk", "k", args->k, 1, MOST_LISTED));
    if (args->n_shortlist != 0)
        BR_TRY(st,
               br_check_range("draw_topk", "n_shortlist", args->n_shortlist, args->k, MOST_LISTED));
    BR_TRY(st, check_inputs(dev, args));
    BR_TRY(st, BR_CHECK_VIEWS(dev, "draw_topk", wants));
    if (args->items->table != dev->table)
        BR_FAIL(st, BR_E_SELFCHECK, "draw_topk: items were prepared by backend %s, expected %s",
                args->items->table->name, dev->table->name);
    if (args->quotas != NULL)
        BR_TRY(st, check_quotas(dev, args));
    BR_TRY(st, dev->table->draw_topk(dev, args));
done:
    return st;
}
