/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers: a number is a function of (seed, stream, place), never of what was
 * drawn before. SplitMix64's finaliser over the three words. */
#ifndef BR_HOST_PIPELINE_GENERATE_RANDOM_H
#define BR_HOST_PIPELINE_GENERATE_RANDOM_H

#include <math.h>
#include <stdint.h>

static inline uint64_t br_random_mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

static inline uint64_t br_random_bits(uint64_t seed, uint64_t stream, uint64_t place)
{
    uint64_t h = br_random_mix(seed + 0x9E3779B97F4A7C15u);

    h = br_random_mix(h + stream * 0x9E3779B97F4A7C15u + 1);
    return br_random_mix(h + place * 0x9E3779B97F4A7C15u + 1);
}

/* In [0, 1). */
static inline double br_random_unit(uint64_t seed, uint64_t stream, uint64_t place)
{
    return (double)(br_random_bits(seed, stream, place) >> 11) * 0x1p-53;
}

/* Standard normal (Box and Muller). */
static inline double br_random_normal(uint64_t seed, uint64_t stream, uint64_t place)
{
    double u = br_random_unit(seed, stream, 2 * place);
    double v = br_random_unit(seed, stream, 2 * place + 1);

    return sqrt(-2.0 * log(1.0 - u)) * cos(6.28318530717958647692 * v);
}

#endif
