/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's description, as model.json states it (docs/FORMATS.md): plain data, filled once by
 * whoever reads the bundle, copied by br_model_create. */
#ifndef BR_MODELS_SPEC_H
#define BR_MODELS_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"

#define BR_NAME_BYTES        64
#define BR_TENSOR_NAME_BYTES 160
#define BR_MAX_MODALITIES    16
#define BR_MAX_HEADS         16
#define BR_MAX_PERIODS       64
#define BR_MAX_STATICS       64
#define BR_MAX_AGGREGATES    256

typedef enum { BR_ENCODER_ATTENTION, BR_ENCODER_GRU, BR_ENCODER_DECAY } br_encoder_kind;

/* Where the weights were trained decides names, norms, positions and padding (encoders.md 4.1).
 * RECBOLE also names the GRU4Rec layout; decay has one form only (RECBOLE). */
typedef enum {
    BR_VARIANT_RECBOLE,
    BR_VARIANT_PMIXER_A,
    BR_VARIANT_PMIXER_B,
    BR_VARIANT_PMIXER_C_POST,
    BR_VARIANT_PMIXER_C_PRE
} br_variant;

/* One modality and the encoder that reads it. */
typedef struct br_encoder_spec {
    char            name[BR_NAME_BYTES];              /* the modality, as in /timeline/<name> */
    char            vocabulary[BR_NAME_BYTES];        /* group of vocabulary.h5 */
    char            prefix[BR_NAME_BYTES];            /* put before every tensor name */
    char            item_table[BR_TENSOR_NAME_BYTES]; /* full tensor name */
    br_encoder_kind kind;
    br_variant      variant;
    int32_t         max_length; /* the last max_length events are read */
    int32_t         dim;        /* D, width of the embeddings */
    int32_t         out_dim;    /* width of s_u: D, GRU E or H, decay D * n_half_lives */
    int32_t         n_layers;
    int32_t         n_heads;
    int32_t         inner;     /* width inside the feed-forward */
    int32_t         hidden;    /* GRU: H */
    bool            has_bias;  /* GRU: bias_ih and bias_hh exist */
    bool            has_dense; /* GRU: dense.{weight,bias} after the last state */
    br_activation   activation;
    double          eps;
    int32_t         n_gaps;       /* rows of gap_embedding.weight, 0: absent */
    int32_t         n_types;      /* rows of type_embedding.weight, 0: absent */
    bool            has_constant; /* modality_embedding.weight [1, D] */
    int32_t         n_half_lives;
    double          half_life_s[BR_MAX_HALF_LIVES];
} br_encoder_spec;

typedef struct br_static_spec {
    char    name[BR_NAME_BYTES];
    int32_t n_rows; /* rows of static.<name>.weight; row 0: missing or unknown category */
    int32_t dim;
} br_static_spec;

typedef struct br_aggregate_spec {
    char   name[BR_NAME_BYTES];
    double mean;
    double std; /* > 0 */
} br_aggregate_spec;

/* ITEM: a probability per customer and item, by a bilinear logit. SURVIVAL: hazards of periods
 * after as_of, per customer. PAIR: as ITEM, by a small network on the pair (q_psi, eq. 5). */
typedef enum { BR_HEAD_ITEM, BR_HEAD_SURVIVAL, BR_HEAD_PAIR } br_head_kind;

typedef struct br_head_spec {
    char           name[BR_NAME_BYTES];
    br_head_kind   kind;
    int32_t        n_periods;     /* SURVIVAL: P */
    int64_t        period_s;      /* SURVIVAL: length of each */
    br_link        link;          /* SURVIVAL: logistic */
    bool           has_item_bias; /* ITEM, PAIR: head.<name>.item_bias [V] */
    int32_t        n_hidden;      /* PAIR: hidden layers, 1..BR_MAX_PAIR_LAYERS */
    int32_t        hidden[BR_MAX_PAIR_LAYERS];
    br_calibration calibration;
    double         platt_a;
    double         platt_b;
    int32_t        n_points;
    float         *knot_P2; /* owned by the spec's owner */
} br_head_spec;

typedef struct br_model_spec {
    char              name[BR_NAME_BYTES];
    char              version[BR_NAME_BYTES];
    int32_t           dim;                              /* D of x_u and z_i */
    char              item_vocabulary[BR_NAME_BYTES];   /* its keys are catalogue keys */
    char              item_table[BR_TENSOR_NAME_BYTES]; /* z_i, [V, D]; "" when the catalogue
                                                           brings the vectors */
    char              item_bias[BR_TENSOR_NAME_BYTES];  /* b_i, [V]; "" none */
    int32_t           n_encoders;
    br_encoder_spec   encoder[BR_MAX_MODALITIES];
    bool              is_fused; /* false: one encoder, x_u = s_u */
    int32_t           n_statics;
    br_static_spec    statics[BR_MAX_STATICS];
    int32_t           n_aggregates;
    br_aggregate_spec aggregate[BR_MAX_AGGREGATES];
    double            fusion_eps;
    int32_t           n_mlp_layers;   /* h, eq. 2: h.<l>.{weight,bias}, [D, D] */
    br_activation     mlp_activation; /* between layers, not after the last */
    bool              has_band;
    double            band_lo;
    double            band_hi;
    int32_t           n_heads;
    br_head_spec      head[BR_MAX_HEADS];
} br_model_spec;

#endif
