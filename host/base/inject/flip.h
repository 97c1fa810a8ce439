/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a test program may flip a bit, to see who notices (docs/DETECTORS.md). The program itself
 * links the definition in flip.c, which never does; tests/fault/flips.c brings another, and is
 * linked into a program of its own. */
#ifndef BR_HOST_BASE_INJECT_FLIP_H
#define BR_HOST_BASE_INJECT_FLIP_H

#include <stdbool.h>
#include <stddef.h>

/* Is a bit of the n_bytes at `place` to be flipped now? Then which: *bit of all. */
bool br_flip_is_due(const char *place, size_t n_bytes, size_t *bit);

/* Flips it in host memory. */
static inline void br_flip_memory(const char *place, void *bytes, size_t n_bytes)
{
    size_t bit;

    if (br_flip_is_due(place, n_bytes, &bit))
        ((unsigned char *)bytes)[bit / 8] ^= (unsigned char)(1u << bit % 8);
}

#endif
