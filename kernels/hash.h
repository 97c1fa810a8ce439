/* SPDX-License-Identifier: Apache-2.0
 *
 * What word i adds to the hash of a view (share.h), the same bits on host and device. */
#ifndef BR_KERNELS_HASH_H
#define BR_KERNELS_HASH_H

#include <stdint.h>

#include "kernels/everywhere.h"

/* splitmix64's output function: one to one, so no other word at the same place adds the same. */
BR_EVERYWHERE uint64_t br_hash_word(uint64_t word, uint64_t place)
{
    uint64_t x = word + place * 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
