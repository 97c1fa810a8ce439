/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of models/: what an encoder is made of, and what an architecture does with it. */
#ifndef BR_MODELS_ENCODER_H
#define BR_MODELS_ENCODER_H

#include "models/model.h"
#include "models/weights.h"

typedef struct br_norm {
    br_mat gamma_1D;
    br_mat beta_1D;
} br_norm;

/* Views of a layer's weights as they enter products: which ones, the block's form decides. */
typedef enum {
    BR_PREPARED_QKV,
    BR_PREPARED_QUERY,
    BR_PREPARED_KEY_VALUE,
    BR_PREPARED_KEY, /* the last layer's, by heads */
    BR_PREPARED_VALUE,
    BR_PREPARED_OUT,
    BR_PREPARED_INNER,
    BR_PREPARED_OUTER,
    BR_N_PREPARED
} br_attention_prepared;

typedef struct br_attention_layer {
    br_mat  qkv_weight_3DD; /* rows of the query, the key, the value */
    br_mat  qkv_bias_13D;
    br_mat  out_weight_DD;
    br_mat  out_bias_1D;
    br_norm att_norm;
    br_norm ffn_norm;
    br_mat  inner_weight_ID;
    br_mat  inner_bias_1I;
    br_mat  outer_weight_DI;
    br_mat  outer_bias_1D;
    br_mat  pad_x_1D;  /* what keys and values of a pad event are made from; left padding only */
    br_mat  pad_kv_2D; /* row 0 the key, row 1 the value */
    br_prepared *prepared[BR_N_PREPARED];
} br_attention_layer;

typedef struct br_gru_layer {
    br_mat       weight_ih_3HI;
    br_mat       weight_hh_3HH;
    br_mat       bias_ih_13H;
    br_mat       bias_hh_13H;
    br_prepared *prepared_ih;
    br_prepared *prepared_hh;
} br_gru_layer;

typedef struct br_encoder {
    const br_encoder_spec *spec;
    br_precision           precision;
    br_mat                 item_VD;
    br_mat                 position_PD;
    br_mat                 gap_GD;
    br_mat                 type_AD;
    br_mat                 constant_1D;
    br_norm                input_norm; /* recbole */
    br_norm                last_norm;  /* pmixer */
    br_attention_layer    *attention;  /* [n_layers] */
    br_gru_layer          *gru;        /* [n_layers] */
    br_mat                 dense_weight_EH;
    br_mat                 dense_bias_1E;
    br_prepared           *prepared_dense;
    br_mat                 gate_V3H; /* the first GRU layer's gates of every item; or absent */
    br_mat                 pad;      /* memory of the layers' pad views */
} br_encoder;

/* Takes scratch of a lane, or only adds up what would be taken (lane NULL): one function states
 * the buffers of a pass both for planning and for running. */
typedef struct br_taker {
    br_dev *lane;
    size_t  n_bytes;
} br_taker;
br_status br_take(br_taker *taker, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out);
br_mat    br_mat_reshape(br_mat mat, int64_t n_cols); /* the same rows, dense, of fewer columns */
/* The same, for values that only enter products: bf16 where these round to it. */
br_mat    br_mat_operand(br_mat mat, int64_t n_cols, br_precision precision);

/* One architecture. */
typedef struct br_architecture {
    int32_t (*n_weights)(const br_encoder_spec *spec);
    br_status (*declare)(br_encoder *encoder, br_weights *weights);
    br_status (*prepare)(br_encoder *encoder, br_dev *dev); /* after the upload; may be NULL */
    size_t (*scratch_bytes)(const br_encoder *encoder, int64_t n_rows, int64_t n_events);
    /* rows of empty sequences may hold anything */
    br_status (*encode)(const br_encoder *encoder, br_dev *lane, const br_seqs *seqs,
                        br_mat out_BS);
} br_architecture;
extern const br_architecture br_attention_architecture;
extern const br_architecture br_gru_architecture;
extern const br_architecture br_decay_architecture;
const br_architecture       *br_encoder_architecture(const br_encoder_spec *spec);

/* encoder.c */
void      br_encoder_declare_tables(br_encoder *encoder, br_weights *weights);
void      br_encoder_free(br_encoder *encoder);
/* Memory beside the weights: what was prepared from them. */
br_status br_encoder_visit(const br_encoder *encoder, br_resident_fn fn, void *context);

/* attention_weights.c */
int32_t   br_attention_n_weights(const br_encoder_spec *spec);
br_status br_attention_declare(br_encoder *encoder, br_weights *weights);

/* attention_layer.c: one block over all events, keys and values of pads from `layer` when it has
 * them. x_ED in and out (it may change places with y_ED); work_EW (W = max(3D, I)) is scratch. */
typedef struct br_attention_call {
    const br_encoder         *encoder;
    const br_attention_layer *layer;
    br_dev                   *lane;
    const br_seqs            *seqs;
    int32_t                   max_length;
    bool                      has_pad;
} br_attention_call;
typedef struct br_attention_work {
    br_mat x_ED;
    br_mat y_ED;
    br_mat work_EW;
    br_mat last_BD;
    br_mat query_BD;
    br_mat mixed_BD;
    br_mat inner_BI;
} br_attention_work;
br_status br_attention_embed(const br_attention_call *call, br_mat out_ED);
br_status br_attention_block(const br_attention_call *call, br_attention_work *work);
/* The last block for the last event of each sequence, and the norm behind it. */
br_status br_attention_block_last(const br_attention_call *call, const br_attention_work *work,
                                  br_mat out_BD);

/* attention_prepare.c: weights made ready for their products. */
typedef enum { BR_FORM_POST, BR_FORM_PRE, BR_FORM_QUERY } br_block_form;
br_block_form br_attention_form(const br_encoder_spec *spec);
br_status     br_attention_prepare(br_encoder *encoder, br_dev *dev);

/* attention_pad.c: states of the pad event, layer by layer. */
br_status br_attention_prepare_pads(br_encoder *encoder, br_dev *dev);

static inline bool br_is_left_padded(const br_encoder_spec *spec)
{
    return spec->variant != BR_VARIANT_RECBOLE;
}

#endif
