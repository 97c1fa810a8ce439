/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit hashes of bytes: FNV-1a, the same everywhere; splitmix64's mix where the low bits must
 * depend on all; and one for many bytes, the same on machines of one byte order. */
#ifndef BR_HOST_BASE_HASH_H
#define BR_HOST_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t br_hash_bytes(const void *bytes, size_t n_bytes)
{
    const uint8_t *at   = (const uint8_t *)bytes;
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

/* Four chains of 8-byte words by the round of XXH64 (Collet), about 10 GB/s. Not XXH64's values. */
static inline uint64_t br_hash_bulk(const void *bytes, size_t n_bytes)
{
    const uint8_t *at      = bytes;
    uint64_t       lane[4] = {1, 2, 3, 4}, word;
    size_t         n_whole = n_bytes / 32;

    for (size_t i = 0; i < n_whole; i++, at += 32)
        for (int l = 0; l < 4; l++) {
            memcpy(&word, at + 8 * l, sizeof word);
            word    = lane[l] + word * 0xc2b2ae3d27d4eb4fu;
            lane[l] = (word << 31 | word >> 33) * 0x9e3779b185ebca87u;
        }
    for (int l = 1; l < 4; l++)
        lane[0] = br_hash_mix(lane[0] ^ br_hash_mix(lane[l]));
    return br_hash_mix(lane[0] ^ br_hash_bytes(at, n_bytes - 32 * n_whole) ^ n_bytes);
}

#endif
