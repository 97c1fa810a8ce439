/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of 16 queries to 16 keys by one warp: the piece that attention.cu repeats. Operands lie
 * in shared memory as T: bf16 for tensor cores, float for fused multiply-adds in index order.
 * C chunks of 16 columns, zeros behind the head's width.
 *
 * A lane (g = lane / 4, t = lane % 4) has rows g and g + 8, and of 16 keys, or of 16 columns,
 * those that br_part gives: 8 values in all, four lanes share a row. */
#ifndef BR_KERNELS_CUDA_ENCODER_GRANULE_CUH
#define BR_KERNELS_CUDA_ENCODER_GRANULE_CUH

#include "kernels/cuda/encoder/columns.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/warp.cuh"

#define BR_GRANULE 16

/* Elements between rows in shared memory: 16 bytes more than a row has, so that eight rows' 16-byte
 * pieces lie in different banks. */
template <typename T, int C> static __host__ __device__ constexpr int br_granule_stride(void)
{
    return C * BR_GRANULE + 16 / (int)sizeof(T);
}

/* Which of 16 columns, keys and two rows the lane's value j is. */
template <typename T> struct br_part;
template <> struct br_part<__nv_bfloat16> {
    static __device__ int row(int j)
    {
        return j / 2 % 2;
    }
    static __device__ int column(int j)
    {
        return 8 * (j / 4) + 2 * (br_lane() % 4) + j % 2;
    }
    static __device__ int key(int j)
    {
        return column(j);
    }
};
template <> struct br_part<float> {
    static __device__ int row(int j)
    {
        return j / 4;
    }
    static __device__ int column(int j)
    {
        return 4 * (br_lane() % 4) + j % 4;
    }
    static __device__ int key(int j)
    {
        return br_lane() % 4 + 4 * (j % 4);
    }
};

/* 16 queries, from shared memory: bf16 of up to 128 columns stay in registers. S: between rows. */
template <typename T, int C, int S = br_granule_stride<T, C>()> struct br_queries;

template <int C, int S> struct br_queries<__nv_bfloat16, C, S> {
    enum { N_KEPT = C <= 8 ? C : 1, STRIDE = S };
    const __nv_bfloat16 *at; /* the lane's row */
    uint32_t             kept[N_KEPT][4];

    __device__ __forceinline__ void load(const __nv_bfloat16 *query)
    {
        at = query + br_lane() % 16 * STRIDE + br_lane() / 16 * 8;
#pragma unroll
        for (int c = 0; c < N_KEPT; c++)
            br_load_matrices(kept[c], at + c * BR_GRANULE);
    }

    /* logit[j] = query . key */
    __device__ __forceinline__ void multiply(float logit[8], const __nv_bfloat16 *key) const
    {
        int                  lane = br_lane();
        const __nv_bfloat16 *b_at = key + (lane % 8 + lane / 16 * 8) * STRIDE + lane / 8 % 2 * 8;

#pragma unroll
        for (int j = 0; j < 8; j++)
            logit[j] = 0.0f;
#pragma unroll
        for (int c = 0; c < C; c++) {
            uint32_t a[4], b[4];

            if (c >= N_KEPT)
                br_load_matrices(a, at + c * BR_GRANULE);
            br_load_matrices(b, b_at + c * BR_GRANULE);
            br_mma_bf16(logit, c < N_KEPT ? kept[c] : a, b);
            br_mma_bf16(logit + 4, c < N_KEPT ? kept[c] : a, b + 2);
        }
    }
};

template <int C, int S> struct br_queries<float, C, S> {
    enum { STRIDE = S };
    const float *at;

    __device__ __forceinline__ void load(const float *query)
    {
        at = query + br_lane() / 4 * STRIDE;
    }

    __device__ __forceinline__ void multiply(float logit[8], const float *key) const
    {
        const float *k_at = key + br_lane() % 4 * STRIDE;

#pragma unroll
        for (int j = 0; j < 8; j++)
            logit[j] = 0.0f;
#pragma unroll 4
        for (int d = 0; d < C * BR_GRANULE; d += 4) {
            float4 q[2] = {br_get4(at + d), br_get4(at + 8 * STRIDE + d)};

#pragma unroll
            for (int j = 0; j < 4; j++) {
                float4 k = br_get4(k_at + 4 * j * STRIDE + d);

                logit[j]     = br_chain4(q[0], k, logit[j]);
                logit[4 + j] = br_chain4(q[1], k, logit[4 + j]);
            }
        }
    }
};

/* out[c] += weights x value, 16 keys; the weights are rounded to T */
template <int C, int S = br_granule_stride<__nv_bfloat16, C>()>
static __device__ __forceinline__ void br_granule_add(float out[C][8], const float weight[8],
                                                      const __nv_bfloat16 *value)
{
    int                  lane = br_lane();
    const __nv_bfloat16 *at   = value + lane % 16 * S + lane / 16 * 8;
    const uint32_t       a[4] = {br_pair(weight[0], weight[1]), br_pair(weight[2], weight[3]),
                                 br_pair(weight[4], weight[5]), br_pair(weight[6], weight[7])};

#pragma unroll
    for (int c = 0; c < C; c++) {
        uint32_t b[4];

        br_load_matrices_transposed(b, at + c * BR_GRANULE);
        br_mma_bf16(out[c], a, b);
        br_mma_bf16(out[c] + 4, a, b + 2);
    }
}

template <int C>
static __device__ __forceinline__ void br_granule_add(float out[C][8], const float weight[8],
                                                      const float *value)
{
    constexpr int stride = br_granule_stride<float, C>();
    int           first  = br_lane() / 4 * 4; /* lane of the row's quarter 0 */
    const float  *at     = value + br_lane() % 4 * 4;

#pragma unroll
    for (int k = 0; k < BR_GRANULE; k++) {
        float p[2] = {__shfl_sync(BR_FULL_WARP, weight[k / 4], first + k % 4),
                      __shfl_sync(BR_FULL_WARP, weight[4 + k / 4], first + k % 4)};

#pragma unroll
        for (int c = 0; c < C; c++) {
            float4 v = br_get4(at + k * stride + c * BR_GRANULE);

#pragma unroll
            for (int r = 0; r < 2; r++) {
                out[c][4 * r]     = fmaf(p[r], v.x, out[c][4 * r]);
                out[c][4 * r + 1] = fmaf(p[r], v.y, out[c][4 * r + 1]);
                out[c][4 * r + 2] = fmaf(p[r], v.z, out[c][4 * r + 2]);
                out[c][4 * r + 3] = fmaf(p[r], v.w, out[c][4 * r + 3]);
            }
        }
    }
}

#endif
