/* SPDX-License-Identifier: Apache-2.0
 *
 * What two backends may differ by in a customer's probabilities and survival, given one x_u: they
 * add W_k x_u in fp32 in orders of their own, and all else in fp64 (docs/DETECTORS.md). */
#ifndef BR_HOST_PIPELINE_DETECT_ROUNDINGS_H
#define BR_HOST_PIPELINE_DETECT_ROUNDINGS_H

#include "host/pipeline/job.h"

typedef struct br_roundings br_roundings;

/* Of the heads of a job on the reference backend, which must be open and outlives it. */
br_status br_roundings_open(br_job *job, br_roundings **out);
void      br_roundings_close(br_roundings **roundings);

/* The customer with x_D, whose list is the first of `lists`: its logits are made again. Called
 * before the questions below. */
br_status br_roundings_take(br_roundings *roundings, const float *x_D, const br_lists *lists);

/* The probabilities that roundings may bring about in slot j, by the i-th head of the setup, where
 * the reference found p. */
void br_roundings_of_slot(const br_roundings *roundings, int32_t i, int32_t j, double p, double *lo,
                          double *hi);
/* What S_p may differ by, at every period of every survival head. */
double br_roundings_of_survival(const br_roundings *roundings);

#endif
