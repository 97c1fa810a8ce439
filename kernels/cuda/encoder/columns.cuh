/* SPDX-License-Identifier: Apache-2.0
 *
 * Four columns of a row at a time: from views of any width and alignment, to and from operands in
 * shared memory (T: float, or bf16 as values enter a product). */
#ifndef BR_KERNELS_CUDA_ENCODER_COLUMNS_CUH
#define BR_KERNELS_CUDA_ENCODER_COLUMNS_CUH

#include <cuda_bf16.h>

#include "kernels/cuda/launch.cuh"

static __device__ __forceinline__ uint32_t br_pair(float low, float high)
{
    return (uint32_t)__bfloat16_as_ushort(__float2bfloat16_rn(high)) << 16 |
           __bfloat16_as_ushort(__float2bfloat16_rn(low));
}

static __device__ __forceinline__ void br_put4(float *to, float4 x)
{
    *reinterpret_cast<float4 *>(to) = x;
}
static __device__ __forceinline__ void br_put4(__nv_bfloat16 *to, float4 x)
{
    *reinterpret_cast<uint2 *>(to) = make_uint2(br_pair(x.x, x.y), br_pair(x.z, x.w));
}

static __device__ __forceinline__ float4 br_get4(const float *from)
{
    return *reinterpret_cast<const float4 *>(from);
}
static __device__ __forceinline__ float4 br_get4(const __nv_bfloat16 *from)
{
    uint2 x = *reinterpret_cast<const uint2 *>(from);

    return make_float4(__uint_as_float(x.x << 16), __uint_as_float(x.x & 0xFFFF0000u),
                       __uint_as_float(x.y << 16), __uint_as_float(x.y & 0xFFFF0000u));
}

static __device__ __forceinline__ float br_get(const float *from)
{
    return *from;
}
static __device__ __forceinline__ float br_get(const __nv_bfloat16 *from)
{
    return __bfloat162float(*from);
}

/* Columns d .. d+3 of a row of `width`, 0 behind it. is_whole: 16-byte pieces. */
static __device__ __forceinline__ float4 br_read4(const float *row_D, int d, int width,
                                                  bool is_whole)
{
    if (is_whole && d < width)
        return *reinterpret_cast<const float4 *>(row_D + d);
    return make_float4(d < width ? row_D[d] : 0.0f, d + 1 < width ? row_D[d + 1] : 0.0f,
                       d + 2 < width ? row_D[d + 2] : 0.0f, d + 3 < width ? row_D[d + 3] : 0.0f);
}

/* x as it enters a product of Ts. */
static __device__ __forceinline__ float br_rounded(const __nv_bfloat16 *, float x)
{
    return __bfloat162float(__float2bfloat16_rn(x));
}
static __device__ __forceinline__ float br_rounded(const float *, float x)
{
    return x;
}

/* sum + a . b, four fused multiply-adds in order */
static __device__ __forceinline__ float br_chain4(float4 a, float4 b, float sum)
{
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

/* May `n` (4: br_read4) columns be read at a time, from `mat`'s first one on and from any multiple
 * of `width` behind it? */
static inline bool br_is_whole(br_mat mat, int64_t width, int n)
{
    return width % n == 0 && mat.ld % n == 0 &&
           reinterpret_cast<uintptr_t>(br_mat_at(mat)) % (sizeof(float) * (size_t)n) == 0;
}

#endif
