/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache lines that are read soon. Not __builtin_prefetch alone: gcc 12 takes a function that does
 * nothing else for a pure one and leaves its calls out. */
#ifndef BR_KERNELS_CPU_FETCH_H
#define BR_KERNELS_CPU_FETCH_H

#include <stdint.h>

#define BR_LINE_BYTES 64

/* The line of one address, into the second cache and from there on. */
static inline void br_fetch_line(const void *at)
{
    __asm__ volatile("" : : "r"(at));
    __builtin_prefetch(at, 0, 2);
}

static inline void br_fetch_bytes(const void *from, int64_t n_bytes)
{
    for (int64_t i = 0; i < n_bytes; i += BR_LINE_BYTES)
        br_fetch_line((const char *)from + i);
}

#endif
