/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight tables of the SASRec family (docs/FORMATS.md): RecBole's names and pmixer's. Called once
 * per encoder. */
#include "host/base/memory.h"
#include "models/encoder.h"

int32_t br_attention_n_weights(const br_encoder_spec *spec)
{
    return 8 + 20 * spec->n_layers;
}

static void declare_norm(br_weights *weights, br_norm *norm, int64_t dim, const char *prefix,
                         const char *name)
{
    br_weights_vector(weights, &norm->gamma_1D, dim, "%s%s.weight", prefix, name);
    br_weights_vector(weights, &norm->beta_1D, dim, "%s%s.bias", prefix, name);
}

static void declare_layer_norm(br_weights *weights, br_norm *norm, const br_encoder_spec *s,
                               int32_t layer, const char *name)
{
    br_weights_vector(weights, &norm->gamma_1D, s->dim, "%strm_encoder.layer.%d.%s.weight",
                      s->prefix, (int)layer, name);
    br_weights_vector(weights, &norm->beta_1D, s->dim, "%strm_encoder.layer.%d.%s.bias", s->prefix,
                      (int)layer, name);
}

static void declare_recbole(br_weights *weights, const br_encoder_spec *s, int32_t l,
                            br_attention_layer *layer)
{
    static const char *const names[] = {"query", "key", "value"};
    int32_t weight = br_weights_stack(weights, &layer->qkv_weight_3DD, 3 * (int64_t)s->dim, s->dim);
    int32_t bias   = br_weights_stack(weights, &layer->qkv_bias_13D, 1, 3 * (int64_t)s->dim);

    for (int32_t i = 0; i < 3; i++) {
        const br_part matrix = {weight, 2, i * (int64_t)s->dim, 0, s->dim, s->dim};
        const br_part vector = {bias, 1, 0, i * (int64_t)s->dim, 1, s->dim};

        br_weights_part(weights, &matrix, "%strm_encoder.layer.%d.multi_head_attention.%s.weight",
                        s->prefix, (int)l, names[i]);
        br_weights_part(weights, &vector, "%strm_encoder.layer.%d.multi_head_attention.%s.bias",
                        s->prefix, (int)l, names[i]);
    }
    br_weights_matrix(weights, &layer->out_weight_DD, s->dim, s->dim,
                      "%strm_encoder.layer.%d.multi_head_attention.dense.weight", s->prefix,
                      (int)l);
    br_weights_vector(weights, &layer->out_bias_1D, s->dim,
                      "%strm_encoder.layer.%d.multi_head_attention.dense.bias", s->prefix, (int)l);
    declare_layer_norm(weights, &layer->att_norm, s, l, "multi_head_attention.LayerNorm");
    br_weights_matrix(weights, &layer->inner_weight_ID, s->inner, s->dim,
                      "%strm_encoder.layer.%d.feed_forward.dense_1.weight", s->prefix, (int)l);
    br_weights_vector(weights, &layer->inner_bias_1I, s->inner,
                      "%strm_encoder.layer.%d.feed_forward.dense_1.bias", s->prefix, (int)l);
    br_weights_matrix(weights, &layer->outer_weight_DI, s->dim, s->inner,
                      "%strm_encoder.layer.%d.feed_forward.dense_2.weight", s->prefix, (int)l);
    br_weights_vector(weights, &layer->outer_bias_1D, s->dim,
                      "%strm_encoder.layer.%d.feed_forward.dense_2.bias", s->prefix, (int)l);
    declare_layer_norm(weights, &layer->ffn_norm, s, l, "feed_forward.LayerNorm");
}

/* A convolution of kernel 1 is a linear layer with a third dimension of 1. */
static void declare_convolution(br_weights *weights, const br_encoder_spec *s, int32_t l,
                                const char *name, br_mat *slot)
{
    const br_part part = {br_weights_stack(weights, slot, s->dim, s->dim), 3, 0, 0, s->dim, s->dim};

    br_weights_part(weights, &part, "%sforward_layers.%d.%s.weight", s->prefix, (int)l, name);
}

static void declare_pmixer(br_weights *weights, const br_encoder_spec *s, int32_t l,
                           br_attention_layer *layer)
{
    int64_t dim = s->dim;

    br_weights_vector(weights, &layer->att_norm.gamma_1D, dim, "%sattention_layernorms.%d.weight",
                      s->prefix, (int)l);
    br_weights_vector(weights, &layer->att_norm.beta_1D, dim, "%sattention_layernorms.%d.bias",
                      s->prefix, (int)l);
    br_weights_matrix(weights, &layer->qkv_weight_3DD, 3 * dim, dim,
                      "%sattention_layers.%d.in_proj_weight", s->prefix, (int)l);
    br_weights_vector(weights, &layer->qkv_bias_13D, 3 * dim, "%sattention_layers.%d.in_proj_bias",
                      s->prefix, (int)l);
    br_weights_matrix(weights, &layer->out_weight_DD, dim, dim,
                      "%sattention_layers.%d.out_proj.weight", s->prefix, (int)l);
    br_weights_vector(weights, &layer->out_bias_1D, dim, "%sattention_layers.%d.out_proj.bias",
                      s->prefix, (int)l);
    br_weights_vector(weights, &layer->ffn_norm.gamma_1D, dim, "%sforward_layernorms.%d.weight",
                      s->prefix, (int)l);
    br_weights_vector(weights, &layer->ffn_norm.beta_1D, dim, "%sforward_layernorms.%d.bias",
                      s->prefix, (int)l);
    declare_convolution(weights, s, l, "conv1", &layer->inner_weight_ID);
    declare_convolution(weights, s, l, "conv2", &layer->outer_weight_DI);
    br_weights_vector(weights, &layer->inner_bias_1I, dim, "%sforward_layers.%d.conv1.bias",
                      s->prefix, (int)l);
    br_weights_vector(weights, &layer->outer_bias_1D, dim, "%sforward_layers.%d.conv2.bias",
                      s->prefix, (int)l);
}

br_status br_attention_declare(br_encoder *encoder, br_weights *weights)
{
    br_status              st        = BR_OK;
    const br_encoder_spec *s         = encoder->spec;
    bool                   is_pmixer = br_is_left_padded(s);
    int64_t n_positions = s->max_length + (is_pmixer && s->variant != BR_VARIANT_PMIXER_A ? 1 : 0);

    br_encoder_declare_tables(encoder, weights);
    br_weights_matrix(weights, &encoder->position_PD, n_positions, s->dim, "%s%s", s->prefix,
                      is_pmixer ? "pos_emb.weight" : "position_embedding.weight");
    if (is_pmixer)
        declare_norm(weights, &encoder->last_norm, s->dim, s->prefix, "last_layernorm");
    else
        declare_norm(weights, &encoder->input_norm, s->dim, s->prefix, "LayerNorm");
    BR_ALLOC(st, encoder->attention, s->n_layers, "attention layers");
    for (int32_t l = 0; l < s->n_layers; l++) {
        if (is_pmixer)
            declare_pmixer(weights, s, l, &encoder->attention[l]);
        else
            declare_recbole(weights, s, l, &encoder->attention[l]);
    }
done:
    return st;
}
