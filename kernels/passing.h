/* SPDX-License-Identifier: Apache-2.0
 *
 * How many items a screen lets pass: what the planners of score_topk on cpu and cuda weigh. A
 * matter of speed alone. */
#ifndef BR_KERNELS_PASSING_H
#define BR_KERNELS_PASSING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BR_PASSING_SAMPLE 2048 /* items, at most */
#define BR_USUAL_K        100  /* where k is not known */

/* A fair sample of a catalogue, on the host. */
typedef struct br_passing {
    const float *const *item_S; /* [n] vectors of D values */
    int64_t             n;      /* 1..BR_PASSING_SAMPLE */
    int64_t             D;
    int64_t             N; /* items of the catalogue */
    int32_t             k; /* how long lists are; 0: not known */
} br_passing;

/* Items of the catalogue that pass a screen whose codes lose `loss` of each vector, for a list of
 * k; items stand in for customers. k where loss is 0. */
double br_passing_count(const br_passing *sample, double loss);

#ifdef __cplusplus
}
#endif

#endif
