/* SPDX-License-Identifier: Apache-2.0
 *
 * Worlds whose truth is known by enumeration: lists of 3 of 6 items, logged by one Plackett-Luce
 * policy, to be valued for another. */
#ifndef BR_TESTS_HOST_DECIDE_SHOWN_WORLD_H
#define BR_TESTS_HOST_DECIDE_SHOWN_WORLD_H

#include "host/decide/estimate/estimate.h"

#define N     6
#define K     3
#define LISTS 1500
#define ROWS  (LISTS * K)
#define SEED  20261128

/* Who draws a slot, and what its reward depends on. */
typedef enum { WORLD_SLOT, WORLD_ABOVE, WORLD_BELOW } world;

/* A log of LISTS lists, and what else an estimate takes. */
typedef struct sample {
    br_shown_log log;
    int64_t      first_L1[LISTS + 1];
    bool         is_kept_L[LISTS];
    int32_t      stratum_L[LISTS], position_R[ROWS];
    double       log_propensity_R[ROWS], reward_R[ROWS], log_target_R[ROWS], weight_R[ROWS];
    double       model_R[ROWS], value_L[LISTS];
} sample;

sample          *make_sample(void); /* free() it */
/* New draws of the whole log. */
void             seed_draws(uint64_t seed);
void             fill(sample *s, world w);
/* What the target earns per list. */
double           truth_of(world w);
/* Everything, in one form; the weights of s are made for it. */
br_estimate_args args_of(sample *s, br_form form);

#endif
