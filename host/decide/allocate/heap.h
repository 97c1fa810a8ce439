/* SPDX-License-Identifier: Apache-2.0
 *
 * Moves by what they pay, best first; ties by row, then slot, so that the order is total. */
#ifndef BR_HOST_DECIDE_ALLOCATE_HEAP_H
#define BR_HOST_DECIDE_ALLOCATE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"

typedef struct br_heap_entry {
    double  key;
    int64_t row;
    int32_t slot;
    int32_t to; /* candidate */
} br_heap_entry;

typedef struct br_heap {
    br_heap_entry *entry;
    int64_t        n, n_room;
} br_heap;

br_status br_heap_push(br_heap *heap, br_heap_entry entry);
bool      br_heap_pop(br_heap *heap, br_heap_entry *out); /* false: empty */
void      br_heap_close(br_heap *heap);

#endif
