/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of one encoder with made-up weights, and customers with lognormal timelines, for benches.
 */
#ifndef BR_BENCH_MODELS_ENCODE_CASE_H
#define BR_BENCH_MODELS_ENCODE_CASE_H

#include "models/model.h"

#define BR_CASE_MAX_LENGTH 512

/* Timelines of B customers, packed. */
typedef struct br_case_events {
    int64_t  n_seqs;
    int32_t *offset_B1;
    int32_t *item_E;
} br_case_events;

/* sigma 0: all of the median's length */
br_status br_case_events_create(int64_t n_seqs, double median, double sigma, int64_t n_items,
                                br_case_events *out);
void      br_case_events_free(br_case_events *events);
double    br_case_mean_length(const br_case_events *events);

/* Made-up weights: item_embedding.weight first, then the encoder's in PyTorch's order. */
#define BR_CASE_MAX_TENSORS 64
typedef struct br_case_weights {
    br_tensor of[BR_CASE_MAX_TENSORS];
    int32_t   n;
} br_case_weights;
br_status br_case_weights_create(br_encoder_kind kind, int32_t dim, int64_t n_items,
                                 br_case_weights *out);
void      br_case_weights_free(br_case_weights *weights);

/* RecBole's SASRec (D, 2 layers, 2 heads, inner 4D, erf-GELU) or GRU4Rec (H = D, no dense). */
br_status br_case_model_create(br_dev *dev, br_encoder_kind kind, int32_t dim, int64_t n_items,
                               br_precision precision, br_model **out);

/* Flops of one pass as docs/MODELS.md defines it, with what the last layer leaves out left out. */
double br_case_flops(const br_model *model, const br_case_events *events);

/* Encodes everything in chunks of at most n_chunk_events (or one customer), out_BS on the host;
 * returns the processor time of the passes. The lane has scratch for them. */
typedef struct br_case_run {
    br_dev   *dev;
    br_model *model;
    br_dev   *lane;
    int64_t   n_chunk_events;
    int64_t   n_chunk_rows;
} br_case_run;
br_status br_case_run_open(br_backend backend, br_encoder_kind kind, int32_t dim, int64_t n_items,
                           br_precision precision, br_case_run *run);
void      br_case_run_close(br_case_run *run);
br_status br_case_encode(br_case_run *run, const br_case_events *events, int64_t n_seqs,
                         float *out_BS, double *cpu_s);

/* Rows whose cosine to the wanted ones is below `least`, or no number. */
int64_t br_case_count_turned(const float *got_BD, const float *want_BD, int64_t n_rows, int64_t dim,
                             double least);

#endif
