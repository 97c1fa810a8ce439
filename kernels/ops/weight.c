/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights prepared once per model, and the check that an op got those of its own view. */
#include "kernels/check.h"

br_status br_weight_prepare(br_dev *dev, const br_weight_args *args, br_prepared **out)
{
    br_status     st      = BR_OK;
    br_prepared  *weight  = NULL;
    const br_want wants[] = {
        {"weight_OI", args->weight_OI, BR_F32, BR_ANY, BR_ANY, BR_MUST},
    };

    *out = NULL;
    BR_TRY(st, BR_CHECK_VIEWS(dev, "weight_prepare", wants));
    BR_TRY(st,
           br_check_range("weight_prepare", "n_blocks", args->n_blocks, 1, args->weight_OI.n_rows));
    if (args->weight_OI.n_rows % args->n_blocks != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "weight_prepare: %lld rows do not split into %d blocks",
                (long long)args->weight_OI.n_rows, (int)args->n_blocks);
    BR_TRY(st, br_check_range("weight_prepare", "precision", args->precision, BR_PRECISION_FP32,
                              BR_PRECISION_BF16));
    BR_ALLOC(st, weight, 1, "prepared weight");
    *weight = (br_prepared){.table = dev->table, .of = *args};
    if (dev->table->weight_prepare != NULL)
        BR_TRY(st, dev->table->weight_prepare(dev, weight));
    *out   = weight;
    weight = NULL;
done:
    br_prepared_free(&weight);
    return st;
}

void br_prepared_free(br_prepared **weight)
{
    if (*weight == NULL)
        return;
    if ((*weight)->table->weight_release != NULL)
        (*weight)->table->weight_release(*weight);
    br_free(weight);
}

br_status br_check_prepared(const br_dev *dev, const char *op, const br_prepared *weight,
                            const br_weight_args *want)
{
    const br_mat *view = &want->weight_OI;
    br_mat        own;

    if (weight == NULL)
        return BR_OK;
    own = weight->of.weight_OI;
    if (weight->table == dev->table && own.buf == view->buf && own.offset == view->offset &&
        own.n_rows == view->n_rows && own.n_cols == view->n_cols && own.ld == view->ld &&
        weight->of.n_blocks == want->n_blocks && weight->of.is_transposed == want->is_transposed)
        return BR_OK;
    return br_fail(BR_E_SELFCHECK, "%s: a prepared weight is of another matrix, in %d blocks", op,
                   (int)weight->of.n_blocks);
}
