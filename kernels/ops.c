/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoders' ops: arguments are checked here, once, then the backend's entry runs. */
#include "kernels/check.h"

#define MAX_WIDTH ((int64_t)65536)

static br_status check_embed_norm(const br_dev *dev, const br_embed_args *args)
{
    br_status     st      = BR_OK;
    int64_t       width   = args->item_VD.n_cols;
    bool          is_on   = args->gamma_1D.buf != NULL || args->beta_1D.buf != NULL;
    const br_want wants[] = {
        {"gamma_1D", args->gamma_1D, BR_F32, 1, width, is_on ? BR_MUST : BR_MAY},
        {"beta_1D", args->beta_1D, BR_F32, 1, width, is_on ? BR_MUST : BR_MAY},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "embed", wants));
    if (is_on)
        BR_TRY(st, br_check_eps("embed", args->eps));
done:
    return st;
}

br_status br_op_embed(br_dev *dev, const br_embed_args *args)
{
    br_status      st = BR_OK;
    const br_seqs *seqs;
    int64_t        width;
    int64_t        n_positions;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "embed: no arguments");
    seqs        = args->seqs;
    width       = args->item_VD.n_cols;
    n_positions = args->position_PD.n_rows;
    BR_TRY(st, br_check_range("embed", "max_length", args->max_length, 1, INT32_MAX - 1));
    BR_TRY(st, br_check_seqs(dev, "embed", seqs, args->max_length));
    {
        const br_want wants[] = {
            {"item_E", seqs->item_E, BR_I32, seqs->n_events, 1, BR_MUST},
            {"time_E", seqs->time_E, BR_I64, seqs->n_events, 1,
             args->gap_GD.buf == NULL ? BR_MAY : BR_MUST},
            {"item_VD", args->item_VD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"position_PD", args->position_PD, BR_F32, BR_ANY, width, BR_MAY},
            {"gap_GD", args->gap_GD, BR_F32, BR_ANY, width, BR_MAY},
            {"type_AD", args->type_AD, BR_F32, BR_ANY, width, BR_MAY},
            {"constant_1D", args->constant_1D, BR_F32, 1, width, BR_MAY},
            {"out_ED", args->out_ED, BR_F32, seqs->n_events, width, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "embed", wants));
    }
    BR_TRY(st, br_check_range("embed", "columns of item_VD", width, 1, MAX_WIDTH));
    if (args->gap_GD.buf != NULL)
        BR_TRY(st, br_check_range("embed", "rows of gap_GD", args->gap_GD.n_rows, 1, INT32_MAX));
    BR_TRY(st, br_check_range("embed", "position_rule", args->position_rule, BR_POS_FROM_START,
                              BR_POS_FROM_END_1));
    if (args->position_PD.buf != NULL)
        BR_TRY(st, br_check_range("embed", "rows of position_PD", n_positions,
                                  (int64_t)args->max_length +
                                      (args->position_rule == BR_POS_FROM_END_1 ? 1 : 0),
                                  INT32_MAX));
    BR_TRY(st, check_embed_norm(dev, args));
    BR_TRY(st, dev->table->embed(dev, args));
done:
    return st;
}

br_status br_op_layer_norm(br_dev *dev, const br_layer_norm_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "layer_norm: no arguments");
    {
        int64_t       n_rows  = args->x_RD.n_rows;
        int64_t       width   = args->x_RD.n_cols;
        const br_want wants[] = {
            {"x_RD", args->x_RD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"residual_RD", args->residual_RD, BR_F32, n_rows, width, BR_MAY},
            {"gamma_1D", args->gamma_1D, BR_F32, 1, width, BR_MUST},
            {"beta_1D", args->beta_1D, BR_F32, 1, width, BR_MUST},
            {"out_RD", args->out_RD, BR_F32, n_rows, width, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "layer_norm", wants));
        BR_TRY(st, br_check_range("layer_norm", "columns of x_RD", width, 1, MAX_WIDTH));
    }
    BR_TRY(st, br_check_eps("layer_norm", args->eps));
    BR_TRY(st, dev->table->layer_norm(dev, args));
done:
    return st;
}

br_status br_op_linear(br_dev *dev, const br_linear_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "linear: no arguments");
    {
        int64_t       n_rows  = args->x_RI.n_rows;
        int64_t       n_in    = args->x_RI.n_cols;
        int64_t       n_out   = args->weight_OI.n_rows;
        bool          is_half = br_prepared_precision(args->prepared) == BR_PRECISION_BF16;
        br_dtype      x_dtype = is_half && args->x_RI.dtype == BR_BF16 ? BR_BF16 : BR_F32;
        bool          may_out = is_half && args->residual_RO.buf == NULL;
        br_dtype      y_dtype = may_out && args->out_RO.dtype == BR_BF16 ? BR_BF16 : BR_F32;
        const br_want wants[] = {
            {"x_RI", args->x_RI, x_dtype, BR_ANY, BR_ANY, BR_MUST},
            {"weight_OI", args->weight_OI, BR_F32, BR_ANY, n_in, BR_MUST},
            {"bias_1O", args->bias_1O, BR_F32, 1, n_out, BR_MAY},
            {"residual_RO", args->residual_RO, BR_F32, n_rows, n_out, BR_MAY},
            {"out_RO", args->out_RO, y_dtype, n_rows, n_out, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "linear", wants));
        BR_TRY(st, br_check_range("linear", "columns of x_RI", n_in, 1, MAX_WIDTH));
        BR_TRY(st, br_check_range("linear", "rows of weight_OI", n_out, 1, MAX_WIDTH));
    }
    BR_TRY(st, br_check_range("linear", "activation", args->activation, BR_ACT_NONE, BR_ACT_SILU));
    if (args->out_RO.buf == args->x_RI.buf && args->out_RO.offset == args->x_RI.offset)
        BR_FAIL(st, BR_E_SELFCHECK, "linear: out_RO is x_RI, expected another view");
    BR_TRY(st, br_check_prepared(dev, "linear", args->prepared,
                                 &(br_weight_args){args->weight_OI, BR_PRECISION_FP32, 1, false}));
    BR_TRY(st, dev->table->linear(dev, args));
done:
    return st;
}

/* D splits into H heads of one width, and a pad key comes with its value. */
static br_status check_heads(const char *op, int32_t n_heads, int64_t width)
{
    br_status st = BR_OK;

    BR_TRY(st, br_check_range(op, "D", width, 1, MAX_WIDTH));
    BR_TRY(st, br_check_range(op, "n_heads", n_heads, 1, width));
    if (width % n_heads != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "%s: %lld columns do not split into %d heads", op,
                (long long)width, (int)n_heads);
done:
    return st;
}

br_status br_op_attention(br_dev *dev, const br_attention_args *args)
{
    br_status      st = BR_OK;
    const br_seqs *seqs;
    int64_t        width;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "attention: no arguments");
    seqs  = args->seqs;
    width = args->out_ED.n_cols;
    BR_TRY(st, br_check_range("attention", "max_length", args->max_length, 1, INT32_MAX - 1));
    BR_TRY(st, br_check_seqs(dev, "attention", seqs, args->max_length));
    {
        bool          has_pad = args->pad_key_1D.buf != NULL || args->pad_value_1D.buf != NULL;
        br_presence   pad     = has_pad ? BR_MUST : BR_MAY;
        const br_want wants[] = {
            {"out_ED", args->out_ED, BR_F32, seqs->n_events, BR_ANY, BR_MUST},
            {"qkv_E3D", args->qkv_E3D, BR_F32, seqs->n_events, 3 * width, BR_MUST},
            {"pad_key_1D", args->pad_key_1D, BR_F32, 1, width, pad},
            {"pad_value_1D", args->pad_value_1D, BR_F32, 1, width, pad},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "attention", wants));
    }
    BR_TRY(st, check_heads("attention", args->n_heads, width));
    BR_TRY(st, dev->table->attention(dev, args));
done:
    return st;
}

br_status br_op_attention_last(br_dev *dev, const br_attention_last_args *args)
{
    br_status      st = BR_OK;
    const char    *op = "attention_last";
    const br_seqs *seqs;
    int64_t        width;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "%s: no arguments", op);
    seqs  = args->seqs;
    width = args->out_BD.n_cols;
    BR_TRY(st, br_check_range(op, "max_length", args->max_length, 1, INT32_MAX - 1));
    BR_TRY(st, br_check_seqs(dev, op, seqs, args->max_length));
    {
        const br_want wants[] = {
            {"out_BD", args->out_BD, BR_F32, seqs->n_seqs, BR_ANY, BR_MUST},
            {"query_BD", args->query_BD, BR_F32, seqs->n_seqs, width, BR_MUST},
            {"x_ED", args->x_ED, BR_F32, seqs->n_events, width, BR_MUST},
            {"key_weight_DD", args->key_weight_DD, BR_F32, width, width, BR_MUST},
            {"key_bias_1D", args->key_bias_1D, BR_F32, 1, width, BR_MAY},
            {"value_weight_DD", args->value_weight_DD, BR_F32, width, width, BR_MUST},
            {"value_bias_1D", args->value_bias_1D, BR_F32, 1, width, BR_MAY},
            {"pad_x_1D", args->pad_x_1D, BR_F32, 1, width, BR_MAY},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, op, wants));
    }
    BR_TRY(st, check_heads(op, args->n_heads, width));
    {
        const br_weight_args key   = {args->key_weight_DD, BR_PRECISION_FP32, args->n_heads, true};
        const br_weight_args value = {args->value_weight_DD, BR_PRECISION_FP32, args->n_heads,
                                      false};
        BR_TRY(st, br_check_prepared(dev, op, args->key_prepared, &key));
        BR_TRY(st, br_check_prepared(dev, op, args->value_prepared, &value));
        if (br_prepared_precision(args->key_prepared) !=
            br_prepared_precision(args->value_prepared))
            BR_FAIL(st, BR_E_SELFCHECK, "%s: key and value are of different precision", op);
    }
    BR_TRY(st, dev->table->attention_last(dev, args));
done:
    return st;
}

br_status br_op_last_rows(br_dev *dev, const br_last_rows_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "last_rows: no arguments");
    BR_TRY(st, br_check_seqs(dev, "last_rows", args->seqs, INT32_MAX));
    {
        int64_t       width   = args->out_BD.n_cols;
        const br_want wants[] = {
            {"out_BD", args->out_BD, BR_F32, args->seqs->n_seqs, BR_ANY, BR_MUST},
            {"x_ED", args->x_ED, BR_F32, args->seqs->n_events, width, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "last_rows", wants));
    }
    BR_TRY(st, dev->table->last_rows(dev, args));
done:
    return st;
}

br_status br_op_gru(br_dev *dev, const br_gru_args *args)
{
    br_status      st = BR_OK;
    const br_seqs *seqs;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "gru: no arguments");
    seqs = args->seqs;
    BR_TRY(st, br_check_seqs(dev, "gru", seqs, INT32_MAX));
    {
        int64_t       hidden  = args->weight_hh_3HH.n_cols;
        bool          by_item = args->gate_V3H.buf != NULL;
        const br_want wants[] = {
            {"weight_hh_3HH", args->weight_hh_3HH, BR_F32, 3 * hidden, BR_ANY, BR_MUST},
            {"gate_E3H", args->gate_E3H, BR_F32, seqs->n_events, 3 * hidden,
             by_item ? BR_MAY : BR_MUST},
            {"gate_V3H", args->gate_V3H, BR_F32, BR_ANY, 3 * hidden, BR_MAY},
            {"item_E", seqs->item_E, BR_I32, seqs->n_events, 1, by_item ? BR_MUST : BR_MAY},
            {"bias_hh_13H", args->bias_hh_13H, BR_F32, 1, 3 * hidden, BR_MAY},
            {"start_BH", args->start_BH, BR_F32, seqs->n_seqs, hidden, BR_MAY},
            {"state_EH", args->state_EH, BR_F32, seqs->n_events, hidden, BR_MAY},
            {"last_BH", args->last_BH, BR_F32, seqs->n_seqs, hidden, BR_MAY},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, "gru", wants));
        BR_TRY(st, br_check_range("gru", "H", hidden, 1, MAX_WIDTH));
    }
    if (args->gate_V3H.buf != NULL && args->gate_E3H.buf != NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "gru: gate_E3H and gate_V3H are both given, expected one");
    BR_TRY(st,
           br_check_prepared(dev, "gru", args->prepared,
                             &(br_weight_args){args->weight_hh_3HH, BR_PRECISION_FP32, 1, false}));
    BR_TRY(st, dev->table->gru(dev, args));
done:
    return st;
}

br_status br_op_decay_pool(br_dev *dev, const br_decay_pool_args *args)
{
    br_status      st = BR_OK;
    const char    *op = "decay_pool";
    const br_seqs *seqs;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "%s: no arguments", op);
    seqs = args->seqs;
    BR_TRY(st, br_check_seqs(dev, op, seqs, INT32_MAX));
    BR_TRY(st, br_check_range(op, "n_half_lives", args->n_half_lives, 1, BR_MAX_HALF_LIVES));
    {
        int64_t       width   = args->item_VD.n_cols;
        const br_want wants[] = {
            {"item_E", seqs->item_E, BR_I32, seqs->n_events, 1, BR_MUST},
            {"time_E", seqs->time_E, BR_I64, seqs->n_events, 1, BR_MUST},
            {"item_VD", args->item_VD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
            {"out_BJ", args->out_BJ, BR_F32, seqs->n_seqs, args->n_half_lives * width, BR_MUST},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, op, wants));
    }
    for (int32_t i = 0; i < args->n_half_lives; i++)
        if (!(args->half_life_s[i] > 0.0))
            BR_FAIL(st, BR_E_SELFCHECK, "decay_pool: half_life_s[%d] is %g, expected > 0", (int)i,
                    args->half_life_s[i]);
    BR_TRY(st, dev->table->decay_pool(dev, args));
done:
    return st;
}
