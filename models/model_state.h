/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of models/: a model's parts beside its encoders. */
#ifndef BR_MODELS_MODEL_STATE_H
#define BR_MODELS_MODEL_STATE_H

#include "models/encoder.h"

typedef struct br_fusion {
    int32_t width[BR_MAX_MODALITIES]; /* of each s^(d) */
    int64_t state_width;              /* S, their sum */
    int64_t static_width;             /* sum of the static tables' widths */
    br_mat  g_weight_DS[BR_MAX_MODALITIES];
    br_mat  g_bias_1D[BR_MAX_MODALITIES];
    br_mat  z_weight_OI; /* O = M D, all modalities' gates; I = S + M */
    br_mat  z_bias_1O;
    br_mat  attention_1D;
    br_mat  default_1D;
    br_mat  static_VD[BR_MAX_STATICS];
    br_mat  static_weight_DC;
    br_mat  aggregate_weight_DF; /* F = 2A */
    br_norm norm;
    br_mat  mlp_weight_DD[BR_MAX_MLP_LAYERS];
    br_mat  mlp_bias_1D[BR_MAX_MLP_LAYERS];
    double  mean_A[BR_MAX_AGGREGATES];
    double  std_A[BR_MAX_AGGREGATES];
} br_fusion;

typedef struct br_head {
    br_mat weight_DD;
    float  bias;
    br_mat hazard_weight_PD; /* survival: instead of the two above */
    br_mat hazard_bias_1P;
    br_mat pair_weight_OI[BR_MAX_PAIR_LAYERS + 1]; /* pair: instead of weight and bias */
    br_mat pair_bias_1O[BR_MAX_PAIR_LAYERS + 1];
    br_mat item_bias_V1;
    br_mat knot_P2;
} br_head;

struct br_model {
    br_model_spec spec; /* knots are the model's own copies */
    br_weights   *weights;
    br_encoder    encoder[BR_MAX_MODALITIES];
    br_fusion     fusion;
    br_head       head[BR_MAX_HEADS];
    br_mat        item_VD;
    br_mat        item_bias_V1;
};

/* fusion.c */
int32_t br_fusion_n_weights(const br_model_spec *spec);
void    br_fusion_declare(br_model *model);
size_t  br_fusion_scratch_bytes(const br_model *model, int64_t n_rows);

/* heads.c */
int32_t   br_heads_n_weights(const br_model_spec *spec);
void      br_heads_declare(br_model *model);
br_status br_heads_upload_knots(br_model *model, br_dev *dev);

#endif
