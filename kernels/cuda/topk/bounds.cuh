/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounds of docs/EXACTNESS.md for the tensor-core screen, each once: how far an approximate
 * score may be from the canonical one, and what it must reach for its item to matter. In float32,
 * every step rounded generously up (errors) or down (thresholds). */
#ifndef BR_KERNELS_CUDA_TOPK_BOUNDS_CUH
#define BR_KERNELS_CUDA_TOPK_BOUNDS_CUH

#include "kernels/cuda/topk/kind.cuh"
#include "kernels/cuda/topk/topk.cuh"

#define BR_CANONICAL_ERROR (0.02 * 0x1p-24) /* of |x| |z|: rounding inside the canonical sum */
#define BR_TINY            0x1p-137f        /* underflow of a few roundings */
#define BR_STEP            0x1p-20f         /* 16 units: several roundings of a float32 */
#define BR_NONE_PASSES     3.4e38f          /* as a threshold */
#define BR_NO_SUM          0x1p30f          /* no sum of whole codes is as large */

/* Sums on tensor cores, of |x| |z|: two cuts for each product, each below 2^-22 of the largest
 * number that took part, in any order. Whole sums are exact. */
template <typename K> static __host__ __device__ inline double br_bound_of_sums(int64_t width)
{
    return K::IS_WHOLE ? 0.0 : 2.0 * (double)(width + 16) * 0x1p-22;
}

/* A bound with 2 % to spare, as float32: one for the proof, one for what is done with it. */
static __device__ inline float br_bound_up(double bound)
{
    return (float)(1.02 * bound) + 0x1p-148f;
}

static __device__ inline float br_threshold_down(float threshold)
{
    return threshold - fabsf(threshold) * BR_STEP;
}

/* |approximate - canonical| of a customer in a panel, beside a few roundings of the score. */
static __device__ inline float br_bound_of_panel(const br_topk_panel &panel, float norm,
                                                 float residual)
{
    return norm * panel.residual + residual * panel.code_norm + BR_TINY;
}

/* What the panel's approximate scores must reach: `down` is the threshold, lowered. */
static __device__ inline float br_least_of_panel(float down, float error)
{
    return br_threshold_down(down - error);
}

/* The whole number that sums of codes must reach where approximate scores must reach `least`: by
 * the panel's largest bias, so that no item of it is missed. inverse: 1 / (the scales' product). */
static __host__ __device__ inline int32_t br_least_of_sums(float least, float bias_most,
                                                           float inverse)
{
    float sum = fminf(fmaxf((least - bias_most) * inverse, -BR_NO_SUM), BR_NO_SUM);

    return (int32_t)floorf(sum - fabsf(sum) * BR_STEP - 2.0f);
}

/* The same of sums of floats. Inverses are powers of two, one after the other so that their product
 * need not be a float32 number. Not a number where nothing is known. */
static __host__ __device__ inline float br_least_of_float_sums(float least, float bias_most,
                                                               float of_row, float of_panel)
{
    float sum = (least - bias_most) * of_row * of_panel;

    return sum - fabsf(sum) * BR_STEP - 2.0f;
}

/* How far a candidate's canonical score may be from its approximate one. */
static __device__ inline float br_slack(float approx, float error)
{
    return error + fabsf(approx) * BR_STEP;
}

static __device__ inline float br_slack_of(const br_topk_chunk &c, const br_topk_row &row,
                                           br_topk_candidate found)
{
    br_topk_panel panel = c.items.panel_P[found.position / BR_PANEL];

    return br_slack(found.approx, br_bound_of_panel(panel, row.norm, row.residual));
}

#endif
