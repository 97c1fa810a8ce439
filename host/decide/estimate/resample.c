/* SPDX-License-Identifier: Apache-2.0
 *
 * Percentile bootstrap over lists. The draws depend on the seed, the resampling and the draw's
 * number alone. */
#include <stdlib.h>
#include <string.h>

#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/decide/estimate/terms.h"

/* splitmix64 of a counter. */
static uint64_t mix(uint64_t x)
{
    return br_hash_mix(x + 0x9e3779b97f4a7c15u);
}

/* Uniform over 0 .. n-1; the bias of the multiplication is below n / 2^32. */
static int64_t draw(uint64_t key, uint64_t count, int64_t n)
{
    uint64_t x = mix(key ^ mix(count));

    return n <= UINT32_MAX ? (int64_t)(((x >> 32) * (uint64_t)n) >> 32)
                           : (int64_t)(x % (uint64_t)n);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear between the two nearest, as numpy's percentile. */
static double percentile(const double *sorted_B, int64_t n, double share)
{
    double  at  = share * (double)(n - 1);
    int64_t low = (int64_t)at;

    if (low + 1 >= n)
        return sorted_B[n - 1];
    return sorted_B[low] + (at - (double)low) * (sorted_B[low + 1] - sorted_B[low]);
}

static void resample_once(const br_terms *t, uint64_t key, double mean[N_TERMS])
{
    memset(mean, 0, N_TERMS * sizeof *mean);
    for (int64_t i = 0; i < t->n; i++) {
        int64_t l = draw(key, (uint64_t)i, t->n);

        for (int32_t k = 0; k < N_TERMS; k++)
            mean[k] += t->of[k][l];
    }
    for (int32_t k = 0; k < N_TERMS; k++)
        mean[k] /= (double)t->n;
}

br_status br_estimate_resample(const br_terms *t, int64_t n_boot, uint64_t seed,
                               br_estimate of[BR_N_ESTIMATORS])
{
    br_status st       = BR_OK;
    double   *value_EB = NULL; /* each estimator, each resampling */
    double    mean[N_TERMS];

    BR_ALLOC(st, value_EB, BR_N_ESTIMATORS * n_boot, "resampled values");
    for (int64_t b = 0; b < n_boot; b++) {
        resample_once(t, mix(seed) + (uint64_t)b * 0x9e3779b97f4a7c15u, mean);
        for (int32_t e = 0; e < BR_N_ESTIMATORS; e++)
            value_EB[e * n_boot + b] = br_terms_value((br_estimator)e, mean);
    }
    for (int32_t e = 0; e < BR_N_ESTIMATORS; e++) {
        double *value_B = value_EB + e * n_boot;

        qsort(value_B, (size_t)n_boot, sizeof *value_B, by_value);
        of[e].boot_low  = percentile(value_B, n_boot, 0.025);
        of[e].boot_high = percentile(value_B, n_boot, 0.975);
    }
done:
    br_free(&value_EB);
    return st;
}
