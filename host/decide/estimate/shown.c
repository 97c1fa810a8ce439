/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights of the rows of a log. Called once per target and form. */
#include "host/decide/estimate/shown.h"

#include <math.h>

#define MAX_LOG_WEIGHT 300.0

const char *const br_form_name[BR_N_FORMS] = {"slot", "cascade", "list"};

static double ratio_of(double log_ratio)
{
    return exp(log_ratio < MAX_LOG_WEIGHT ? log_ratio : MAX_LOG_WEIGHT);
}

static void weigh_list(const br_shown_log *log, const double *log_target_R, br_form form, int64_t l,
                       double *weight_R)
{
    double sum = 0.0;

    for (int64_t r = log->first_L1[l]; r < log->first_L1[l + 1]; r++) {
        double log_ratio = log_target_R[r] - log->log_propensity_R[r];

        sum += log_ratio;
        weight_R[r] = ratio_of(form == BR_FORM_SLOT ? log_ratio : sum);
    }
    if (form == BR_FORM_LIST)
        for (int64_t r = log->first_L1[l]; r < log->first_L1[l + 1]; r++)
            weight_R[r] = ratio_of(sum);
}

void br_shown_weigh(const br_shown_log *log, const double *log_target_R, br_form form,
                    double *weight_R)
{
    for (int64_t l = 0; l < log->n_lists; l++) {
        if (log->is_kept_L[l])
            weigh_list(log, log_target_R, form, l, weight_R);
        else
            for (int64_t r = log->first_L1[l]; r < log->first_L1[l + 1]; r++)
                weight_R[r] = 0.0;
    }
}
