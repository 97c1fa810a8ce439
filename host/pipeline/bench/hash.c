/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of a bench's results. Called once per customer and pass. */
#include <string.h>

#include "host/base/hash.h"
#include "host/pipeline/bench/bench.h"

void br_bench_hash_add(br_bench_hash *hash, int64_t row, const int32_t *item_K,
                       const float *value_K, int64_t n)
{
    uint64_t h = br_hash_mix((uint64_t)row + 1);

    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, &value_K[i], sizeof bits);
        h = br_hash_mix(h ^ ((item_K != NULL ? (uint64_t)(uint32_t)item_K[i] << 32 : 0) | bits)) +
            (uint64_t)i + 1;
    }
    hash->sum[0] += br_hash_mix(h);
    hash->sum[1] += br_hash_mix(h + 0x9E3779B97F4A7C15u);
}
