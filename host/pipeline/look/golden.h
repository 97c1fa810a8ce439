/* SPDX-License-Identifier: Apache-2.0
 *
 * Replays the golden file that an importer left in a model bundle: does this engine compute what
 * the model's own framework computed? */
#ifndef BR_HOST_PIPELINE_LOOK_GOLDEN_H
#define BR_HOST_PIPELINE_LOOK_GOLDEN_H

#include <stdio.h>

#include "host/base/status.h"
#include "kernels/ops.h"

/* Encodes the events of MODEL/golden.h5 and ranks the item table. x_u may be off by 2e-5 of
 * max(1, max|x_u|); lists must hold the same items in the same order, but for items whose scores
 * are equal to rounding (1e-5 of max(1, sum |x_d z_d|)). Prints what was compared; BR_E_SELFCHECK
 * names the first row that differs, found and expected. */
br_status br_golden_replay(const char *model_path, br_backend backend, FILE *out);

#endif
