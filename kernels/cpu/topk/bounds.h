/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounds of docs/EXACTNESS.md, each once: how far an approximate score may be from the
 * canonical one, and what a sum must reach for its item to matter. In float32, every step rounded
 * generously up (errors) or down (thresholds). */
#ifndef BR_KERNELS_CPU_TOPK_BOUNDS_H
#define BR_KERNELS_CPU_TOPK_BOUNDS_H

#include <math.h>

#include "kernels/cpu/topk/items.h"

#define BR_UNIT            0x1p-24
#define BR_CANONICAL_ERROR (0.02 * BR_UNIT) /* of |x| |z|: rounding inside the canonical sum */
#define BR_TINY            0x1p-137f        /* underflow of 1,024 products and a few roundings */
#define BR_STEP            0x1p-20f         /* 16 units: several roundings of a float32 */

/* fp32 sums: of |x| |z| */
static inline double br_bound_of_floats(int64_t D)
{
    return (double)(D + 2) * BR_UNIT;
}

/* A bound with 2 % to spare, as float32: one for the proof, one for what is done with it. */
static inline float br_bound_up(double bound)
{
    return (float)(1.02 * bound) + 0x1p-148f;
}

static inline float br_bias_up(float bias)
{
    return bias + fabsf(bias) * BR_STEP;
}

static inline float br_threshold_down(float threshold)
{
    return threshold - fabsf(threshold) * BR_STEP;
}

/* The larger one; a NaN of either stays, and sends every customer to the slow path. */
static inline double br_most(double so_far, double value)
{
    return value <= so_far || isnan(so_far) ? so_far : value;
}

/* Most that what is left scores for a customer whose norm lies at `reach` among those of
 * panel->reach_rest, between two of them. */
static inline float br_bound_of_reach(const br_panel *panel, double reach)
{
    int   j    = reach < BR_REACHES - 2 ? (int)reach : BR_REACHES - 2;
    float here = panel->reach_rest[j], next = panel->reach_rest[j + 1];

    return here + (float)(reach - j) * (next - here) + (fabsf(here) + fabsf(next)) * BR_STEP;
}

/* |approx - canonical| of a customer in a panel, beside a few roundings of the scores themselves */
static inline float br_bound_of_panel(const br_panel *panel, float norm, float residual)
{
    return norm * panel->residual + residual * panel->code_norm + BR_TINY;
}

#endif
