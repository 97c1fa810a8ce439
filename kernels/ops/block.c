/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of encoders: their checks, and what they are composed of where a backend has no kernel for
 * one. Called once per layer and chunk. */
#include "kernels/check.h"
#include "kernels/ops/composed.h"

#define MAX_WIDTH ((int64_t)65536)

/* ---- self_attention -------------------------------------------------------------------------- */

static br_status check_attention_weights(const br_dev *dev, const br_self_attention_args *args)
{
    br_status            st  = BR_OK;
    const br_weight_args qkv = {args->qkv_weight_3DD, BR_PRECISION_FP32, 1, false};
    const br_weight_args out = {args->out_weight_DD, BR_PRECISION_FP32, 1, false};

    BR_TRY(st, br_check_prepared(dev, "self_attention", args->qkv_prepared, &qkv));
    BR_TRY(st, br_check_prepared(dev, "self_attention", args->out_prepared, &out));
    if (br_prepared_precision(args->qkv_prepared) != br_prepared_precision(args->out_prepared))
        BR_FAIL(st, BR_E_SELFCHECK, "self_attention: weights prepared in two precisions");
done:
    return st;
}

static br_status check_self_attention(const br_dev *dev, const br_self_attention_args *args)
{
    br_status     st      = BR_OK;
    int64_t       n_rows  = args->seqs->n_events;
    int64_t       width   = args->x_ED.n_cols;
    bool          has_pad = args->pad_key_1D.buf != NULL || args->pad_value_1D.buf != NULL;
    br_presence   pad     = has_pad ? BR_MUST : BR_MAY;
    br_presence   before  = args->before_gamma_1D.buf != NULL ? BR_MUST : BR_MAY;
    const br_want wants[] = {
        {"x_ED", args->x_ED, BR_F32, n_rows, BR_ANY, BR_MUST},
        {"before_gamma_1D", args->before_gamma_1D, BR_F32, 1, width, BR_MAY},
        {"before_beta_1D", args->before_beta_1D, BR_F32, 1, width, before},
        {"qkv_weight_3DD", args->qkv_weight_3DD, BR_F32, 3 * width, width, BR_MUST},
        {"qkv_bias_13D", args->qkv_bias_13D, BR_F32, 1, 3 * width, BR_MAY},
        {"pad_key_1D", args->pad_key_1D, BR_F32, 1, width, pad},
        {"pad_value_1D", args->pad_value_1D, BR_F32, 1, width, pad},
        {"out_weight_DD", args->out_weight_DD, BR_F32, width, width, BR_MUST},
        {"out_bias_1D", args->out_bias_1D, BR_F32, 1, width, BR_MAY},
        {"qkv_E3D", args->qkv_E3D, BR_F32, n_rows, 3 * width, BR_MUST},
        {"mixed_ED", args->mixed_ED, BR_F32, n_rows, width, BR_MUST},
        {"out_ED", args->out_ED, BR_F32, n_rows, width, BR_MUST},
    };

    BR_TRY(st, br_check_range("self_attention", "max_length", args->max_length, 1, INT32_MAX - 1));
    BR_TRY(st, br_check_seqs(dev, "self_attention", args->seqs, args->max_length));
    BR_TRY(st, BR_CHECK_VIEWS(dev, "self_attention", wants));
    BR_TRY(st, br_check_range("self_attention", "columns of x_ED", width, 1, MAX_WIDTH / 3));
    BR_TRY(st, br_check_range("self_attention", "n_heads", args->n_heads, 1, width));
    if (width % args->n_heads != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "self_attention: %lld columns do not split into %d heads",
                (long long)width, (int)args->n_heads);
    BR_TRY(st, br_check_eps("self_attention", args->eps));
    BR_TRY(st, check_attention_weights(dev, args));
done:
    return st;
}

br_status br_self_attention_composed(br_dev *dev, const br_self_attention_args *args)
{
    br_status          st     = BR_OK;
    bool               is_own = args->before_gamma_1D.buf != NULL;
    br_layer_norm_args before = {.x_RD     = args->x_ED,
                                 .gamma_1D = args->before_gamma_1D,
                                 .beta_1D  = args->before_beta_1D,
                                 .eps      = args->eps,
                                 .out_RD   = args->mixed_ED};
    br_linear_args     qkv    = {.x_RI      = is_own ? args->mixed_ED : args->x_ED,
                                 .weight_OI = args->qkv_weight_3DD,
                                 .bias_1O   = args->qkv_bias_13D,
                                 .out_RO    = args->qkv_E3D,
                                 .prepared  = args->qkv_prepared};
    br_attention_args  mix    = {.seqs         = args->seqs,
                                 .qkv_E3D      = args->qkv_E3D,
                                 .pad_key_1D   = args->pad_key_1D,
                                 .pad_value_1D = args->pad_value_1D,
                                 .n_heads      = args->n_heads,
                                 .max_length   = args->max_length,
                                 .out_ED       = args->mixed_ED,
                                 .precision    = br_prepared_precision(args->qkv_prepared)};
    br_linear_args     out    = {.x_RI        = args->mixed_ED,
                                 .weight_OI   = args->out_weight_DD,
                                 .bias_1O     = args->out_bias_1D,
                                 .residual_RO = args->x_ED,
                                 .out_RO      = args->out_ED,
                                 .prepared    = args->out_prepared};

    if (is_own)
        BR_TRY(st, dev->table->layer_norm(dev, &before));
    BR_TRY(st, dev->table->linear(dev, &qkv));
    BR_TRY(st, dev->table->attention(dev, &mix));
    BR_TRY(st, dev->table->linear(dev, &out));
done:
    return st;
}

br_status br_op_self_attention(br_dev *dev, const br_self_attention_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "self_attention: no arguments");
    BR_TRY(st, check_self_attention(dev, args));
    if (dev->table->self_attention != NULL)
        BR_TRY(st, dev->table->self_attention(dev, args));
    else
        BR_TRY(st, br_self_attention_composed(dev, args));
done:
    return st;
}

/* ---- feed_forward ---------------------------------------------------------------------------- */

static br_status check_feed_forward_weights(const br_dev *dev, const br_feed_forward_args *args)
{
    br_status            st    = BR_OK;
    const br_weight_args inner = {args->inner_weight_ID, BR_PRECISION_FP32, 1, false};
    const br_weight_args outer = {args->outer_weight_DI, BR_PRECISION_FP32, 1, false};

    BR_TRY(st, br_check_prepared(dev, "feed_forward", args->inner_prepared, &inner));
    BR_TRY(st, br_check_prepared(dev, "feed_forward", args->outer_prepared, &outer));
    if (br_prepared_precision(args->inner_prepared) != br_prepared_precision(args->outer_prepared))
        BR_FAIL(st, BR_E_SELFCHECK, "feed_forward: weights prepared in two precisions");
done:
    return st;
}

static br_status check_feed_forward(const br_dev *dev, const br_feed_forward_args *args)
{
    br_status     st      = BR_OK;
    int64_t       n_rows  = args->x_RD.n_rows;
    int64_t       width   = args->x_RD.n_cols;
    int64_t       inner   = args->inner_weight_ID.n_rows;
    br_presence   before  = args->before_gamma_1D.buf != NULL ? BR_MUST : BR_MAY;
    br_presence   after   = args->after_gamma_1D.buf != NULL ? BR_MUST : BR_MAY;
    bool          is_half = br_prepared_precision(args->inner_prepared) == BR_PRECISION_BF16;
    br_dtype      dtype   = is_half && args->inner_RI.dtype == BR_BF16 ? BR_BF16 : BR_F32;
    const br_want wants[] = {
        {"x_RD", args->x_RD, BR_F32, BR_ANY, BR_ANY, BR_MUST},
        {"before_gamma_1D", args->before_gamma_1D, BR_F32, 1, width, BR_MAY},
        {"before_beta_1D", args->before_beta_1D, BR_F32, 1, width, before},
        {"after_gamma_1D", args->after_gamma_1D, BR_F32, 1, width, BR_MAY},
        {"after_beta_1D", args->after_beta_1D, BR_F32, 1, width, after},
        {"inner_weight_ID", args->inner_weight_ID, BR_F32, BR_ANY, width, BR_MUST},
        {"inner_bias_1I", args->inner_bias_1I, BR_F32, 1, inner, BR_MAY},
        {"outer_weight_DI", args->outer_weight_DI, BR_F32, width, inner, BR_MUST},
        {"outer_bias_1D", args->outer_bias_1D, BR_F32, 1, width, BR_MAY},
        {"normed_RD", args->normed_RD, BR_F32, n_rows, width, args->adds_x ? BR_MUST : BR_MAY},
        {"inner_RI", args->inner_RI, dtype, n_rows, inner, BR_MUST},
        {"out_RD", args->out_RD, BR_F32, n_rows, width, BR_MUST},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "feed_forward", wants));
    BR_TRY(st, br_check_range("feed_forward", "columns of x_RD", width, 1, MAX_WIDTH));
    BR_TRY(st, br_check_range("feed_forward", "rows of inner_weight_ID", inner, 1, MAX_WIDTH));
    BR_TRY(st, br_check_range("feed_forward", "activation", args->activation, BR_ACT_NONE,
                              BR_ACT_SILU));
    BR_TRY(st, br_check_eps("feed_forward", args->eps));
    BR_TRY(st, check_feed_forward_weights(dev, args));
done:
    return st;
}

br_status br_feed_forward_composed(br_dev *dev, const br_feed_forward_args *args)
{
    br_status          st     = BR_OK;
    bool               is_own = args->before_gamma_1D.buf != NULL; /* y is another matrix than x */
    br_mat             y = !is_own ? args->x_RD : args->adds_x ? args->normed_RD : args->out_RD;
    br_layer_norm_args before = {.x_RD     = args->x_RD,
                                 .gamma_1D = args->before_gamma_1D,
                                 .beta_1D  = args->before_beta_1D,
                                 .eps      = args->eps,
                                 .out_RD   = y};
    br_layer_norm_args after  = {.x_RD     = args->out_RD,
                                 .gamma_1D = args->after_gamma_1D,
                                 .beta_1D  = args->after_beta_1D,
                                 .eps      = args->eps,
                                 .out_RD   = args->out_RD};
    br_linear_args     inner  = {.x_RI       = y,
                                 .weight_OI  = args->inner_weight_ID,
                                 .bias_1O    = args->inner_bias_1I,
                                 .activation = args->activation,
                                 .out_RO     = args->inner_RI,
                                 .prepared   = args->inner_prepared};
    br_linear_args     outer  = {.x_RI        = args->inner_RI,
                                 .weight_OI   = args->outer_weight_DI,
                                 .bias_1O     = args->outer_bias_1D,
                                 .residual_RO = args->adds_x ? args->x_RD : y,
                                 .out_RO      = args->out_RD,
                                 .prepared    = args->outer_prepared};

    if (is_own)
        BR_TRY(st, dev->table->layer_norm(dev, &before));
    BR_TRY(st, dev->table->linear(dev, &inner));
    BR_TRY(st, dev->table->linear(dev, &outer));
    if (args->after_gamma_1D.buf != NULL)
        BR_TRY(st, dev->table->layer_norm(dev, &after));
done:
    return st;
}

br_status br_op_feed_forward(br_dev *dev, const br_feed_forward_args *args)
{
    br_status st = BR_OK;

    if (args == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "feed_forward: no arguments");
    BR_TRY(st, check_feed_forward(dev, args));
    if (dev->table->feed_forward != NULL)
        BR_TRY(st, dev->table->feed_forward(dev, args));
    else
        BR_TRY(st, br_feed_forward_composed(dev, args));
done:
    return st;
}
