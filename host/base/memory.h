/* SPDX-License-Identifier: Apache-2.0
 *
 * Host memory: checked allocation of long-lived arrays, and the arena for scratch that is
 * planned before the first batch. */
#ifndef BR_HOST_BASE_MEMORY_H
#define BR_HOST_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* n_items * item_bytes zeroed bytes, 64-byte aligned. *out is NULL when n_items is 0.
 * `what` names the array in the message. Freed with br_free. */
br_status br_alloc(int64_t n_items, size_t item_bytes, const char *what, void **out);
void      br_free(void *out_pointer_address); /* takes &pointer; frees and nulls it */

#define BR_ALLOC(st, pointer, n_items, what)                                                       \
    BR_TRY(st, br_alloc((n_items), sizeof *(pointer), (what), (void **)&(pointer)))

/* A stack of scratch memory. Whoever takes marks first and rewinds after. */
typedef struct br_arena br_arena;

br_status br_arena_create(size_t bytes, br_arena **out);
void      br_arena_destroy(br_arena **arena);
void     *br_arena_take(br_arena *arena, size_t bytes); /* 64-byte aligned; NULL when full */
size_t    br_arena_mark(const br_arena *arena);
void      br_arena_rewind(br_arena *arena, size_t mark);
size_t    br_arena_peak(const br_arena *arena);

#ifdef __cplusplus
}
#endif

#endif
