/* SPDX-License-Identifier: Apache-2.0
 *
 * Thin wrappers of the instructions that have no C: tensor-core products (sm_80 and later), matrix
 * loads, asynchronous copies. The emulated device has a twin of each (on_cpu_mma.h). All are
 * called by whole warps, except the copies.
 *
 * Fragments, with g = lane / 4 and t = lane % 4 (PTX manual, m16n8k16 and m16n8k32):
 *   D, C  d[0..1] row g, columns 2t, 2t+1;  d[2..3] row g + 8
 *   A 16  a[0] row g, columns 2t, 2t+1;  a[1] row g + 8;  a[2], a[3] the same, columns + 8
 *   B 16  b[0] rows 2t, 2t+1 of column g;  b[1] rows + 8
 *   A 8   a[0] row g, columns 4t .. 4t+3;  a[1] row g + 8;  a[2], a[3] the same, columns + 16
 *   B 8   b[0] rows 4t .. 4t+3 of column g;  b[1] rows + 16
 * The lower column or row lies in a register's lower bits. B's columns are rows of the matrix that
 * is multiplied from the right, transposed: as weights and items are stored. */
#ifndef BR_KERNELS_CUDA_MMA_CUH
#define BR_KERNELS_CUDA_MMA_CUH

#include "kernels/cuda/launch.cuh"

#ifdef BR_CUDA_ON_CPU
#include <on_cpu_mma.h>
#else

/* d += a b, 16 x 8 x 16 of bf16, fp32 sums */
static __device__ __forceinline__ void br_mma_bf16(float d[4], const uint32_t a[4],
                                                   const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* d += a b, 16 x 8 x 16 of fp16, fp32 sums */
static __device__ __forceinline__ void br_mma_fp16(float d[4], const uint32_t a[4],
                                                   const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* d += a b, 16 x 8 x 32 of signed bytes, whole sums that wrap */
static __device__ __forceinline__ void br_mma_s8(int32_t d[4], const uint32_t a[4],
                                                 const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

static __device__ __forceinline__ uint32_t br_shared_address(const void *at)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}

/* Four 8 x 8 matrices of 16-bit elements from shared memory. Lane l gives the address of row l % 8
 * of matrix l / 8 (16 bytes, aligned); r[m] gets row lane / 4, columns 2t, 2t+1 of matrix m. */
static __device__ __forceinline__ void br_load_matrices(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(br_shared_address(row))
                 : "memory");
}

/* The same, each matrix transposed: r[m] gets rows 2t, 2t+1 of column lane / 4. */
static __device__ __forceinline__ void br_load_matrices_transposed(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(br_shared_address(row))
                 : "memory");
}

/* 16 bytes (or 16 zeros, when !is_there: nothing is read) to shared memory, both aligned; there
 * after the wait for its group and, for other threads, a barrier. */
static __device__ __forceinline__ void br_copy_async(void *to, const void *from, bool is_there)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(br_shared_address(to)),
                 "l"(from), "r"(is_there ? 16 : 0)
                 : "memory");
}

/* Closes the group of the copies since the last one. */
static __device__ __forceinline__ void br_copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N groups of this thread are under way. */
template <int N> static __device__ __forceinline__ void br_copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#endif
#endif
