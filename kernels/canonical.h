/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical score (docs/EXACTNESS.md) and the order of a list. Every backend selects by
 * exactly these bits. */
#ifndef BR_KERNELS_CANONICAL_H
#define BR_KERNELS_CANONICAL_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/everywhere.h"

/* x . z in 8 interleaved fp64 chains (lane l takes d = l mod 8, d ascending), summed by the tree
 * (l, l+4), (l, l+2), (l, l+1). Products of fp32 are exact in fp64, so contracting them into
 * fused multiply-adds, or running the lanes in a vector, gives the same bits. */
BR_EVERYWHERE double br_canonical_dot(const float *x_D, const float *z_D, int64_t D)
{
    double  lane[8] = {0.0};
    int64_t d       = 0;

    for (; d + 8 <= D; d += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += (double)x_D[d + l] * (double)z_D[d + l];
    for (int l = 0; d + l < D; l++)
        lane[l] += (double)x_D[d + l] * (double)z_D[d + l];
    for (int l = 0; l < 4; l++)
        lane[l] += lane[l + 4];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* Rounded once to fp32; -0 becomes +0. Infinite when the score does not fit. */
BR_EVERYWHERE float br_canonical_round(double dot, float bias)
{
    return (float)(dot + (double)bias) + 0.0f;
}

/* The same with a penalty >= 0 taken off before the rounding. */
BR_EVERYWHERE float br_canonical_penalised(double dot, float bias, float penalty)
{
    return (float)(dot + (double)bias - (double)penalty) + 0.0f;
}

/* ---- the roundings of pair_mlp (pairs.h), whose products are exact too ---- */

/* To fp32, at most FLT_MAX in size; -0 becomes +0. */
BR_EVERYWHERE float br_pair_round(double sum)
{
    sum = sum < (double)FLT_MAX ? sum : (double)FLT_MAX;
    sum = sum > -(double)FLT_MAX ? sum : -(double)FLT_MAX;
    return (float)sum + 0.0f;
}

BR_EVERYWHERE float br_pair_relu(double sum)
{
    return br_pair_round(sum > 0.0 ? sum : 0.0);
}

/* The weight that meets z of a customer with x. */
BR_EVERYWHERE float br_pair_fold(float weight_z, float weight_xz, float x)
{
    return br_pair_round((double)weight_z + (double)weight_xz * (double)x);
}

/* ---- the order ---- */

/* Does (score_a, item_a) stand before (score_b, item_b)? */
BR_EVERYWHERE bool br_canonical_before(float score_a, int32_t item_a, float score_b, int32_t item_b)
{
    return score_a > score_b || (score_a == score_b && item_a < item_b);
}

#endif
