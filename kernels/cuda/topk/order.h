/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which the cuda backend screens items: steps of about N times the golden ratio visit
 * all N rows, evenly at any time, so that any beginning is a fair sample whatever the catalogue's
 * own order. A matter of speed alone. Host and device. */
#ifndef BR_KERNELS_CUDA_TOPK_ORDER_H
#define BR_KERNELS_CUDA_TOPK_ORDER_H

#include <stdint.h>

#include "kernels/everywhere.h"

static inline int64_t br_scatter_step(int64_t n_items)
{
    int64_t step = (int64_t)((double)n_items * 0.6180339887498949);

    for (step = step > 0 ? step : 1;; step++) {
        int64_t a = step, b = n_items;

        while (b != 0) { /* their greatest common divisor */
            int64_t rest = a % b;

            a = b;
            b = rest;
        }
        if (a == 1)
            return step;
    }
}

/* The item row at a position. */
BR_EVERYWHERE int32_t br_scatter_row(int64_t position, int64_t step, int64_t n_items)
{
    return (int32_t)((n_items / 2 + position * step) % n_items);
}

#endif
