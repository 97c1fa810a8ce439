/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/heap.h"

#include <stddef.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/watch/watch.h"

static bool is_before(const br_heap_entry *x, const br_heap_entry *y)
{
    if (x->key != y->key)
        return x->key > y->key;
    return x->row != y->row ? x->row < y->row : x->slot < y->slot;
}

static br_status grow(br_heap *heap)
{
    br_status      st     = BR_OK;
    int64_t        n_room = heap->n_room > 0 ? 2 * heap->n_room : 1024;
    br_heap_entry *entry  = NULL;

    BR_ALLOC(st, entry, n_room, "moves");
    if (heap->n > 0)
        memcpy(entry, heap->entry, (size_t)heap->n * sizeof *entry);
    br_free(&heap->entry);
    heap->entry  = entry;
    heap->n_room = n_room;
done:
    return st;
}

br_status br_heap_push(br_heap *heap, br_heap_entry entry)
{
    br_status st = BR_OK;
    int64_t   at;

    if (heap->n == heap->n_room)
        BR_TRY(st, grow(heap));
    for (at = heap->n++; at > 0 && is_before(&entry, &heap->entry[(at - 1) / 2]); at = (at - 1) / 2)
        heap->entry[at] = heap->entry[(at - 1) / 2];
    heap->entry[at] = entry;
done:
    return st;
}

bool br_heap_pop(br_heap *heap, br_heap_entry *out)
{
    br_heap_entry last;
    int64_t       at = 0;

    br_watch_tick(); /* repairs are loops of these */
    if (heap->n == 0)
        return false;
    *out = heap->entry[0];
    last = heap->entry[--heap->n];
    for (int64_t child; (child = 2 * at + 1) < heap->n; at = child) {
        if (child + 1 < heap->n && is_before(&heap->entry[child + 1], &heap->entry[child]))
            child++;
        if (!is_before(&heap->entry[child], &last))
            break;
        heap->entry[at] = heap->entry[child];
    }
    heap->entry[at] = last;
    return true;
}

void br_heap_close(br_heap *heap)
{
    br_free(&heap->entry);
    heap->n = heap->n_room = 0;
}
