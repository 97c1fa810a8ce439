/* SPDX-License-Identifier: Apache-2.0
 *
 * What a score pass says of its own sums (docs/DETECTORS.md): a sample of tiles is added up and
 * compared with the product of sums that it must be. Part of the seam (ops.h includes it). */
#ifndef BR_KERNELS_DETECT_WITNESS_H
#define BR_KERNELS_DETECT_WITNESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct br_witness {
    int64_t n_tiles; /* whose sums were computed */
    int64_t n_checked;
    int64_t n_wrong; /* sums that were not what they must be; their rows were scored again */
    /* of the first of these */
    int64_t row;
    int64_t panel;
    double  found;
    double  expected;
} br_witness;

/* Adds what a pass over rows from first_row on found. */
static inline void br_witness_add(br_witness *to, const br_witness *from, int64_t first_row)
{
    if (to->n_wrong == 0 && from->n_wrong > 0) {
        to->row      = first_row + from->row;
        to->panel    = from->panel;
        to->found    = from->found;
        to->expected = from->expected;
    }
    to->n_tiles += from->n_tiles;
    to->n_checked += from->n_checked;
    to->n_wrong += from->n_wrong;
}

#ifdef __cplusplus
}
#endif

#endif
