/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy would have earned per list, from the log of another one (inverse propensity
 * estimators), how sure that is, and whether the log can carry a number at all. */
#ifndef BR_HOST_DECIDE_ESTIMATE_ESTIMATE_H
#define BR_HOST_DECIDE_ESTIMATE_ESTIMATE_H

#include "host/base/status.h"
#include "host/decide/estimate/shown.h"

/* Per list: w_j r_j weight times reward of slot j, q_j what a reward model foretells for it, v what
 * the model foretells for the list under the target.
 *   IPS      mean of sum_j w_j r_j
 *   SNIPS    (slots per list) * sum w_j r_j / sum w_j, over all rows
 *   CLIPPED  IPS with weights of at most `clip`
 *   DM       mean of v
 *   DR       mean of v + sum_j w_j (r_j - q_j)
 *   SNDR     mean of v + (slots per list) * sum w_j (r_j - q_j) / sum w_j
 * In the form LIST the list is the row: one weight, and the sums of its rewards and of its q_j. */
typedef enum {
    BR_EST_IPS,
    BR_EST_SNIPS,
    BR_EST_CLIPPED,
    BR_EST_DM,
    BR_EST_DR,
    BR_EST_SNDR,
    BR_N_ESTIMATORS
} br_estimator;

extern const char *const br_estimator_name[BR_N_ESTIMATORS];

typedef enum {
    BR_REFUSE_NOT,
    BR_REFUSE_LISTS, /* fewer than two */
    BR_REFUSE_ESS,   /* effective lists below the least */
    BR_REFUSE_SHARE, /* one list has too large a share of all weight */
    BR_REFUSE_SAME,  /* every list adds the same, so that there is no interval */
    BR_N_REFUSALS
} br_refusal;

extern const char *const br_refusal_text[BR_N_REFUSALS];

typedef struct br_estimate {
    bool       is_there; /* false: needs a reward model that was not given */
    br_refusal refusal;
    double     value;
    double     se;        /* standard deviation (n - 1) over sqrt(n) of what each list adds; */
    double     low, high; /* linearised for SNIPS and SNDR. 95 %: value -+ 1.96 se */
    double boot_low, boot_high; /* percentiles 2.5 and 97.5 over resampled lists; NaN: not asked */
} br_estimate;

/* Of the lists looked at. Weights are those of slots, in the form LIST those of lists. */
typedef struct br_support {
    int64_t n_lists;
    int64_t n_rows;
    double  mean_weight; /* 1 when the probabilities on both sides are right */
    double  mean_weight_se;
    double  max_weight;
    double  ess;       /* effective lists: (sum b)^2 / sum b^2, b the weight of a list's slots */
    double  max_share; /* largest b over sum b */
    double  below_floor_share; /* of rows: shown with a probability below `floor` */
    double  zero_share;        /* of rows: weight 0 */
    double  clipped_share;     /* of rows: weight above `clip` */
} br_support;

typedef struct br_estimates {
    br_support  support;
    double      logged, logged_se; /* what the policy that showed them earned per list */
    br_estimate of[BR_N_ESTIMATORS];
} br_estimates;

typedef struct br_estimate_args {
    const br_shown_log *log;
    const double       *weight_R; /* br_shown_weigh of the same form */
    br_form             form;
    const double       *model_R;  /* q: NULL with value_L */
    const double       *value_L;  /* v of whole lists */
    int32_t             position; /* 0: all; else the lists that have it, and that slot alone */
    int32_t             stratum;  /* -1: all */
    double              clip;
    double              floor;   /* a propensity */
    double              min_ess; /* refuse below */
    double              max_share;
    int64_t             n_boot; /* resamplings, 0 none */
    uint64_t            seed;
} br_estimate_args;

/* BR_E_MEMORY only; thin support is told in out->of[].refusal. At a position of longer lists there
 * is no v, so no DM, DR and SNDR. The value of a refused estimator is there for tests, not for
 * people. Cost: rows + n_boot * lists. */
br_status br_estimate_value(const br_estimate_args *args, br_estimates *out);

#endif
