/* SPDX-License-Identifier: Apache-2.0
 *
 * Thin wrappers of the products of Hopper's tensor cores (wgmma), made by warpgroups: four warps,
 * the first one's number a multiple of four. They go on by themselves: after br_wgmma_fence come
 * products, then br_wgmma_commit closes a group of them, and until br_wgmma_wait says that the
 * group is done nobody may touch its sums, its A, or the shared memory that it reads. The emulated
 * device has twins (on_cpu_wgmma.h).
 *
 * A product is of 64 rows, 128 columns and 32 bytes of a row of codes: 16 of 16 bits or 32 of 8. In
 * a warpgroup warp w has rows 16 w .. 16 w + 15. Fragments, with g = lane / 4 and t = lane % 4 (PTX
 * manual, register fragments of wgmma.mma_async.m64nNk16 and m64nNk32):
 *   D  d[4 n .. 4 n + 1] row g, columns 8 n + 2 t and the next; d[4 n + 2 ..] row g + 8
 *   A  as in mma.cuh: a[0] row g, bytes 4 t .. 4 t + 3; a[1] row g + 8; a[2], a[3] the same, 16 on
 * B's columns are 128 rows of bytes in shared memory, a box of tensor_map.cuh; A's 64 rows may lie
 * there in the same way (br_wgmma_boxes_more). */
#ifndef BR_KERNELS_CUDA_HOPPER_WGMMA_CUH
#define BR_KERNELS_CUDA_HOPPER_WGMMA_CUH

#include "kernels/cuda/hopper/tensor_map.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/warp.cuh"

#define BR_WGMMA_BYTES   32 /* of a row, in a product */
#define BR_WGMMA_SUMS    64 /* of a thread */
#define BR_WARPGROUP     128
#define BR_WGMMA_SWIZZLE (1ull << 62) /* 128 bytes */

/* Where B is, for the tensor cores, of a box that begins (1,024-aligned) so many bytes into shared
 * memory's addresses: eight rows after eight rows of 128 bytes. `byte` of its rows on: 0, 32, 64 or
 * 96 (the swizzle is of the address, so a box's beginning and a byte are added up). */
static __host__ __device__ inline uint64_t br_wgmma_box(uint32_t address, int byte)
{
    return BR_WGMMA_SWIZZLE | (uint64_t)(8 * BR_BOX_BYTES / 16) << 32 | (uint64_t)1 << 16 |
           (address + (uint32_t)byte) / 16;
}

/* Of the thread; the same for a warp's lanes, as the compiler can see: it makes products one by one
 * where it takes a branch of theirs for divergent (its warning C7520). */
static __device__ inline int br_warpgroup(void)
{
    return __shfl_sync(BR_FULL_WARP, (int)threadIdx.x / BR_WARPGROUP, 0);
}

/* The thread's eight sums of a block, by a number that the compiler does not know: block 4 half + q
 * is columns 32 q .. 32 q + 31 of row 8 half. */
template <typename T>
static __device__ __forceinline__ void br_sums_of_block(T v[8], const T d[BR_WGMMA_SUMS], int block)
{
    switch (block) {
#define PICK(b)                                                                                    \
    case b:                                                                                        \
        for (int i = 0; i < 8; i++)                                                                \
            v[i] = d[(b) % 4 * 16 + i / 2 * 4 + (b) / 4 * 2 + i % 2];                              \
        break
        PICK(0);
        PICK(1);
        PICK(2);
        PICK(3);
        PICK(4);
        PICK(5);
        PICK(6);
    default:
        PICK(7);
#undef PICK
    }
}

#ifdef BR_CUDA_ON_CPU
#include <on_cpu_wgmma.h>
#else

/* Before the first product, and after sums or A were written. */
static __device__ __forceinline__ void br_wgmma_fence(void)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

static __device__ __forceinline__ void br_wgmma_commit(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Until at most N groups are under way. */
template <int N> static __device__ __forceinline__ void br_wgmma_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

static __device__ __forceinline__ void br_wgmma_hold_one(float &sum)
{
    asm volatile("" : "+f"(sum)::"memory");
}
static __device__ __forceinline__ void br_wgmma_hold_one(int32_t &sum)
{
    asm volatile("" : "+r"(sum)::"memory");
}

/* Before the fence and after the last wait: the compiler moves nothing of the sums past this. */
template <typename T> static __device__ __forceinline__ void br_wgmma_hold(T d[BR_WGMMA_SUMS])
{
#pragma unroll
    for (int i = 0; i < BR_WGMMA_SUMS; i++)
        br_wgmma_hold_one(d[i]);
}

// clang-format off
#define BR_64_SUMS \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15,"                       \
    " %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31,"             \
    " %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47,"             \
    " %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define BR_SUMS_4(c, i)  c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3])
#define BR_SUMS_16(c, i) \
    BR_SUMS_4(c, i), BR_SUMS_4(c, i + 4), BR_SUMS_4(c, i + 8), BR_SUMS_4(c, i + 12)

/* d (+)= a b: what d held counts where is_more. */
#define BR_WGMMA(name, sum, constraint, shape, rest)                                              \
    static __device__ __forceinline__ void name(sum d[BR_WGMMA_SUMS], const uint32_t a[4],        \
                                                uint64_t b, bool is_more)                         \
    {                                                                                             \
        asm volatile("{\n.reg .pred is_more;\nsetp.ne.b32 is_more, %69, 0;\n"                     \
                     "wgmma.mma_async.sync.aligned.m64n128" shape " " BR_64_SUMS                  \
                     ", {%64, %65, %66, %67}, %68, is_more" rest ";\n}"                           \
                     : BR_SUMS_16(constraint, 0), BR_SUMS_16(constraint, 16),                     \
                       BR_SUMS_16(constraint, 32), BR_SUMS_16(constraint, 48)                     \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((int)is_more));    \
    }
BR_WGMMA(br_wgmma_fp16, float, "+f", "k16.f32.f16.f16", ", 1, 1, 0")
BR_WGMMA(br_wgmma_bf16, float, "+f", "k16.f32.bf16.bf16", ", 1, 1, 0")
BR_WGMMA(br_wgmma_s8, int32_t, "+r", "k32.s32.s8.s8", "")
#undef BR_WGMMA

/* bf16, A's 64 rows in shared memory as B's: half a box. _first does not read d, whose registers
 * are free until then. */
#define BR_WGMMA_BOXES(name, constraint, is_more)                                                 \
    static __device__ __forceinline__ void name(float d[BR_WGMMA_SUMS], uint64_t a, uint64_t b)   \
    {                                                                                             \
        asm volatile("{\n.reg .pred is_more;\nsetp.ne.b32 is_more, " #is_more ", 0;\n"            \
                     "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " BR_64_SUMS          \
                     ", %64, %65, is_more, 1, 1, 0, 0;\n}"                                        \
                     : BR_SUMS_16(constraint, 0), BR_SUMS_16(constraint, 16),                     \
                       BR_SUMS_16(constraint, 32), BR_SUMS_16(constraint, 48)                     \
                     : "l"(a), "l"(b));                                                           \
    }
BR_WGMMA_BOXES(br_wgmma_boxes_first, "=f", 0)
BR_WGMMA_BOXES(br_wgmma_boxes_more, "+f", 1)
#undef BR_WGMMA_BOXES
// clang-format on
#undef BR_SUMS_16
#undef BR_SUMS_4
#undef BR_64_SUMS

#endif
#endif
