/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit hashes of bytes, the same everywhere: FNV-1a, splitmix64's mix where the low bits must
 * depend on all, and a fast one of much memory. */
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

/* Of many bytes, going on from `hash`. Every step maps 64 bits one to one, for a given word and for
 * a given state: memory that differs in one word never has the same hash. */
static inline uint64_t br_hash_memory(uint64_t hash, const void *bytes, size_t n_bytes)
{
    const unsigned char *at      = (const unsigned char *)bytes;
    uint64_t             lane[4] = {hash, 1, 2, 3};
    uint64_t             rest[4] = {0, 0, 0, 0};
    size_t               n_left  = n_bytes;

    for (; n_left >= sizeof rest; n_left -= sizeof rest, at += sizeof rest)
        for (int l = 0; l < 4; l++) {
            uint64_t word;

            memcpy(&word, at + 8 * l, 8);
            lane[l] = (lane[l] ^ word) * 0x9e3779b97f4a7c15u;
            lane[l] = lane[l] << 29 | lane[l] >> 35;
        }
    memcpy(rest, at, n_left);
    hash = (uint64_t)n_bytes;
    for (int l = 0; l < 4; l++)
        hash = br_hash_mix(br_hash_mix(hash ^ lane[l]) + rest[l]);
    return hash;
}

#endif
