/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cpu screen knows of a catalogue: its items in order of falling norm, a packed copy in
 * the order the inner loop reads, and bounds of each panel. Positions count in that order. */
#ifndef BR_KERNELS_CPU_TOPK_ITEMS_H
#define BR_KERNELS_CPU_TOPK_ITEMS_H

#include <stdint.h>

#include "kernels/cpu/topk/screen.h"

#define BR_PANEL_ITEMS 1024 /* items that share one error bound; a multiple of BR_SCREEN_COLS */

typedef struct br_cpu_items {
    br_screen_kind kind;
    int64_t        n_panels;
    int32_t       *row_N;       /* position -> item row */
    float         *bias_N;      /* by position; -inf in the padding of the last block */
    float         *bias_most_B; /* largest bias of each block of BR_SCREEN_COLS */
    double        *norm_P;      /* largest |z| of each panel: that of its first item */
    double        *bias_rest_P; /* largest bias of this and all later panels */
    double        *scale_P;     /* INT16: z is about scale * code */
    double        *residual_P;  /* INT16: largest |z - scale * code| */
    double         bias_size;   /* largest |b| */
    bool           has_bias;
    float         *vectors; /* FP32: [blocks][D][BR_SCREEN_COLS] */
    int16_t       *codes;   /* INT16: [blocks][D/2][BR_SCREEN_COLS][2] */
} br_cpu_items;

#endif
