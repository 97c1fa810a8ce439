/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked allocation and the scratch arena. Nothing here is called in the batch loop but
 * br_arena_take, which moves a pointer. */
#include "host/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN_BYTES ((size_t)64)
#define HUGE_PAGE   ((size_t)2 << 20)
#define LARGE_BYTES (8 * HUGE_PAGE) /* from here on, huge pages: random rows cost half */

struct br_arena {
    unsigned char *base;
    size_t         used;
    size_t         peak;
    size_t         capacity;
};

static size_t round_to(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

static size_t round_up(size_t bytes)
{
    return round_to(bytes, ALIGN_BYTES);
}

br_status br_alloc(int64_t n_items, size_t item_bytes, const char *what, void **out)
{
    size_t bytes;

    *out = NULL;
    if (n_items == 0)
        return BR_OK;
    if (n_items < 0 || (uint64_t)n_items > (SIZE_MAX / 2) / item_bytes)
        return br_fail(BR_E_MEMORY, "%s: %lld items of %zu bytes cannot be addressed", what,
                       (long long)n_items, item_bytes);
    bytes = round_up((size_t)n_items * item_bytes);
    *out  = bytes < LARGE_BYTES ? aligned_alloc(ALIGN_BYTES, bytes)
                                : aligned_alloc(HUGE_PAGE, round_to(bytes, HUGE_PAGE));
    if (*out == NULL)
        return br_fail(BR_E_MEMORY, "%s: cannot allocate %zu bytes", what, bytes);
    if (bytes >= LARGE_BYTES)
        (void)madvise(*out, bytes, MADV_HUGEPAGE); /* a wish: small pages will do */
    memset(*out, 0, bytes);
    return BR_OK;
}

void br_free(void *out_pointer_address)
{
    void **pointer = out_pointer_address;
    free(*pointer);
    *pointer = NULL;
}

br_status br_arena_create(size_t bytes, br_arena **out)
{
    br_status st    = BR_OK;
    br_arena *arena = NULL;

    BR_ALLOC(st, arena, 1, "arena");
    BR_TRY(st, br_alloc((int64_t)bytes, 1, "arena memory", (void **)&arena->base));
    arena->capacity = bytes;
    *out            = arena;
    arena           = NULL;
done:
    br_arena_destroy(&arena);
    return st;
}

void br_arena_destroy(br_arena **arena)
{
    if (*arena == NULL)
        return;
    br_free(&(*arena)->base);
    br_free(arena);
}

void *br_arena_take(br_arena *arena, size_t bytes)
{
    size_t need = round_up(bytes);
    void  *at;

    if (need < bytes || need > arena->capacity - arena->used)
        return NULL;
    at = arena->base + arena->used;
    arena->used += need;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    return at;
}

size_t br_arena_mark(const br_arena *arena)
{
    return arena->used;
}

void br_arena_rewind(br_arena *arena, size_t mark)
{
    arena->used = mark;
}

size_t br_arena_peak(const br_arena *arena)
{
    return arena->peak;
}
