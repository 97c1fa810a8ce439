/* SPDX-License-Identifier: Apache-2.0
 *
 * wgmma in the shapes that the screen did not take, to be timed beside the one that it did: 192 and
 * 256 columns, A from registers or from shared memory. Layouts: kernels/cuda/hopper/wgmma.cuh. */
#ifndef BR_BENCH_LADDER_SHAPES_CUH
#define BR_BENCH_LADDER_SHAPES_CUH

#include "kernels/cuda/hopper/async.cuh"
#include "kernels/cuda/hopper/wgmma.cuh"

// clang-format off
#define TO_63 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, " \
    "%12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
    "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, " \
    "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, " \
    "%60, %61, %62, %63"
#define TO_95 \
    TO_63 ", " \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, " \
    "%76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, " \
    "%88, %89, %90, %91, %92, %93, %94, %95"
#define TO_127 \
    TO_95 ", " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, " \
    "%108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, " \
    "%120, %121, %122, %123, %124, %125, %126, %127"
#define SUMS_64  "{" TO_63 "}"
#define SUMS_96  "{" TO_95 "}"
#define SUMS_128 "{" TO_127 "}"
#define D4(c, i)  c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3])
#define D16(c, i) D4(c, i), D4(c, i + 4), D4(c, i + 8), D4(c, i + 12)
#define D64(c)    D16(c, 0), D16(c, 16), D16(c, 32), D16(c, 48)
#define D96(c)    D64(c), D16(c, 64), D16(c, 80)
#define D128(c)   D96(c), D16(c, 96), D16(c, 112)

/* FROM_REGISTERS(name, type, "+f", shape, sums' text, sums, what follows, numbers of a and b) */
#define FROM_REGISTERS(name, type, c, shape, text, sums, rest, a0, a1, a2, a3, b0)                \
    static __device__ __forceinline__ void name(type *d, const uint32_t a[4], uint64_t,           \
                                                uint64_t b)                                       \
    {                                                                                             \
        asm volatile("wgmma.mma_async.sync.aligned." shape " " text ", {%" #a0 ", %" #a1 ", %" #a2\
                     ", %" #a3 "}, %" #b0 ", 1" rest ";"                                          \
                     : sums(c) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));             \
    }
#define FROM_SHARED(name, type, c, shape, text, sums, rest, a0, b0)                               \
    static __device__ __forceinline__ void name(type *d, const uint32_t *, uint64_t a, uint64_t b)\
    {                                                                                             \
        asm volatile("wgmma.mma_async.sync.aligned." shape " " text ", %" #a0 ", %" #b0           \
                     ", 1" rest ";"                                                               \
                     : sums(c) : "l"(a), "l"(b));                                                 \
    }
FROM_REGISTERS(fp16_128, float, "+f", "m64n128k16.f32.f16.f16",
    SUMS_64, D64, ", 1, 1, 0", 64, 65, 66, 67, 68)
FROM_REGISTERS(fp16_192, float, "+f", "m64n192k16.f32.f16.f16",
    SUMS_96, D96, ", 1, 1, 0", 96, 97, 98, 99, 100)
FROM_REGISTERS(fp16_256, float, "+f", "m64n256k16.f32.f16.f16",
    SUMS_128, D128, ", 1, 1, 0", 128, 129, 130, 131, 132)
FROM_SHARED(fp16_128_shared, float, "+f", "m64n128k16.f32.f16.f16",
    SUMS_64, D64, ", 1, 1, 0, 0", 64, 65)
FROM_SHARED(fp16_192_shared, float, "+f", "m64n192k16.f32.f16.f16",
    SUMS_96, D96, ", 1, 1, 0, 0", 96, 97)
FROM_SHARED(fp16_256_shared, float, "+f", "m64n256k16.f32.f16.f16",
    SUMS_128, D128, ", 1, 1, 0, 0", 128, 129)
FROM_REGISTERS(s8_128, int32_t, "+r", "m64n128k32.s32.s8.s8",
    SUMS_64, D64, "", 64, 65, 66, 67, 68)
FROM_REGISTERS(s8_256, int32_t, "+r", "m64n256k32.s32.s8.s8",
    SUMS_128, D128, "", 128, 129, 130, 131, 132)
FROM_SHARED(s8_256_shared, int32_t, "+r", "m64n256k32.s32.s8.s8",
    SUMS_128, D128, "", 128, 129)
// clang-format on

#endif
