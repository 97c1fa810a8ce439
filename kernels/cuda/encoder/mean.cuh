/* SPDX-License-Identifier: Apache-2.0
 *
 * The mean of values that attention makes, over the keys so far: a warp's 16 queries of one head,
 * of which a lane (granule.cuh) has two rows. */
#ifndef BR_KERNELS_CUDA_ENCODER_MEAN_CUH
#define BR_KERNELS_CUDA_ENCODER_MEAN_CUH

#include "kernels/cuda/encoder/attention.cuh"
#include "kernels/cuda/encoder/granule.cuh"

template <int C> struct br_mean {
    float top[2]; /* largest logit so far, of two rows */
    float sum[2]; /* the lane's share of the powers */
    float out[C][8];
};

/* Logits of G granules become powers of their distance to the row's largest so far; what was before
 * shrinks with it. Row r sees the keys 0 .. ahead + r. */
template <typename T, int C, int G>
static __device__ __forceinline__ void br_take_powers(br_mean<C> *m, float x[G][8],
                                                      const float *bias, float scale, int ahead)
{
    const T *kind   = NULL;
    float    top[2] = {m->top[0], m->top[1]}, kept[2];

#pragma unroll
    for (int i = 0; i < 8 * G; i++) {
        int    row = br_part<T>::row(i % 8), key = i / 8 * BR_GRANULE + br_part<T>::key(i % 8);
        bool   is_seen = key <= ahead + br_lane() / 4 + 8 * row;
        float *logit   = &x[i / 8][i % 8];

        *logit   = is_seen ? fmaf(*logit, scale, bias[key]) : -INFINITY;
        top[row] = *logit > top[row] ? *logit : top[row];
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        top[r]    = fmaxf(top[r], __shfl_xor_sync(BR_FULL_WARP, top[r], 1));
        top[r]    = fmaxf(top[r], __shfl_xor_sync(BR_FULL_WARP, top[r], 2));
        kept[r]   = br_power(kind, m->top[r] - top[r]);
        m->top[r] = top[r];
        m->sum[r] *= kept[r];
    }
#pragma unroll
    for (int i = 0; i < 8 * G; i++) {
        int    row   = br_part<T>::row(i % 8);
        float *logit = &x[i / 8][i % 8];

        *logit = br_power(kind, *logit - top[row]);
        m->sum[row] += *logit;
    }
#pragma unroll
    for (int i = 0; i < 8 * C; i++)
        m->out[i / 8][i % 8] *= kept[br_part<T>::row(i % 8)];
}

#endif
