/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers that depend on what they are for, never on what was drawn before: Philox4x32-10
 * (Salmon et al. 2011) keyed by a seed, counted by customer, stream and index. And lazy Gumbel
 * noise (Mussmann et al. 2017): of N items those whose noise exceeds t are known from a few draws,
 * and any other's by one draw of its own. docs/EXACTNESS.md has the law. */
#ifndef BR_KERNELS_RANDOM_H
#define BR_KERNELS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/log.h"

typedef struct br_random {
    uint32_t word[4];
} br_random;

BR_EVERYWHERE br_random br_philox(br_random counter, uint32_t key_0, uint32_t key_1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t  a    = (uint64_t)0xD2511F53u * counter.word[0];
        uint64_t  b    = (uint64_t)0xCD9E8D57u * counter.word[2];
        br_random next = {{(uint32_t)(b >> 32) ^ counter.word[1] ^ key_0, (uint32_t)b,
                           (uint32_t)(a >> 32) ^ counter.word[3] ^ key_1, (uint32_t)a}};

        counter = next;
        key_0 += 0x9E3779B9u;
        key_1 += 0xBB67AE85u;
    }
    return counter;
}

/* What numbers are for. */
typedef enum { BR_STREAM_ABOVE, BR_STREAM_BELOW, BR_STREAM_COIN, BR_STREAM_ITEM } br_stream;

typedef struct br_source {
    uint64_t seed;
    uint64_t customer;
} br_source;

BR_EVERYWHERE br_random br_random_at(br_source source, br_stream stream, uint32_t index)
{
    br_random counter = {
        {index, (uint32_t)stream, (uint32_t)source.customer, (uint32_t)(source.customer >> 32)}};

    return br_philox(counter, (uint32_t)source.seed, (uint32_t)(source.seed >> 32));
}

/* Strictly inside (0, 1): the middle of one of 2^52 equal parts. */
BR_EVERYWHERE double br_unit(uint32_t low, uint32_t high)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 12;

    return ((double)bits + 0.5) * 0x1p-52;
}

/* ---- lazy Gumbel noise ---- */

/* An item's noise is -ln E, E exponential. It exceeds threshold = -ln rate with probability
 * `share`. */
typedef struct br_gumbel {
    double share; /* 1 - e^-rate */
    double rate;
    double threshold;
} br_gumbel;

/* By N and K alone: about 3 sqrt(N K) items exceed the threshold, half of all at most. */
BR_EVERYWHERE br_gumbel br_gumbel_of(int64_t n_items, int32_t k)
{
    double    n = (double)n_items;
    br_gumbel law;

    law.share     = 3.0 * __builtin_sqrt(n * (double)k) / n;
    law.share     = law.share < 0.5 ? law.share : 0.5;
    law.rate      = br_minus_log1m(law.share);
    law.threshold = -br_log(law.rate);
    return law;
}

/* Items above the threshold, at most: 16 standard deviations more than expected. */
BR_EVERYWHERE int64_t br_gumbel_most_above(const br_gumbel *law, int64_t n_items)
{
    double  expected = law->share * (double)n_items;
    int64_t most     = (int64_t)(expected + 16.0 * __builtin_sqrt(expected)) + 64;

    return most < n_items ? most : n_items;
}

/* Of how many best items the lists are certain in the flattest Gaussian scores, about
 * (docs/EXACTNESS.md). */
BR_EVERYWHERE double br_gumbel_shortlist(int64_t n_items, int32_t k)
{
    return 2.0 * k + __builtin_sqrt((double)n_items * k) / 6.0;
}

/* What the roundings of a sum a + b of such numbers stay below: thousands of them. */
BR_EVERYWHERE double br_gumbel_slack(double a, double b)
{
    return 1e-12 * (__builtin_fabs(a) + __builtin_fabs(b) + 1.0);
}

/* Walks the items above the threshold, by item row. Start with item -1 and index 0. */
typedef struct br_above {
    int64_t  item;
    uint32_t index;
    double   unit; /* of the item's noise, which falls as it rises */
} br_above;

/* How many items after the one before the index-th stands. */
BR_EVERYWHERE int64_t br_above_gap(const br_gumbel *law, br_random r)
{
    return 1 + (int64_t)(-br_log(br_unit(r.word[0], r.word[1])) / law->rate);
}

/* The next one; false when none is left among n_items. */
BR_EVERYWHERE bool br_above_next(br_above *walk, br_source source, const br_gumbel *law,
                                 int64_t n_items)
{
    br_random r = br_random_at(source, BR_STREAM_ABOVE, walk->index++);

    walk->item += br_above_gap(law, r);
    walk->unit = br_unit(r.word[2], r.word[3]);
    return walk->item < n_items;
}

BR_EVERYWHERE double br_noise_above(const br_gumbel *law, double unit)
{
    return -br_log(br_minus_log1m(law->share * unit));
}

/* The noise of an item that is not above: E is beyond `rate`, and has no memory. */
BR_EVERYWHERE double br_noise_below(const br_gumbel *law, br_source source, int32_t item)
{
    br_random r = br_random_at(source, BR_STREAM_BELOW, (uint32_t)item);

    return -br_log(law->rate - br_log(br_unit(r.word[0], r.word[1])));
}

/* ---- fair choices ---- */

/* One of 0 .. n-1, each as likely; -1: draw again (Lemire 2019). */
BR_EVERYWHERE int64_t br_choice(uint32_t word, uint32_t n)
{
    uint64_t product = (uint64_t)word * n;

    return (uint32_t)product < (0u - n) % n ? -1 : (int64_t)(product >> 32);
}

#endif
