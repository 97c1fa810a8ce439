/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cpu screen knows of a catalogue: a copy of the vectors in the order its inner loop reads
 * them, and the largest norms. */
#ifndef BR_KERNELS_CPU_TOPK_ITEMS_H
#define BR_KERNELS_CPU_TOPK_ITEMS_H

#include <stdint.h>

#define BR_PANEL_ITEMS 1024 /* items that share one error bound; a multiple of BR_SCREEN_COLS */

typedef struct br_cpu_items {
    int64_t n_panels;
    double *norm_P; /* largest |z| of each panel */
    double  norm_max;
    double  bias_max; /* largest |b| */
    float  *bias_N;   /* zeros where the catalogue has none; padded to whole blocks */
    float  *packed;   /* [blocks][D][BR_SCREEN_COLS] */
} br_cpu_items;

#endif
