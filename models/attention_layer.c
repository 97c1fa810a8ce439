/* SPDX-License-Identifier: Apache-2.0
 *
 * One block of the SASRec family in its three forms: after attention and feed-forward comes a norm
 * (recbole, pmixer_c_post), before them (pmixer_c_pre), or before the query and before the
 * feed-forward only (pmixer_a, pmixer_b). Called once per layer and chunk. */
#include <math.h>

#include "models/encoder.h"

static br_status norm(const br_attention_call *c, const br_norm *norm, br_mat x, br_mat out)
{
    const br_layer_norm_args args = {.x_RD     = x,
                                     .gamma_1D = norm->gamma_1D,
                                     .beta_1D  = norm->beta_1D,
                                     .eps      = c->encoder->spec->eps,
                                     .out_RD   = out};
    return br_op_layer_norm(c->lane, &args);
}

/* The input projection, or the part of it that `which` names. */
static br_status project(const br_attention_call *c, br_attention_prepared which, br_mat x,
                         br_mat out)
{
    int64_t              dim     = c->encoder->spec->dim;
    int64_t              part    = which == BR_PREPARED_KEY_VALUE ? 1 : 0;
    int64_t              n_parts = out.n_cols / dim;
    const br_linear_args args    = {
           .x_RI      = x,
           .weight_OI = br_mat_rows(c->layer->qkv_weight_3DD, part * dim, n_parts * dim),
           .bias_1O   = br_mat_cols(c->layer->qkv_bias_13D, part * dim, n_parts * dim),
           .out_RO    = out,
           .prepared  = c->layer->prepared[which]};
    return br_op_linear(c->lane, &args);
}

/* state += W mixed + b */
static br_status project_out(const br_attention_call *c, br_mat mixed, br_mat state)
{
    const br_linear_args args = {.x_RI        = mixed,
                                 .weight_OI   = c->layer->out_weight_DD,
                                 .bias_1O     = c->layer->out_bias_1D,
                                 .residual_RO = state,
                                 .out_RO      = state,
                                 .prepared    = c->layer->prepared[BR_PREPARED_OUT]};
    return br_op_linear(c->lane, &args);
}

/* What follows attention, in place: `x` holds residual + attention; `spare` is as wide. */
static br_status finish_block(const br_attention_call *c, br_mat x, br_mat spare, br_mat inner)
{
    const br_attention_layer  *layer  = c->layer;
    br_block_form              form   = br_attention_form(c->encoder->spec);
    const br_norm             *before = form == BR_FORM_POST ? &layer->att_norm : &layer->ffn_norm;
    const br_norm             *after  = form == BR_FORM_POST ? &layer->ffn_norm : &(br_norm){0};
    const br_feed_forward_args args   = {.x_RD            = x,
                                         .before_gamma_1D = before->gamma_1D,
                                         .before_beta_1D  = before->beta_1D,
                                         .after_gamma_1D  = after->gamma_1D,
                                         .after_beta_1D   = after->beta_1D,
                                         .eps             = c->encoder->spec->eps,
                                         .adds_x          = form == BR_FORM_PRE,
                                         .inner_weight_ID = layer->inner_weight_ID,
                                         .inner_bias_1I   = layer->inner_bias_1I,
                                         .activation      = c->encoder->spec->activation,
                                         .outer_weight_DI = layer->outer_weight_DI,
                                         .outer_bias_1D   = layer->outer_bias_1D,
                                         .normed_RD       = spare,
                                         .inner_RI        = inner,
                                         .out_RD          = x,
                                         .inner_prepared  = layer->prepared[BR_PREPARED_INNER],
                                         .outer_prepared  = layer->prepared[BR_PREPARED_OUTER]};

    return br_op_feed_forward(c->lane, &args);
}

br_status br_attention_embed(const br_attention_call *call, br_mat out_ED)
{
    static const br_position_rule rule[] = {
        [BR_VARIANT_RECBOLE]       = BR_POS_FROM_START,
        [BR_VARIANT_PMIXER_A]      = BR_POS_FROM_END,
        [BR_VARIANT_PMIXER_B]      = BR_POS_FROM_END_1,
        [BR_VARIANT_PMIXER_C_POST] = BR_POS_FROM_END_1,
        [BR_VARIANT_PMIXER_C_PRE]  = BR_POS_FROM_END_1,
    };
    const br_encoder      *encoder = call->encoder;
    const br_encoder_spec *s       = encoder->spec;
    float                  scale   = br_is_left_padded(s) ? (float)sqrt((double)s->dim) : 1.0f;
    br_embed_args          args    = {.seqs          = call->seqs,
                                      .item_VD       = encoder->item_VD,
                                      .scale         = scale,
                                      .position_PD   = encoder->position_PD,
                                      .position_rule = rule[s->variant],
                                      .max_length    = s->max_length,
                                      .gap_GD        = encoder->gap_GD,
                                      .type_AD       = encoder->type_AD,
                                      .constant_1D   = encoder->constant_1D,
                                      .out_ED        = out_ED};

    if (!br_is_left_padded(s)) {
        args.gamma_1D = encoder->input_norm.gamma_1D;
        args.beta_1D  = encoder->input_norm.beta_1D;
        args.eps      = s->eps;
    }
    return br_op_embed(call->lane, &args);
}

/* The first half where queries, keys and values are made of the same rows: x += ... */
static br_status attend(const br_attention_call *c, const br_attention_work *work, br_mat pad_key,
                        br_mat pad_value)
{
    const br_attention_layer *layer  = c->layer;
    bool                      is_pre = br_attention_form(c->encoder->spec) == BR_FORM_PRE;
    br_mat         qkv    = br_mat_reshape(work->work_EW, 3 * (int64_t)c->encoder->spec->dim);
    const br_norm *before = is_pre ? &layer->att_norm : &(br_norm){0};
    const br_self_attention_args args = {.seqs            = c->seqs,
                                         .x_ED            = work->x_ED,
                                         .before_gamma_1D = before->gamma_1D,
                                         .before_beta_1D  = before->beta_1D,
                                         .eps             = c->encoder->spec->eps,
                                         .qkv_weight_3DD  = layer->qkv_weight_3DD,
                                         .qkv_bias_13D    = layer->qkv_bias_13D,
                                         .pad_key_1D      = pad_key,
                                         .pad_value_1D    = pad_value,
                                         .n_heads         = c->encoder->spec->n_heads,
                                         .max_length      = c->max_length,
                                         .out_weight_DD   = layer->out_weight_DD,
                                         .out_bias_1D     = layer->out_bias_1D,
                                         .qkv_E3D         = qkv,
                                         .mixed_ED        = work->y_ED,
                                         .out_ED          = work->x_ED,
                                         .qkv_prepared    = layer->prepared[BR_PREPARED_QKV],
                                         .out_prepared    = layer->prepared[BR_PREPARED_OUT]};

    return br_op_self_attention(c->lane, &args);
}

/* The same where queries are made of normed rows, which carry on: x becomes them. */
static br_status attend_by_query(const br_attention_call *c, br_attention_work *work,
                                 br_mat pad_key, br_mat pad_value)
{
    br_status         st   = BR_OK;
    int64_t           dim  = c->encoder->spec->dim;
    br_mat            qkv  = br_mat_reshape(work->work_EW, 3 * dim);
    br_mat            x_ED = work->x_ED;
    br_attention_args args = {.seqs         = c->seqs,
                              .qkv_E3D      = qkv,
                              .pad_key_1D   = pad_key,
                              .pad_value_1D = pad_value,
                              .n_heads      = c->encoder->spec->n_heads,
                              .max_length   = c->max_length,
                              .out_ED       = x_ED,
                              .precision    = c->encoder->precision};

    BR_TRY(st, norm(c, &c->layer->att_norm, x_ED, work->y_ED));
    BR_TRY(st, project(c, BR_PREPARED_QUERY, work->y_ED, br_mat_cols(qkv, 0, dim)));
    BR_TRY(st, project(c, BR_PREPARED_KEY_VALUE, x_ED, br_mat_cols(qkv, dim, 2 * dim)));
    BR_TRY(st, br_op_attention(c->lane, &args));
    work->x_ED = work->y_ED;
    work->y_ED = x_ED;
    BR_TRY(st, project_out(c, work->y_ED, work->x_ED));
done:
    return st;
}

br_status br_attention_block(const br_attention_call *call, br_attention_work *work)
{
    br_status              st = BR_OK;
    const br_encoder_spec *s  = call->encoder->spec;
    br_mat inner              = br_mat_operand(work->work_EW, s->inner, call->encoder->precision);
    br_mat pad_key = {0}, pad_value = {0};

    if (call->has_pad) {
        pad_key   = br_mat_rows(call->layer->pad_kv_2D, 0, 1);
        pad_value = br_mat_rows(call->layer->pad_kv_2D, 1, 1);
    }
    if (br_attention_form(s) == BR_FORM_QUERY)
        BR_TRY(st, attend_by_query(call, work, pad_key, pad_value));
    else
        BR_TRY(st, attend(call, work, pad_key, pad_value));
    BR_TRY(st, finish_block(call, work->x_ED, work->y_ED, inner));
done:
    return st;
}

br_status br_attention_block_last(const br_attention_call *call, const br_attention_work *work,
                                  br_mat out_BD)
{
    br_status               st   = BR_OK;
    const br_encoder_spec  *s    = call->encoder->spec;
    int64_t                 dim  = s->dim;
    br_block_form           form = br_attention_form(s);
    br_mat                  key  = br_mat_rows(call->layer->qkv_weight_3DD, dim, dim);
    br_mat                  x_ED = form == BR_FORM_PRE ? work->y_ED : work->x_ED;
    const br_last_rows_args last = {call->seqs, work->x_ED, work->last_BD};
    br_attention_last_args  args = {
         .seqs            = call->seqs,
         .query_BD        = work->query_BD,
         .x_ED            = x_ED,
         .key_weight_DD   = key,
         .key_bias_1D     = br_mat_cols(call->layer->qkv_bias_13D, dim, dim),
         .value_weight_DD = br_mat_rows(call->layer->qkv_weight_3DD, 2 * dim, dim),
         .value_bias_1D   = br_mat_cols(call->layer->qkv_bias_13D, 2 * dim, dim),
         .n_heads         = s->n_heads,
         .max_length      = call->max_length,
         .out_BD          = work->mixed_BD,
         .key_prepared    = call->layer->prepared[BR_PREPARED_KEY],
         .value_prepared  = call->layer->prepared[BR_PREPARED_VALUE]};

    if (call->has_pad)
        args.pad_x_1D = call->layer->pad_x_1D;
    BR_TRY(st, br_op_last_rows(call->lane, &last));
    if (form == BR_FORM_PRE) {
        BR_TRY(st, norm(call, &call->layer->att_norm, work->x_ED, work->y_ED));
        BR_TRY(st, norm(call, &call->layer->att_norm, work->last_BD, work->mixed_BD));
        BR_TRY(st, project(call, BR_PREPARED_QUERY, work->mixed_BD, work->query_BD));
    } else {
        if (form == BR_FORM_QUERY)
            BR_TRY(st, norm(call, &call->layer->att_norm, work->last_BD, work->last_BD));
        BR_TRY(st, project(call, BR_PREPARED_QUERY, work->last_BD, work->query_BD));
    }
    BR_TRY(st, br_op_attention_last(call->lane, &args));
    BR_TRY(st, project_out(call, work->mixed_BD, work->last_BD));
    BR_TRY(st, finish_block(call, work->last_BD, work->query_BD,
                            br_mat_operand(work->inner_BI, s->inner, call->encoder->precision)));
    if (br_is_left_padded(s)) {
        BR_TRY(st, norm(call, &call->encoder->last_norm, work->last_BD, out_BD));
    } else {
        const br_copy_rows_args copy = {.x_BD = work->last_BD, .out_BD = out_BD};
        BR_TRY(st, br_op_copy_rows(call->lane, &copy));
    }
done:
    return st;
}
