/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit hashes of bytes, the same everywhere: FNV-1a, and splitmix64's mix where the low bits must
 * depend on all. */
#ifndef BR_HOST_BASE_HASH_H
#define BR_HOST_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t br_hash_bytes(const void *bytes, size_t n_bytes)
{
    const uint8_t *at   = bytes;
    uint64_t       hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static inline uint64_t br_hash_mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

#endif
