/* SPDX-License-Identifier: Apache-2.0
 *
 * Thin wrappers of what Hopper does by itself while threads go on: barriers that count arrivals and
 * bytes (mbarrier), copies of a box of a matrix (TMA), barriers of some warps, registers that move
 * between warpgroups. The emulated device has a twin of each (on_cpu_hopper.h).
 *
 * An mbarrier's phases are numbered from 0. A phase is over when so many arrivals were made as init
 * says, and all bytes that were expected have come; a wait for the parity of phase p returns once p
 * is over, so a fresh barrier lets pass who waits for parity 1. Who arrives has done what it did
 * before, for whoever waits; bytes that have come are there for whoever waits.
 *
 * Only code for sm_90a may call these (BR_HOPPER_CODE); what else is compiled from the same source
 * is for devices on which the host does not launch it. */
#ifndef BR_KERNELS_CUDA_HOPPER_ASYNC_CUH
#define BR_KERNELS_CUDA_HOPPER_ASYNC_CUH

#include "kernels/cuda/hopper/tensor_map.cuh"
#include "kernels/cuda/mma.cuh"

#if defined(BR_CUDA_ON_CPU) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define BR_HOPPER_CODE
#endif

typedef uint64_t br_mbarrier; /* in shared memory */

#ifdef BR_CUDA_ON_CPU
#include <on_cpu_hopper.h>
#else

/* By one thread; then br_mbarriers_made by it, and a barrier of all who use it. */
static __device__ __forceinline__ void br_mbarrier_init(br_mbarrier *barrier, uint32_t n_arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(br_shared_address(barrier)),
                 "r"(n_arrivals)
                 : "memory");
}

static __device__ __forceinline__ void br_mbarriers_made(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

static __device__ __forceinline__ void br_mbarrier_arrive(br_mbarrier *barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(br_shared_address(barrier))
                 : "memory");
}

/* Arrives, and lets the phase wait for so many bytes more. */
static __device__ __forceinline__ void br_mbarrier_expect(br_mbarrier *barrier, uint32_t bytes)
{
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(br_shared_address(barrier)),
        "r"(bytes)
        : "memory");
}

static __device__ __forceinline__ void br_mbarrier_wait(br_mbarrier *barrier, uint32_t parity)
{
    asm volatile("{\n"
                 ".reg .pred is_over;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 is_over, [%0], %1;\n"
                 "@!is_over bra again;\n"
                 "}" ::"r"(br_shared_address(barrier)),
                 "r"(parity)
                 : "memory");
}

/* A box of the map's matrix (tensor_map.cuh) from (row, byte) on to `to`, 1,024-aligned; what lies
 * outside is zeros, and counts. Its bytes come to the barrier, which expects them. By one thread.
 * The map is a __grid_constant__ parameter. */
static __device__ __forceinline__ void
br_tensor_load(void *to, const br_tensor_map *map, int32_t byte, int32_t row, br_mbarrier *barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3}], [%4];" ::"r"(br_shared_address(to)),
                 "l"(map), "r"(byte), "r"(row), "r"(br_shared_address(barrier))
                 : "memory");
}

/* Where is_there is not 0: a word to shared memory at an address (br_shared_address), and a step
 * on. Two instructions, whether it is there or not. */
static __device__ __forceinline__ void br_put_shared(uint32_t *at, uint32_t is_there, uint32_t step,
                                                     int32_t value)
{
    asm volatile("{\n"
                 ".reg .pred is_there;\n"
                 "setp.ne.b32 is_there, %1, 0;\n"
                 "@is_there st.shared.b32 [%0], %2;\n"
                 "@is_there add.u32 %0, %0, %3;\n"
                 "}"
                 : "+r"(*at)
                 : "r"(is_there), "r"(value), "r"(step)
                 : "memory");
}

/* What this thread has written to shared memory is there for products that come after a barrier. */
static __device__ __forceinline__ void br_shared_fence(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* Barrier id (1 .. 15) of n_threads threads in whole warps: some of them only arrive. */
static __device__ __forceinline__ void br_named_wait(int id, int n_threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n_threads) : "memory");
}

static __device__ __forceinline__ void br_named_arrive(int id, int n_threads)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(n_threads) : "memory");
}

/* A warpgroup's threads get N registers each, once there are as many, or keep N and give the others
 * back; N a multiple of 8 in 24 .. 256. */
template <int N> static __device__ __forceinline__ void br_registers_take(void)
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

template <int N> static __device__ __forceinline__ void br_registers_give(void)
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

#endif
#endif
