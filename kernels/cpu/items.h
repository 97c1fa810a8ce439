/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cpu screen knows of a catalogue. */
#ifndef BR_KERNELS_CPU_ITEMS_H
#define BR_KERNELS_CPU_ITEMS_H

#include <stdint.h>

#define BR_PANEL_ITEMS 1024 /* D = 64: 256 KiB of vectors, in L2 beside a tile of scores */

typedef struct br_cpu_items {
    int64_t n_panels;
    double *norm_P; /* largest |z| of each panel */
    double *bias_P; /* largest |b| of each panel */
    double  norm_max;
    double  bias_max;
    float  *bias_N; /* zeros where the catalogue has none */
} br_cpu_items;

#endif
