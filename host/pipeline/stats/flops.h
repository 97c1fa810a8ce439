/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic that the stages do, counted from shapes (a multiply-add is 2 flop). With the last
 * layer's shortcut: what is done, not what a padded implementation would do. */
#ifndef BR_HOST_PIPELINE_STATS_FLOPS_H
#define BR_HOST_PIPELINE_STATS_FLOPS_H

#include <stdint.h>

#include "host/pipeline/setup/setup.h"

double br_flops_encode(const br_encoder_spec *encoder, int64_t n_rows, const int64_t *offset_B1);
double br_flops_fuse(const br_model_spec *spec, int64_t n_rows);
double br_flops_score(int64_t n_rows, int64_t n_items, int32_t dim, int32_t n_heads);
/* Pair heads: of listed items, and of the candidates that an objective ranks again by them. */
double br_flops_pairs(const br_setup *setup, int64_t n_rows);
double br_flops_hazards(int64_t n_rows, int32_t dim, int32_t n_periods);

#endif
