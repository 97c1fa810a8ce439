/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for the toolkit's header when kernels are compiled for the emulated device: words of
 * the language, vector types, launches. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_RUNTIME_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_RUNTIME_H

#include <cstddef>
#include <cstdint>
#include <math.h>

#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/include/cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__    __attribute__((noinline))
#define __align__(n)    __attribute__((aligned(n)))
#define __launch_bounds__(...)
/* Kernels are static, templates too, so that all shared variables may lie in one section. */
#define __shared__ static __attribute__((section("br_shared")))

#define BR_VECTOR(type, name, alignment)                                                           \
    struct alignas(alignment) name##4                                                              \
    {                                                                                              \
        type x, y, z, w;                                                                           \
    };                                                                                             \
    struct alignas((alignment) / 2) name##2                                                        \
    {                                                                                              \
        type x, y;                                                                                 \
    };                                                                                             \
    static inline name##2 make_##name##2(type x, type y)                                           \
    {                                                                                              \
        return {x, y};                                                                             \
    }                                                                                              \
    static inline name##4 make_##name##4(type x, type y, type z, type w)                           \
    {                                                                                              \
        return {x, y, z, w};                                                                       \
    }
BR_VECTOR(float, float, 16)
BR_VECTOR(int, int, 16)
BR_VECTOR(unsigned, uint, 16)
BR_VECTOR(short, short, 8)
BR_VECTOR(unsigned short, ushort, 8)
BR_VECTOR(signed char, char, 4)
BR_VECTOR(unsigned char, uchar, 4)
#undef BR_VECTOR

struct alignas(16) double2 {
    double x, y;
};
static inline double2 make_double2(double x, double y)
{
    return {x, y};
}

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

enum { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
template <typename F> static inline cudaError_t cudaFuncSetAttribute(F, int, int bytes)
{
    return bytes <= 227 * 1024 ? cudaSuccess : cudaErrorInvalidValue;
}

/* What stands for kernel<<<grid, block, shared_bytes, stream>>>(args...). */
template <typename K>
static inline void emulate(const char *name, const dim3 (&shape)[2], size_t shared_bytes,
                           cudaStream_t stream, const K &kernel)
{
    emulator_launch launch = {
        name,
        {shape[0].x, shape[0].y, shape[0].z},
        {shape[1].x, shape[1].y, shape[1].z},
        shared_bytes,
        [](void *context) { (*static_cast<const K *>(context))(); },
        const_cast<K *>(&kernel),
    };
    emulator_arguments arguments = {
        [](const void *context) -> void * { return new K(*static_cast<const K *>(context)); },
        [](void *context) { delete static_cast<K *>(context); },
    };

    emulator_launch_on(stream, &launch, &arguments);
}

#include "tests/cuda_on_cpu/include/on_cpu_arithmetic.h"
#include "tests/cuda_on_cpu/include/on_cpu_atomics.h"
#include "tests/cuda_on_cpu/include/on_cpu_warp.h"

#endif
