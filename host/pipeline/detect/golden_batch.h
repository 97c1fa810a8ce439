/* SPDX-License-Identifier: Apache-2.0
 *
 * A few customers of the run itself, whose x_u and lists every lane computes again and again: the
 * same bits each time, on each lane, or something is wrong with the device. */
#ifndef BR_HOST_PIPELINE_DETECT_GOLDEN_BATCH_H
#define BR_HOST_PIPELINE_DETECT_GOLDEN_BATCH_H

#include "host/pipeline/detect/reference.h"
#include "host/pipeline/job.h"

typedef struct br_golden_batch br_golden_batch;

/* n_rows customers in a row, from one that `seed` picks; reads them. The first lane computes what
 * is expected from now on, and the reference makes the same lists of it (NULL: it is not asked).
 * Then all lanes are looked at. BR_E_SELFCHECK naming device, lane and customer. */
br_status br_golden_batch_open(br_job *job, uint64_t seed, int64_t n_rows, br_reference *reference,
                               br_golden_batch **out);
void      br_golden_batch_close(br_golden_batch **golden);

/* All lanes once more; nothing else may use them meanwhile. */
br_status br_golden_batch_look(br_golden_batch *golden);

#endif
