/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors in fp16, a warp each: x is about scale * code with a power of two for a scale, so large
 * that the largest code lies in [2^14, 2^15). Codes below the smallest normal fp16 number are
 * written as 0, so that nothing rests on how a device treats subnormal ones. */
#ifndef BR_KERNELS_CUDA_TOPK_CODE_CUH
#define BR_KERNELS_CUDA_TOPK_CODE_CUH

#include "kernels/cuda/topk/topk.cuh"

#define BR_CODE_BITS      15       /* codes are below 2^15 */
#define BR_CODE_LEAST     0x1p-14f /* smallest normal fp16 number */
#define BR_LEAST_EXPONENT (-60)    /* smaller vectors are coded as if they had this one */

/* The power of two that takes codes to values; element: the largest |value|, finite. */
static __device__ inline float br_code_scale(float element)
{
    int exponent = 0;

    (void)frexpf(element, &exponent);
    exponent = element > 0.0f && exponent > BR_LEAST_EXPONENT ? exponent : BR_LEAST_EXPONENT;
    return ldexpf(1.0f, exponent - BR_CODE_BITS);
}

static __device__ inline __half br_code_of(float scaled)
{
    return __float2half_rn(fabsf(scaled) < BR_CODE_LEAST ? 0.0f : scaled);
}

typedef struct br_measured {
    float  element; /* largest |value| */
    double norm;
} br_measured;

/* All lanes get the result; the norm is infinite where a value is not finite. */
static __device__ inline br_measured br_measure(const float *x_D, int64_t dim)
{
    br_measured m = {0.0f, 0.0};

    for (int64_t d = br_lane(); d < dim; d += BR_WARP) {
        m.element = fmaxf(m.element, fabsf(x_D[d]));
        m.norm += (double)x_D[d] * (double)x_D[d];
    }
    m.element = br_warp_max(m.element);
    m.norm    = sqrt(br_warp_sum(m.norm));
    m.norm    = isfinite(m.norm) ? m.norm : INFINITY;
    return m;
}

typedef struct br_coded {
    double residual; /* |x - scale * code| */
    double norm;     /* |scale * code| */
} br_coded;

typedef struct br_code_target {
    __half *code_D;  /* `width` long, zeros behind x */
    __half *below_D; /* the codes of what code_D loses, at the same scale; may be NULL */
    int64_t width;
} br_code_target;

/* x_D NULL: zeros. All lanes get the result. */
static __device__ inline br_coded br_encode(const float *x_D, int64_t dim, float scale,
                                            const br_code_target &to)
{
    double lost = 0.0, kept = 0.0;

    for (int64_t d = br_lane(); d < to.width; d += BR_WARP) {
        float  x      = x_D != NULL && d < dim ? x_D[d] : 0.0f;
        float  scaled = x / scale; /* exact, or far below the smallest code */
        __half code   = br_code_of(scaled);
        double value  = (double)__half2float(code) * (double)scale;

        to.code_D[d] = code;
        if (to.below_D != NULL)
            to.below_D[d] = br_code_of(scaled - __half2float(code));
        lost += ((double)x - value) * ((double)x - value);
        kept += value * value;
    }
    return {sqrt(br_warp_sum(lost)), sqrt(br_warp_sum(kept))};
}

#endif
