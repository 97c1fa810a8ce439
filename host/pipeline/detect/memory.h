/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of what a job keeps in device memory: weights, what was prepared from them, the
 * catalogue. Taken when it is there, compared later. */
#ifndef BR_HOST_PIPELINE_DETECT_MEMORY_H
#define BR_HOST_PIPELINE_DETECT_MEMORY_H

#include "host/pipeline/job.h"

#define BR_MEMORY_MOST_PIECES 4096

typedef struct br_memory_digests {
    int32_t   n;
    uint64_t *digest; /* [BR_MEMORY_MOST_PIECES] by piece, in the order of the visit */
    int64_t   n_bytes;
} br_memory_digests;

/* Every piece, in an order that does not change; the prepared catalogue, which may be packed by its
 * first customers only, comes last. */
br_status br_memory_visit(const br_job *job, br_resident_fn fn, void *context);

/* Of pieces that have no digest yet: begins with zeroed digests, and goes on when called again. */
br_status br_memory_take(br_job *job, br_dev *lane, br_memory_digests *out);
void      br_memory_free(br_memory_digests *digests);

/* Pieces that have a digest. BR_E_SELFCHECK naming device and piece, when one is not what it was.
 */
br_status br_memory_look(br_job *job, br_dev *lane, const br_memory_digests *digests);

#endif
