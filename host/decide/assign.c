/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/assign.h"

#include <math.h>
#include <stdio.h>

#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

static uint32_t fnv1a(uint32_t hash, const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ (uint8_t)text[i]) * FNV_PRIME;
    return hash;
}

int32_t br_assign_bucket(const char *salt, const char *key, size_t key_bytes)
{
    uint32_t hash = FNV_BASIS;
    char     decimal[16];
    int      n;

    for (; *salt != '\0'; salt++)
        hash = fnv1a(hash, salt, 1);
    hash = fnv1a(hash, key, key_bytes);
    n    = snprintf(decimal, sizeof decimal, "%u", hash);
    return (int32_t)(fnv1a(FNV_BASIS, decimal, (size_t)n) % BR_ASSIGN_BUCKETS);
}

void br_assign_deal(int32_t held_out, int32_t n_arms, const double *weight_A, int32_t *first_A)
{
    double total = 0.0, before = 0.0;

    for (int32_t a = 0; a < n_arms; a++)
        total += weight_A[a];
    first_A[0] = held_out;
    for (int32_t a = 0; a < n_arms; a++) {
        before += weight_A[a];
        first_A[a + 1] =
            held_out + (int32_t)floor((BR_ASSIGN_BUCKETS - held_out) * (before / total) + 0.5);
    }
    first_A[n_arms] = BR_ASSIGN_BUCKETS;
}

int32_t br_assign_arm(int32_t bucket, int32_t n_arms, const int32_t *first_A)
{
    if (bucket < first_A[0])
        return -1;
    for (int32_t a = 0; a < n_arms; a++)
        if (bucket < first_A[a + 1])
            return a;
    return n_arms - 1;
}
