/* SPDX-License-Identifier: Apache-2.0
 *
 * golden.h5 of a model bundle: what the model's own framework gave for a few customers
 * (docs/FORMATS.md). Read whole and checked, once per process. */
#ifndef BR_HOST_IO_GOLDEN_H
#define BR_HOST_IO_GOLDEN_H

#include <stdint.h>

#include "host/base/status.h"

#define BR_GOLDEN_SOURCE_BYTES 256

typedef struct br_golden {
    char     source[BR_GOLDEN_SOURCE_BYTES]; /* whose forward pass, for people */
    int64_t  n_rows;                         /* U customers */
    int64_t  n_events;
    int32_t  dim;
    int32_t  k;
    int32_t *offset_U1; /* events of each customer; NULL: ready-made vectors */
    int32_t *item_E;    /* rows of the modality's embedding table, not yet compared with its size */
    float   *vector_UD; /* x_u */
    int32_t *item_UK;   /* rows of the item table, best first, -1 unused; compared as little */
    float   *score_UK;
} br_golden;

/* BR_E_INPUT names dataset, found and expected. */
br_status br_golden_read(const char *path, br_golden *out);
void      br_golden_free(br_golden *golden);

#endif
