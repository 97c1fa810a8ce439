/* SPDX-License-Identifier: Apache-2.0
 *
 * An independent second opinion on a finished run: a sample of customers is encoded again and
 * scored by the reference backend. */
#ifndef BR_HOST_PIPELINE_LOOK_RESCORE_H
#define BR_HOST_PIPELINE_LOOK_RESCORE_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/pipeline/detect/agree.h"

typedef struct br_rescore_report {
    int64_t         n_customers;
    double          worst_vector; /* |x_u - x_u of ref| / max(1, max|x_u|) */
    br_agree_report numbers;
} br_rescore_report;

/* Takes n_samples customers of the run at `path` (its config.json says from what it was made),
 * spread by a hash of the row, and compares items, order, score bits, flags and sources with the
 * part; vectors within 2e-5, probabilities and survival within what roundings explain.
 * BR_E_SELFCHECK names the first customer that differs. */
br_status br_rescore_run(const char *path, int64_t n_samples, br_rescore_report *report);

#endif
