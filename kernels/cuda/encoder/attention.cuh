/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two forms of attention share: attention.cu for heads of up to 256 columns,
 * attention_wide.cu beyond. */
#ifndef BR_KERNELS_CUDA_ENCODER_ATTENTION_CUH
#define BR_KERNELS_CUDA_ENCODER_ATTENTION_CUH

#include "kernels/cuda/encoder/columns.cuh"
#include "kernels/cuda/encoder/units.cuh"
#include "kernels/cuda/warp.cuh"

#define BR_WIDEST_HEAD 256

typedef struct br_attention_params {
    const int32_t       *offset_B1;
    const float         *weight_E; /* NULL: all 1 */
    br_view<const float> qkv_E3D;
    const float         *pad_key_D; /* NULL: none */
    const float         *pad_value_D;
    br_view<float>       out_ED;
    int32_t              max_length;
    int32_t              n_heads;
    int32_t              width; /* of a head */
    int64_t              n_cols;
    float                scale;        /* of a logit, in the powers' units */
    bool                 is_whole;     /* qkv may be read four columns at a time */
    bool                 is_whole_out; /* out may be written two */
} br_attention_params;

/* Powers of e, or of 2 where operands are rounded anyway: the scale and the logarithms follow. */
static __device__ __forceinline__ float br_power(const float *, float x)
{
    return expf(x);
}
static __device__ __forceinline__ float br_power(const __nv_bfloat16 *, float x)
{
    return exp2f(x);
}
static __device__ __forceinline__ float br_logarithm(const float *, float x)
{
    return logf(x);
}
static __device__ __forceinline__ float br_logarithm(const __nv_bfloat16 *, float x)
{
    return log2f(x);
}

br_attention_params br_attention_params_of(const br_attention_args *args);
br_status           br_cuda_attention_wide(br_dev *dev, const br_attention_args *args);

#endif
