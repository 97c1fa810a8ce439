/* SPDX-License-Identifier: Apache-2.0
 *
 * What one step of gru multiplies: the states of 16 M sequences with W_hh, for 8 units of all three
 * gates, by one warp. States and weights are T: bf16 for tensor cores, float for fused
 * multiply-adds in index order.
 *
 * A lane (g = lane / 4, t = lane % 4) has units 2t and 2t + 1 of sequences g and g + 8 of each 16:
 * value i is unit 2t + i % 2 of sequence 16 (i / 4) + g + 8 (i / 2 % 2). The 16 inputs of a
 * tensor-core product are taken in the order 4t, 4t + 1 | 4t + 2, 4t + 3 on both sides, so that a
 * lane's lie side by side. */
#ifndef BR_KERNELS_CUDA_ENCODER_GRU_CUH
#define BR_KERNELS_CUDA_ENCODER_GRU_CUH

#include "kernels/cuda/encoder/columns.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/warp.cuh"

#define BR_GRU_CHUNK 16 /* inputs of a tensor-core product */
#define BR_GRU_UNITS 8

/* Elements between rows in shared memory, zeros behind n: rows begin in different banks. */
static __host__ __device__ inline int br_gru_stride(const __nv_bfloat16 *, int n)
{
    return BR_GRU_CHUNK * ((n + BR_GRU_CHUNK - 1) / BR_GRU_CHUNK | 1);
}
static __host__ __device__ inline int br_gru_stride(const float *, int n)
{
    return (n + BR_GRU_CHUNK - 1) / BR_GRU_CHUNK * BR_GRU_CHUNK + 4;
}

/* W_hh: in shared memory with rows of whole tiles and zeros behind the end, or (IS_RESIDENT false)
 * as the prepared weight has it, through the second-level cache. */
template <typename T, bool IS_RESIDENT> struct br_gru_weight {
    const T *at;
    int      n;      /* H */
    int      n_in;   /* H padded to 8 */
    int      stride; /* n_in where not resident */

    /* Where unit `unit` of gate `gate` has its inputs from `column` on; NULL: zeros. */
    __device__ const T *row(int gate, int unit, int column) const
    {
        int n_units = (n + BR_GRU_UNITS - 1) / BR_GRU_UNITS * BR_GRU_UNITS;

        if (IS_RESIDENT)
            return at + (gate * n_units + unit) * stride + column;
        if (unit >= n || column >= n_in)
            return NULL;
        return at + (int64_t)(gate * n + unit) * stride + column;
    }
};

/* sum[gate] = W_hh h of the tile's units; h_SH: the sequences' rows, `stride` elements apart. */
template <int M, bool IS_RESIDENT>
static __device__ __forceinline__ void
br_gru_multiply(float sum[3][4 * M], const br_gru_weight<__nv_bfloat16, IS_RESIDENT> &w, int tile,
                const __nv_bfloat16 *h_SH, int stride)
{
    int                  quarter = br_lane() % 4 * 4;
    int                  unit    = tile * BR_GRU_UNITS + br_lane() / 4;
    const __nv_bfloat16 *h       = h_SH + br_lane() / 4 * stride + quarter;

#pragma unroll 2
    for (int k = 0; k < w.n_in; k += BR_GRU_CHUNK) {
        uint2 b[3];

#pragma unroll
        for (int gate = 0; gate < 3; gate++) {
            const __nv_bfloat16 *from = w.row(gate, unit, k + quarter);

            b[gate] = IS_RESIDENT || from != NULL ? *reinterpret_cast<const uint2 *>(from)
                                                  : make_uint2(0, 0);
        }
#pragma unroll
        for (int m = 0; m < M; m++) {
            const __nv_bfloat16 *row  = h + m * 16 * stride + k;
            uint2                low  = *reinterpret_cast<const uint2 *>(row);
            uint2                high = *reinterpret_cast<const uint2 *>(row + 8 * stride);
            const uint32_t       a[4] = {low.x, high.x, low.y, high.y};

#pragma unroll
            for (int gate = 0; gate < 3; gate++) {
                const uint32_t pair[2] = {b[gate].x, b[gate].y};

                br_mma_bf16(sum[gate] + 4 * m, a, pair);
            }
        }
    }
}

template <int M, bool IS_RESIDENT>
static __device__ __forceinline__ void br_gru_multiply(float sum[3][4 * M],
                                                       const br_gru_weight<float, IS_RESIDENT> &w,
                                                       int tile, const float *h_SH, int stride)
{
    int          unit = tile * BR_GRU_UNITS + br_lane() % 4 * 2;
    const float *h    = h_SH + br_lane() / 4 * stride;

    for (int k = 0; k < w.n_in; k += 4) {
        float4 b[3][2];

#pragma unroll
        for (int i = 0; i < 6; i++) {
            const float *from = w.row(i / 2, unit + i % 2, k);

            b[i / 2][i % 2] = IS_RESIDENT || from != NULL ? *reinterpret_cast<const float4 *>(from)
                                                          : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }
#pragma unroll
        for (int i = 0; i < 4 * M; i += 2) {
            float4 a =
                *reinterpret_cast<const float4 *>(h + (i / 4 * 16 + i / 2 % 2 * 8) * stride + k);

#pragma unroll
            for (int gate = 0; gate < 3; gate++) {
                sum[gate][i]     = br_chain4(a, b[gate][0], sum[gate][i]);
                sum[gate][i + 1] = br_chain4(a, b[gate][1], sum[gate][i + 1]);
            }
        }
    }
}

/* ---- gates ----------------------------------------------------------------------------------- */

/* Within 1e-7 of 1 for either T: what rounded operands leave needs no more, and costs less. */
static __device__ __forceinline__ float br_sigmoid(const float *, float x)
{
    return 1.0f / (1.0f + expf(-x));
}
static __device__ __forceinline__ float br_sigmoid(const __nv_bfloat16 *, float x)
{
    return __fdividef(1.0f, 1.0f + __expf(-x));
}
static __device__ __forceinline__ float br_tanh(const float *, float x)
{
    return tanhf(x);
}
static __device__ __forceinline__ float br_tanh(const __nv_bfloat16 *, float x)
{
    return 1.0f - __fdividef(2.0f, 1.0f + __expf(2.0f * x));
}

#endif
