/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors in codes (kind.cuh), a warp each. */
#ifndef BR_KERNELS_CUDA_TOPK_CODE_CUH
#define BR_KERNELS_CUDA_TOPK_CODE_CUH

#include "kernels/cuda/topk/kind.cuh"
#include "kernels/cuda/topk/topk.cuh"

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

template <typename K> struct br_code_target {
    typename K::code *code_D;  /* `width` long, zeros behind x */
    typename K::code *below_D; /* the codes of what code_D loses, at the same scale; may be NULL */
    int64_t           width;
};

/* A row's, in the codes of many; below may be NULL. */
template <typename K>
static __device__ inline br_code_target<K> br_code_place(unsigned char *code, unsigned char *below,
                                                         int64_t row, int64_t width)
{
    typename K::code *low = reinterpret_cast<typename K::code *>(below);

    return {reinterpret_cast<typename K::code *>(code) + row * width,
            low == NULL ? NULL : low + row * width, width};
}

/* x_D NULL: zeros. All lanes get the result. */
template <typename K>
static __device__ inline br_coded br_encode(const float *x_D, int64_t dim, float scale,
                                            const br_code_target<K> &to)
{
    double lost = 0.0, kept = 0.0;

    for (int64_t d = br_lane(); d < to.width; d += BR_WARP) {
        float x      = x_D != NULL && d < dim ? x_D[d] : 0.0f;
        float scaled = x / scale; /* exact by a power of two, or far below the smallest code */
        typename K::code code  = K::code_of(scaled);
        double           value = (double)K::value_of(code) * (double)scale;

        to.code_D[d] = code;
        if (to.below_D != NULL)
            to.below_D[d] = K::code_of(scaled - K::value_of(code));
        lost += ((double)x - value) * ((double)x - value);
        kept += value * value;
    }
    return {sqrt(br_warp_sum(lost)), sqrt(br_warp_sum(kept))};
}

#endif
