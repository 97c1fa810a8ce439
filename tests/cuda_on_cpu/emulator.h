/* SPDX-License-Identifier: Apache-2.0
 *
 * A CUDA device in the test process: kernels/cuda/ compiled by the host compiler against include/,
 * which stands in for the toolkit's headers. The blocks of a launch run one after the other, the
 * threads of a block as fibers, each until it waits for others.
 *
 * What it notices, with a sentence that names kernel, block, thread and line, and then abort():
 * a barrier or warp operation that not all of its threads reach, or reach at different lines; a
 * graph that copies from or to memory that has gone. A launch that a device would refuse is an
 * error, and so is what a stream that records its work must not be told (capture.c). What the
 * sanitizers notice for it: accesses outside device and shared memory, and of device memory by the
 * host (ASan); races between threads of a block, where only barriers, __syncwarp and atomics order
 * anything (TSan). Shared memory begins as 0xFF bytes in every block, device memory in every
 * cudaMalloc: NaNs, and indices of -1.
 *
 * What it cannot show: cuBLASLt, the instructions behind mma.cuh and hopper/ (arithmetic, fragment
 * layouts are emulated from the PTX manual), memory order between blocks, host addresses used by
 * kernels, libdevice's last bits of exp, tanh, erf, and time. */
#ifndef BR_TESTS_CUDA_ON_CPU_EMULATOR_H
#define BR_TESTS_CUDA_ON_CPU_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which waiting threads, and blocks, are run. No result may depend on it.
 * First order: BATCHRANK_CUDA_ORDER = ascending, descending or a seed. */
typedef enum { EMULATOR_ASCENDING, EMULATOR_DESCENDING, EMULATOR_RANDOM } emulator_order;
void emulator_set_order(emulator_order order, uint64_t seed);

/* Sums of floats on tensor cores: exact and rounded once, or as bad as bounds must allow for. */
void emulator_cut_sums(int is_on);
int  emulator_cuts_sums(void);

typedef struct emulator_launch {
    const char *kernel;
    unsigned    grid[3];
    unsigned    block[3];
    size_t      shared_bytes; /* dynamic */
    void (*body)(void *context);
    void *context;
} emulator_launch;

/* 0, or why a device would refuse the launch (a cudaError_t). */
int emulator_refusal(const emulator_launch *launch);
/* The same, and returns when all threads are done. */
int emulator_run(const emulator_launch *launch);

/* How a launch's context, which holds the kernel's arguments, is kept. */
typedef struct emulator_arguments {
    void *(*copy)(const void *context);
    void (*destroy)(void *context);
} emulator_arguments;
/* On a stream (a cudaStream_t): runs it, or records it (capture.c). A failure is for
 * cudaGetLastError. */
void emulator_launch_on(void *stream, const emulator_launch *launch,
                        const emulator_arguments *arguments);

/* ---- called by kernels, through include/ ---------------------------------------------------- */

typedef struct emulator_index {
    unsigned x, y, z;
} emulator_index;
extern emulator_index threadIdx, blockIdx, blockDim, gridDim;

/* The line of a kernel that waits. */
typedef struct emulator_site {
    const char *what;
    const char *file;
    int         line;
} emulator_site;

/* Waits for all live threads of the block; gives the sum of their values. */
int emulator_barrier(emulator_site site, int value);

/* Waits for the lanes of `mask`, then one of them calls resolve with the 32 lanes' data (NULL for
 * those outside the mask). is_fence: memory is ordered between them. */
typedef void (*emulator_resolve)(void *lane[32], uint32_t mask);
typedef struct emulator_collective {
    emulator_site    site;
    uint32_t         mask;
    emulator_resolve resolve;
    int              is_fence;
} emulator_collective;
void emulator_collect(const emulator_collective *c, void *data);

/* A thread's asynchronous copies of 16 bytes (from NULL: zeros). Take gives the oldest one that is
 * to be made so that at most n_groups are under way, NULL when there is none. */
void  emulator_copy_later(void *to, const void *from);
void  emulator_copy_commit(void);
void *emulator_copy_take(int n_groups, const void **from);

/* Aborts with the site's words unless is_true. */
void emulator_require(int is_true, emulator_site site);

/* Lets other threads run now and then, where the order is random. Called by atomics. */
void  emulator_pause(void);
void  emulator_yield(void); /* always */
int   emulator_lane(void);
/* Dynamic shared memory of the running block. */
void *emulator_shared(void);

/* ---- device memory, runtime.c --------------------------------------------------------------- */

void emulator_open_memory(void); /* kernels and copies may touch it */
void emulator_close_memory(void);

#ifdef __cplusplus
}
#endif

#endif
