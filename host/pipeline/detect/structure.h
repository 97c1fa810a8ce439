/* SPDX-License-Identifier: Apache-2.0
 *
 * What every list is, whatever made it: in range, finite, unique, in order, explained where it is
 * short (br_lists_check), and of items that can be listed and that the customer may be shown. */
#ifndef BR_HOST_PIPELINE_DETECT_STRUCTURE_H
#define BR_HOST_PIPELINE_DETECT_STRUCTURE_H

#include "host/pipeline/job.h"

/* *row: the first customer from *row on whose list is not so, and in `what` why; -1: none. */
br_status br_structure_look(const br_job *job, const br_batch *batch, int64_t *row, char *what,
                            size_t what_bytes);

#endif
