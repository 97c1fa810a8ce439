/* SPDX-License-Identifier: Apache-2.0
 *
 * Fusion's ops: arguments are checked here, once, then the backend's entry runs. */
#include "kernels/check.h"

#define MAX_WIDTH ((int64_t)65536)

br_status br_op_gather_rows(br_dev *dev, const br_gather_rows_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "gather_rows: no arguments");
    {
        int64_t       n_rows  = args->out_BD.n_rows;
        int64_t       width   = args->out_BD.n_cols;
        const br_want wants[] = {
            {"out_BD", args->out_BD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"table_VD", args->table_VD, BR_F32, BR_ANY, width, BR_MUST},
            {"row_B", args->row_B, BR_I32, n_rows, 1, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "gather_rows", wants));
    }
    BR_TRY(st, dev->table->gather_rows(dev, args));
done:
    return st;
}

br_status br_op_copy_rows(br_dev *dev, const br_copy_rows_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        return br_fail(BR_E_SELFCHECK, "copy_rows: no arguments");
    {
        int64_t       n_rows  = args->out_BD.n_rows;
        int64_t       width   = args->out_BD.n_cols;
        const br_want wants[] = {
            {"out_BD", args->out_BD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"x_BD", args->x_BD, BR_F32, n_rows, width, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "copy_rows", wants));
    }
    if (args->seqs != NULL) {
        BR_TRY(st, br_check_seqs(dev, "copy_rows", args->seqs, INT32_MAX));
        BR_TRY(st, br_check_range("copy_rows", "rows of out_BD", args->out_BD.n_rows,
                                  args->seqs->n_seqs, args->seqs->n_seqs));
    }
    BR_TRY(st, dev->table->copy_rows(dev, args));
done:
    return st;
}

br_status br_op_fuse_inputs(br_dev *dev, const br_fuse_inputs_args *args)
{
    br_status   st    = BR_OK;
    const char *op    = "fuse_inputs";
    int64_t     total = 0;

    if (args == NULL)
        return br_fail(BR_E_SELFCHECK, "fuse_inputs: no arguments");
    if (args->gate_BI.buf != NULL) {
        BR_TRY(st, br_check_range(op, "n_modalities", args->n_modalities, 1, BR_MAX_FUSED));
        for (int32_t m = 0; m < args->n_modalities; m++) {
            BR_TRY(st, br_check_range(op, "width", args->width[m], 1, INT32_MAX));
            total += args->width[m];
        }
    }
    {
        bool          has_gate = args->gate_BI.buf != NULL;
        bool          has_flag = args->flag_BF.buf != NULL;
        int64_t       n_rows   = has_gate ? args->gate_BI.n_rows : args->flag_BF.n_rows;
        int64_t       n_values = args->aggregate_BA.n_cols;
        br_presence   gate     = has_gate ? BR_MUST : BR_MAY;
        br_presence   flag     = has_flag ? BR_MUST : BR_MAY;
        const br_want wants[]  = {
             {"state_BS", args->state_BS, BR_F32, n_rows, has_gate ? total : BR_ANY, gate},
             {"present_BM", args->present_BM, BR_U8, n_rows, has_gate ? args->n_modalities : BR_ANY,
              gate},
             {"gate_BI", args->gate_BI, BR_F32, n_rows, total + args->n_modalities, gate},
             {"aggregate_BA", args->aggregate_BA, BR_F32, n_rows, BR_ANY, flag},
             {"flag_BF", args->flag_BF, BR_F32, n_rows, 2 * n_values, flag},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, op, wants));
        for (int64_t a = 0; a < n_values && has_flag; a++)
            if (!(args->std_A[a] > 0.0))
                BR_FAIL(st, BR_E_SELFCHECK, "fuse_inputs: std_A[%lld] is %g, expected > 0",
                        (long long)a, args->std_A[a]);
    }
    BR_TRY(st, dev->table->fuse_inputs(dev, args));
done:
    return st;
}

br_status br_op_fuse(br_dev *dev, const br_fuse_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "fuse: no arguments");
    BR_TRY(st, br_check_range("fuse", "n_modalities", args->n_modalities, 1, BR_MAX_FUSED));
    {
        int64_t       n_rows  = args->out_BD.n_rows;
        int64_t       width   = args->out_BD.n_cols;
        int64_t       n_fused = args->n_modalities;
        const br_want wants[] = {
            {"out_BD", args->out_BD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"g_BMD", args->g_BMD, BR_F32, n_rows, n_fused * width, BR_MUST},
            {"z_BMD", args->z_BMD, BR_F32, n_rows, n_fused * width, BR_MUST},
            {"attention_1D", args->attention_1D, BR_F32, 1, width, BR_MUST},
            {"default_1D", args->default_1D, BR_F32, 1, width, BR_MUST},
            {"present_BM", args->present_BM, BR_U8, n_rows, n_fused, BR_MUST},
            {"confidence_BM", args->confidence_BM, BR_F32, n_rows, n_fused, BR_MUST},
            {"residual_BD", args->residual_BD, BR_F32, n_rows, width, BR_MAY},
            {"alpha_BM", args->alpha_BM, BR_F32, n_rows, n_fused, BR_MAY},
            {"gate_BM", args->gate_BM, BR_F32, n_rows, n_fused, BR_MAY},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "fuse", wants));
    }
    BR_TRY(st, dev->table->fuse(dev, args));
done:
    return st;
}

static br_status check_band(const char *op, double lo, double hi)
{
    if (!(lo >= 0.0 && lo <= hi))
        return br_fail(BR_E_SELFCHECK, "%s: lo is %g and hi is %g, expected 0 <= lo <= hi", op, lo,
                       hi);
    return BR_OK;
}

br_status br_op_norm_band(br_dev *dev, br_mat x_BD, double lo, double hi)
{
    br_status     st      = BR_OK;
    const br_want wants[] = {{"x_BD", x_BD, BR_F32, BR_ANY, BR_ANY, BR_MUST}};

    BR_TRY(st, BR_CHECK_VIEWS(dev, "norm_band", wants));
    BR_TRY(st, check_band("norm_band", lo, hi));
    BR_TRY(st, dev->table->norm_band(dev, x_BD, lo, hi));
done:
    return st;
}

/* Views of no row may well begin at one place. */
static bool is_same_place(br_mat a, br_mat b)
{
    return a.n_rows > 0 && a.buf == b.buf && a.offset == b.offset;
}

static br_status check_layers(const br_dev *dev, const br_mlp_args *args)
{
    br_status st    = BR_OK;
    int64_t   width = args->x_BD.n_cols;

    BR_TRY(st, br_check_range("mlp", "n_layers", args->n_layers, 0, BR_MAX_MLP_LAYERS));
    BR_TRY(st, br_check_range("mlp", "activation", args->activation, BR_ACT_NONE, BR_ACT_SILU));
    for (int32_t l = 0; l < args->n_layers; l++) {
        const br_want wants[] = {
            {"weight_DD", args->weight_DD[l], BR_F32, width, width, BR_MUST},
            {"bias_1D", args->bias_1D[l], BR_F32, 1, width, BR_MAY},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "mlp", wants));
    }
done:
    return st;
}

br_status br_op_mlp(br_dev *dev, const br_mlp_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        return br_fail(BR_E_SELFCHECK, "mlp: no arguments");
    {
        int64_t       n_rows  = args->x_BD.n_rows;
        int64_t       width   = args->x_BD.n_cols;
        const br_want wants[] = {
            {"x_BD", args->x_BD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"gamma_1D", args->gamma_1D, BR_F32, 1, width, BR_MUST},
            {"beta_1D", args->beta_1D, BR_F32, 1, width, BR_MUST},
            {"spare_BD", args->spare_BD, BR_F32, n_rows, width, BR_MUST},
            {"out_BD", args->out_BD, BR_F32, n_rows, width, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "mlp", wants));
        BR_TRY(st, br_check_range("mlp", "columns of x_BD", width, 1, MAX_WIDTH));
    }
    BR_TRY(st, br_check_eps("mlp", args->eps));
    BR_TRY(st, check_layers(dev, args));
    if (args->has_band)
        BR_TRY(st, check_band("mlp", args->lo, args->hi));
    if (is_same_place(args->out_BD, args->x_BD) || is_same_place(args->out_BD, args->spare_BD) ||
        is_same_place(args->x_BD, args->spare_BD))
        BR_FAIL(st, BR_E_SELFCHECK, "mlp: x_BD, spare_BD and out_BD are not three views");
    BR_TRY(st, dev->table->mlp(dev, args));
done:
    return st;
}
