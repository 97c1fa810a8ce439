/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximal marginal relevance over the best candidates of one customer, in fp64 by fixed sums:
 *   value_i = lambda * (s_i - s_min) / (s_max - s_min) - (1 - lambda) * max over chosen c of cos_ic
 * Private to host/decide/shape. */
#ifndef BR_HOST_DECIDE_SHAPE_DIVERSITY_H
#define BR_HOST_DECIDE_SHAPE_DIVERSITY_H

#include "host/decide/shape.h"

typedef struct br_diversity br_diversity;

br_status br_diversity_create(const br_shape *shape, br_diversity **out);
void      br_diversity_destroy(br_diversity **diversity);
size_t    br_diversity_bytes(const br_shape *shape);

/* A new customer: its first min(M, window) candidates, none taken, nothing chosen. */
void    br_diversity_begin(br_diversity *d, const br_shape_input *in);
/* What similarity counts against: pins, and each candidate that was taken. */
void    br_diversity_choose(br_diversity *d, const float *vector_D);
/* Candidate i is out of the question from now on. */
void    br_diversity_drop(br_diversity *d, int64_t i);
/* The candidate of the greatest value for which fits(context, i), earliest among equals; -1: none.
 * Those that do not fit are dropped. */
int64_t br_diversity_next(br_diversity *d, bool (*fits)(void *context, int64_t i), void *context);

#endif
