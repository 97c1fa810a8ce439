/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of codes that score_topk screens in: scale, code and value of a number, and the product
 * of codes on tensor cores. A value is about scale * code. 32 bytes of a row lie in the registers
 * of a product in the same places, be they sixteen codes or thirty-two (mma.cuh): whatever moves
 * codes counts bytes, and only the kind knows what they are.
 *
 *   br_fp16, br_bf16  the scale is a power of two, so large that the largest code lies in [2^14,
 *                     2^15]; sums in float32. Codes below the smallest normal fp16 number are
 *                     written as 0, so that nothing rests on how a device treats subnormal ones
 *   br_int8           whole numbers up to 127; sums exact, and so are they as float32. A scale has
 *                     12 bits, so the product of two is exact
 *
 * bounds.cuh and docs/EXACTNESS.md rest on these. */
#ifndef BR_KERNELS_CUDA_TOPK_KIND_CUH
#define BR_KERNELS_CUDA_TOPK_KIND_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/hopper/wgmma.cuh"
#include "kernels/cuda/mma.cuh"

#define BR_CODE_BITS  15       /* codes of floats are not above 2^15 */
#define BR_CODE_LEAST 0x1p-14f /* smallest normal fp16 number */
#define BR_CODE_MOST  127.0f   /* of whole codes */
#define BR_SCALE_BITS 12       /* of a whole code's scale */

/* Smaller vectors are coded as if their largest value was this one: the product of two scales is a
 * float32 number; a normal one, where it must hold 24 bits. */
#define BR_LEAST_OF_FLOATS 0x1p-61f
#define BR_LEAST_OF_WHOLES 0x1p-56f

/* element: the largest |value|, finite. */
static __host__ __device__ inline float br_power_scale(float element)
{
    int exponent = 0;

    (void)frexpf(element > BR_LEAST_OF_FLOATS ? element : BR_LEAST_OF_FLOATS, &exponent);
    return ldexpf(1.0f, exponent - BR_CODE_BITS);
}

static __host__ __device__ inline float br_without_small(float scaled)
{
    return fabsf(scaled) < BR_CODE_LEAST ? 0.0f : scaled;
}

struct br_fp16 {
    typedef __half                   code;
    typedef float                    sum;
    static const br_screen_kind      KIND     = BR_SCREEN_FP16;
    static const bool                IS_WHOLE = false;
    static __host__ __device__ float scale(float element)
    {
        return br_power_scale(element);
    }
    static __host__ __device__ __half code_of(float scaled)
    {
        return __float2half_rn(br_without_small(scaled));
    }
    static __host__ __device__ float value_of(__half code)
    {
        return __half2float(code);
    }
    static __device__ void multiply(float d[4], const uint32_t a[4], const uint32_t b[2])
    {
        br_mma_fp16(d, a, b);
    }
    static __device__ void multiply_box(float d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b,
                                        bool is_more)
    {
        br_wgmma_fp16(d, a, b, is_more);
    }
};

struct br_bf16 {
    typedef __nv_bfloat16            code;
    typedef float                    sum;
    static const br_screen_kind      KIND     = BR_SCREEN_BF16;
    static const bool                IS_WHOLE = false;
    static __host__ __device__ float scale(float element)
    {
        return br_power_scale(element);
    }
    static __host__ __device__ __nv_bfloat16 code_of(float scaled)
    {
        return __float2bfloat16_rn(br_without_small(scaled));
    }
    static __host__ __device__ float value_of(__nv_bfloat16 code)
    {
        return __bfloat162float(code);
    }
    static __device__ void multiply(float d[4], const uint32_t a[4], const uint32_t b[2])
    {
        br_mma_bf16(d, a, b);
    }
    static __device__ void multiply_box(float d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b,
                                        bool is_more)
    {
        br_wgmma_bf16(d, a, b, is_more);
    }
};

struct br_int8 {
    typedef signed char              code;
    typedef int32_t                  sum;
    static const br_screen_kind      KIND     = BR_SCREEN_INT8;
    static const bool                IS_WHOLE = true;
    static __host__ __device__ float scale(float element)
    {
        int   exponent = 0;
        float bits =
            frexpf((element > BR_LEAST_OF_WHOLES ? element : BR_LEAST_OF_WHOLES) / BR_CODE_MOST,
                   &exponent);

        return ldexpf(ceilf(ldexpf(bits, BR_SCALE_BITS)), exponent - BR_SCALE_BITS);
    }
    static __host__ __device__ signed char code_of(float scaled)
    {
        return (signed char)fminf(fmaxf(rintf(scaled), -BR_CODE_MOST), BR_CODE_MOST);
    }
    static __host__ __device__ float value_of(signed char code)
    {
        return (float)code;
    }
    static __device__ void multiply(int32_t d[4], const uint32_t a[4], const uint32_t b[2])
    {
        br_mma_s8(d, a, b);
    }
    static __device__ void multiply_box(int32_t d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b,
                                        bool is_more)
    {
        br_wgmma_s8(d, a, b, is_more);
    }
};

/* function<the kind's struct>(...), and what it returns. */
#define BR_BY_KIND(kind, function, ...)                                                            \
    ((kind) == BR_SCREEN_INT8   ? function<br_int8>(__VA_ARGS__)                                   \
     : (kind) == BR_SCREEN_BF16 ? function<br_bf16>(__VA_ARGS__)                                   \
                                : function<br_fp16>(__VA_ARGS__))

#endif
