/* SPDX-License-Identifier: Apache-2.0
 *
 * The weights of the SASRec family made ready for their products, as each block's form reads them:
 * all three input projections at once, or the query's apart; in the last layer the key's and the
 * value's by heads. Called once per encoder. */
#include "models/encoder.h"

br_block_form br_attention_form(const br_encoder_spec *spec)
{
    switch (spec->variant) {
    case BR_VARIANT_PMIXER_A:
    case BR_VARIANT_PMIXER_B:
        return BR_FORM_QUERY;
    case BR_VARIANT_PMIXER_C_PRE:
        return BR_FORM_PRE;
    case BR_VARIANT_PMIXER_C_POST:
    case BR_VARIANT_RECBOLE:
        break;
    }
    return BR_FORM_POST;
}

static br_status prepare(const br_encoder *encoder, br_dev *dev, br_mat weight_OI, int32_t n_blocks,
                         bool is_transposed, br_prepared **out)
{
    const br_weight_args args = {weight_OI, encoder->precision, n_blocks, is_transposed};

    return br_weight_prepare(dev, &args, out);
}

static br_status prepare_input(const br_encoder *encoder, br_dev *dev, bool is_last,
                               br_attention_layer *layer)
{
    br_status     st      = BR_OK;
    int64_t       dim     = encoder->spec->dim;
    int32_t       n_heads = encoder->spec->n_heads;
    br_prepared **made    = layer->prepared;
    br_mat        query   = br_mat_rows(layer->qkv_weight_3DD, 0, dim);
    br_mat        key     = br_mat_rows(layer->qkv_weight_3DD, dim, dim);
    br_mat        value   = br_mat_rows(layer->qkv_weight_3DD, 2 * dim, dim);
    br_mat        both    = br_mat_rows(layer->qkv_weight_3DD, dim, 2 * dim);

    if (!is_last && br_attention_form(encoder->spec) != BR_FORM_QUERY)
        return prepare(encoder, dev, layer->qkv_weight_3DD, 1, false, &made[BR_PREPARED_QKV]);
    BR_TRY(st, prepare(encoder, dev, query, 1, false, &made[BR_PREPARED_QUERY]));
    if (!is_last)
        return prepare(encoder, dev, both, 1, false, &made[BR_PREPARED_KEY_VALUE]);
    BR_TRY(st, prepare(encoder, dev, key, n_heads, true, &made[BR_PREPARED_KEY]));
    BR_TRY(st, prepare(encoder, dev, value, n_heads, false, &made[BR_PREPARED_VALUE]));
done:
    return st;
}

br_status br_attention_prepare(br_encoder *encoder, br_dev *dev)
{
    br_status st = BR_OK;

    for (int32_t l = 0; l < encoder->spec->n_layers; l++) {
        br_attention_layer *layer = &encoder->attention[l];
        br_prepared       **made  = layer->prepared;

        BR_TRY(st, prepare_input(encoder, dev, l + 1 == encoder->spec->n_layers, layer));
        BR_TRY(st, prepare(encoder, dev, layer->out_weight_DD, 1, false, &made[BR_PREPARED_OUT]));
        BR_TRY(st,
               prepare(encoder, dev, layer->inner_weight_ID, 1, false, &made[BR_PREPARED_INNER]));
        BR_TRY(st,
               prepare(encoder, dev, layer->outer_weight_DI, 1, false, &made[BR_PREPARED_OUTER]));
    }
    BR_TRY(st, br_attention_prepare_pads(encoder, dev));
done:
    return st;
}
