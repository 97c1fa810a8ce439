/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model does: takes its description (spec.h) and its weights (named tensors in host memory)
 * and runs its forward passes, written in ops. Opens no file.
 * One file per architecture: attention.c, gru.c, decay.c; fusion.c; heads.c. */
#ifndef BR_MODELS_MODEL_H
#define BR_MODELS_MODEL_H

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/ops.h"
#include "models/spec.h"

/* A weight in host memory; rank 1..4, row-major. */
typedef struct br_tensor {
    char         name[BR_TENSOR_NAME_BYTES];
    int32_t      rank;
    int64_t      dim[4];
    const float *data;
} br_tensor;

typedef struct br_model br_model;

/* Do the parts of the spec hold together? BR_E_INPUT naming the part, found and expected. Done by
 * br_model_create too; readers of descriptions call it early. */
br_status br_model_check_spec(const br_model_spec *spec);

/* Checks that the tensors are exactly those the spec asks for (a missing one, a wrong shape, an
 * extra one: BR_E_INPUT naming it, shapes found and expected) and uploads them. The spec is copied,
 * tensors are not needed afterwards. `precision` is the encoders'; fusion and heads are fp32. */
br_status br_model_create(br_dev *dev, const br_model_spec *spec, const br_tensor *tensors,
                          int32_t n_tensors, br_precision precision, br_model **out);
void      br_model_destroy(br_model **model);
const br_model_spec *br_model_spec_of(const br_model *model);

/* Every piece of device memory that the model keeps for the run (kernels/detect/resident.h). */
br_status br_model_visit(const br_model *model, br_resident_fn fn, void *context);

/* Rows of the embedding table that the events of a modality index. */
int64_t br_model_vocabulary_rows(const br_model *model, int32_t modality);
br_mat  br_model_item_table(const br_model *model); /* [V, D], absent when item_table is "" */
br_mat  br_model_item_bias(const br_model *model);  /* [V, 1] or absent */
br_mat  br_model_head_item_bias(const br_model *model, int32_t head); /* [V, 1] or absent */

/* Bytes that a GRU encoder keeps beside its weights: the first layer's gates of every row of its
 * item table, where an event's depend on its item alone (no gaps, no types) and this is no more
 * than 1 GiB; else 0. */
int64_t br_gate_table_bytes(const br_encoder_spec *spec, int64_t n_rows);

/* Scratch that one lane needs for a chunk of at most n_rows customers and n_events events. */
size_t br_model_scratch_bytes(const br_model *model, int64_t n_rows, int64_t n_events);

/* s_u of one modality, eq. 1: out_BS (S = out_dim), zeros for an empty sequence. Sequences are at
 * most max_length long. */
br_status br_model_encode(const br_model *model, br_dev *lane, int32_t modality,
                          const br_seqs *seqs, br_mat out_BS);

/* x_u, eq. 2-3. Inputs are views of one chunk of B customers:
 *   state_BS    every modality's s_u side by side, in the order of the spec
 *   present_BM  u8, 1 where the modality has events; confidence_BM f32, mean event weight
 *   static_BC   i32 [B, n_statics] row of each static table (0: missing)
 *   aggregate_BA f32 [B, A], NaN: missing
 *   alpha_BM, gate_BM  written unless absent */
typedef struct br_fusion_args {
    br_mat state_BS;
    br_mat present_BM;
    br_mat confidence_BM;
    br_mat static_BC;
    br_mat aggregate_BA;
    br_mat out_BD;
    br_mat alpha_BM;
    br_mat gate_BM;
} br_fusion_args;
br_status br_model_fuse(const br_model *model, br_dev *lane, const br_fusion_args *args);

/* What an item head's logit is made of: W_k [D, D] on the device, and c_k (0 of a pair head). */
br_mat br_model_head_weight(const br_model *model, int32_t head);
float  br_model_head_bias(const br_model *model, int32_t head);

/* An item head's query W_k x_u, [B, D]; canonical logits of given items, c_k left out, by an item
 * head from queries, by a pair head from x_u itself (bias_N: b_ki, no penalties); probabilities
 * from these, in place. */
br_status br_model_head_query(const br_model *model, br_dev *lane, int32_t head, br_mat x_BD,
                              br_mat out_BD);
br_status br_model_head_pairs(const br_model *model, br_dev *lane, int32_t head,
                              const br_score_pairs_args *args);
br_status br_model_head_calibrate(const br_model *model, br_dev *lane, int32_t head,
                                  br_mat logit_BK);

/* A survival head's hazards of every period (eq. 17), [B, P]. Then, in host memory and in place:
 * S_p, the product of (1 - hazard) up to period p, in fp64, rounded once; from a NaN on, NaN. */
br_status br_model_head_hazards(const br_model *model, br_dev *lane, int32_t head, br_mat x_BD,
                                br_mat out_BP);
/* How far apart two ways of adding in fp32 may bring S_p: per_norm |x_u| + constant at most, by the
 * roundings of hazard logits (D + 2 each) and the steepest slope of what is made of them. */
br_status br_model_survival_error(const br_model *model, br_dev *lane, int32_t head,
                                  double *per_norm, double *constant);
void      br_survival_of_hazards(int64_t n_rows, int32_t n_periods, float *hazard_BP);

#endif
