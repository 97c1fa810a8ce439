/* SPDX-License-Identifier: Apache-2.0
 *
 * The activations, in fp32: linear's, and those between mlp's layers. */
#ifndef BR_KERNELS_CUDA_ENCODER_ACTIVATE_CUH
#define BR_KERNELS_CUDA_ENCODER_ACTIVATE_CUH

#include "kernels/cuda/launch.cuh"

static __device__ inline float br_activate(br_activation activation, float x)
{
    switch (activation) {
    case BR_ACT_RELU:
        return x < 0.0f ? 0.0f : x; /* NaN stays NaN */
    case BR_ACT_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case BR_ACT_TANH:
        return tanhf(x);
    case BR_ACT_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    case BR_ACT_SILU:
        return x / (1.0f + expf(-x));
    case BR_ACT_NONE:
        break;
    }
    return x;
}

#endif
