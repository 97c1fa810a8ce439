/* SPDX-License-Identifier: Apache-2.0
 *
 * What each list adds to the sums that the estimators are made of; between the sources of
 * estimate/ only. */
#ifndef BR_HOST_DECIDE_ESTIMATE_TERMS_H
#define BR_HOST_DECIDE_ESTIMATE_TERMS_H

#include "host/decide/estimate/estimate.h"

typedef enum {
    TERM_WEIGHT,  /* sum_j w_j */
    TERM_SLOTS,   /* number of j */
    TERM_REWARD,  /* sum_j r_j */
    TERM_EARNED,  /* sum_j w_j r_j */
    TERM_CLIPPED, /* the same with clipped weights */
    TERM_MODEL,   /* sum_j w_j q_j */
    TERM_VALUE,   /* v */
    N_TERMS
} br_term;

/* Column-wise, so that what is summed together lies together. */
typedef struct br_terms {
    int64_t n; /* lists taken */
    bool    has_model;
    double *of[N_TERMS]; /* [n] each */
    double *data;
} br_terms;

br_status br_terms_take(const br_estimate_args *args, br_terms *out);
void      br_terms_free(br_terms *terms);

/* An estimator from the means of the terms. */
double br_terms_value(br_estimator which, const double mean[N_TERMS]);

/* boot_low and boot_high of each estimator that is there. BR_E_MEMORY. */
br_status br_estimate_resample(const br_terms *terms, int64_t n_boot, uint64_t seed,
                               br_estimate of[BR_N_ESTIMATORS]);

#endif
