/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the scoring ops, then the backend's entry. Called a few times per tile of customers. */
#include "kernels/check.h"
#include "kernels/exp.h"

#define MAX_K   1024
#define MAX_DIM 1024

br_status br_items_prepare(br_dev *dev, const br_items_args *args, br_items **out)
{
    br_status     st      = BR_OK;
    br_items     *items   = NULL;
    const br_want wants[] = {
        {"item_ND", args->item_ND, BR_F32, BR_ANY, BR_ANY, BR_MUST},
        {"bias_N", args->bias_N, BR_F32, args->item_ND.n_rows, 1, BR_MAY},
        {"require_N", args->require_N, BR_U64, args->item_ND.n_rows, 1, BR_MAY},
    };

    *out = NULL;
    BR_TRY(st, BR_CHECK_VIEWS(dev, "items_prepare", wants));
    BR_TRY(st, br_check_range("items_prepare", "N", args->item_ND.n_rows, 1, INT32_MAX));
    BR_TRY(st, br_check_range("items_prepare", "D", args->item_ND.n_cols, 1, MAX_DIM));
    BR_ALLOC(st, items, 1, "prepared items");
    *items = (br_items){.table        = dev->table,
                        .item_ND      = args->item_ND,
                        .bias_N       = args->bias_N,
                        .require_N    = args->require_N,
                        .screen       = args->screen,
                        .k            = args->k,
                        .logsumexp    = args->logsumexp,
                        .is_witnessed = args->is_witnessed};
    BR_TRY(st, dev->table->items_prepare(dev, items));
    *out  = items;
    items = NULL;
done:
    br_items_free(&items);
    return st;
}

void br_items_free(br_items **items)
{
    if (*items == NULL)
        return;
    (*items)->table->items_release(*items);
    br_free(items);
}

br_status br_op_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status       st      = BR_OK;
    const br_items *items   = args->items;
    int64_t         B       = args->query_BD.n_rows;
    int64_t         S       = args->never_item_S.buf ? BR_ANY : 0;
    const br_want   wants[] = {
          {"query_BD", args->query_BD, BR_F32, B, items->item_ND.n_cols, BR_MUST},
          {"never_offset_B1", args->never_offset_B1, BR_I64, B + 1, 1, S ? BR_MUST : BR_MAY},
          {"never_item_S", args->never_item_S, BR_I32, S, 1, BR_MAY},
          {"have_B", args->have_B, BR_U64, B, 1, BR_MAY},
          {"wanted_B", args->wanted_B, BR_U8, B, 1, BR_MAY},
          {"floor_B", args->floor_B, BR_F32, B, 1, BR_MAY},
          {"item_BK", args->item_BK, BR_I32, B, args->k, BR_MUST},
          {"score_BK", args->score_BK, BR_F32, B, args->k, BR_MUST},
          {"logsumexp_B", args->logsumexp_B, BR_F32, B, 1, BR_MAY},
    };

    args->bad_row = args->bad_item = -1;
    args->n_slow = args->n_second = args->n_rescored = 0;
    args->witness                                    = (br_witness){0};
    BR_TRY(st, br_check_range("score_topk", "k", args->k, 1, MAX_K));
    BR_TRY(st, BR_CHECK_VIEWS(dev, "score_topk", wants));
    if (items->table != dev->table)
        BR_FAIL(st, BR_E_SELFCHECK, "score_topk: items were prepared by backend %s, expected %s",
                items->table->name, dev->table->name);
    if (args->logsumexp_B.buf != NULL && items->logsumexp == BR_LSE_NONE)
        BR_FAIL(st, BR_E_SELFCHECK, "score_topk: items were not prepared for a log-sum-exp");
    if (args->logsumexp_B.buf != NULL && !(args->temperature > 0.0))
        BR_FAIL(st, BR_E_SELFCHECK, "score_topk: temperature is %g, expected > 0",
                args->temperature);
    BR_TRY(st, dev->table->score_topk(dev, args));
done:
    return st;
}

double br_exp2_fixed(double x)
{
    return br_exp2(x);
}

br_status br_op_score_pairs(br_dev *dev, const br_score_pairs_args *args)
{
    br_status     st      = BR_OK;
    int64_t       B       = args->query_BD.n_rows;
    int64_t       N       = args->item_ND.n_rows;
    const br_want wants[] = {
        {"query_BD", args->query_BD, BR_F32, B, args->item_ND.n_cols, BR_MUST},
        {"item_ND", args->item_ND, BR_F32, N, BR_ANY, BR_MUST},
        {"bias_N", args->bias_N, BR_F32, N, 1, BR_MAY},
        {"item_BK", args->item_BK, BR_I32, B, BR_ANY, BR_MUST},
        {"penalty_BK", args->penalty_BK, BR_F32, B, args->item_BK.n_cols, BR_MAY},
        {"out_BK", args->out_BK, BR_F32, B, args->item_BK.n_cols, BR_MUST},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "score_pairs", wants));
    BR_TRY(st, dev->table->score_pairs(dev, args));
done:
    return st;
}

/* Layer l of pair_mlp, the logit's last: [n_out, n_in] weights and [1, n_out] biases. */
static br_status check_pair_layer(const br_dev *dev, const br_pair_mlp_args *args, int32_t l)
{
    br_status     st      = BR_OK;
    int64_t       n_in    = l == 0 ? 3 * args->item_ND.n_cols : args->weight_OI[l - 1].n_rows;
    int64_t       n_out   = l == args->n_layers ? 1 : args->weight_OI[l].n_rows;
    const br_want wants[] = {
        {"weight_OI", args->weight_OI[l], BR_F32, n_out, n_in, BR_MUST},
        {"bias_1O", args->bias_1O[l], BR_F32, 1, n_out, BR_MUST},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "pair_mlp", wants));
    BR_TRY(st, br_check_range("pair_mlp", "outputs of a layer", n_out, 1, BR_MAX_PAIR_WIDTH));
done:
    return st;
}

br_status br_op_pair_mlp(br_dev *dev, const br_pair_mlp_args *args)
{
    br_status     st      = BR_OK;
    int64_t       B       = args->query_BD.n_rows;
    int64_t       N       = args->item_ND.n_rows;
    const br_want wants[] = {
        {"query_BD", args->query_BD, BR_F32, B, args->item_ND.n_cols, BR_MUST},
        {"item_ND", args->item_ND, BR_F32, N, BR_ANY, BR_MUST},
        {"bias_N", args->bias_N, BR_F32, N, 1, BR_MAY},
        {"item_BK", args->item_BK, BR_I32, B, BR_ANY, BR_MUST},
        {"logit_BK", args->logit_BK, BR_F32, B, args->item_BK.n_cols, BR_MUST},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "pair_mlp", wants));
    BR_TRY(st, br_check_range("pair_mlp", "D", args->item_ND.n_cols, 1, MAX_DIM));
    BR_TRY(st, br_check_range("pair_mlp", "n_layers", args->n_layers, 1, BR_MAX_PAIR_LAYERS));
    for (int32_t l = 0; l <= args->n_layers; l++)
        BR_TRY(st, check_pair_layer(dev, args, l));
    BR_TRY(st, dev->table->pair_mlp(dev, args));
done:
    return st;
}

br_status br_op_calibrate(br_dev *dev, const br_calibrate_args *args)
{
    br_status     st      = BR_OK;
    bool          is_iso  = args->calibration == BR_CALIBRATION_ISOTONIC;
    const br_want wants[] = {
        {"logit_BK", args->logit_BK, BR_F32, BR_ANY, BR_ANY, BR_MUST},
        {"knot_P2", args->knot_P2, BR_F32, is_iso ? args->n_points : 0, 2,
         is_iso ? BR_MUST : BR_MAY},
    };

    if (is_iso)
        BR_TRY(st, br_check_range("calibrate", "n_points", args->n_points, 1, INT32_MAX));
    BR_TRY(st, BR_CHECK_VIEWS(dev, "calibrate", wants));
    BR_TRY(st, dev->table->calibrate(dev, args));
done:
    return st;
}
