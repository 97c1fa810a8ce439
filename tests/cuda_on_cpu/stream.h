/* SPDX-License-Identifier: Apache-2.0
 *
 * What the emulated runtime's parts know of each other: capture.c of memory, runtime.c of streams
 * that record. */
#ifndef BR_TESTS_CUDA_ON_CPU_STREAM_H
#define BR_TESTS_CUDA_ON_CPU_STREAM_H

#include "tests/cuda_on_cpu/include/cuda_runtime_api.h"

/* ---- runtime.c ------------------------------------------------------------------------------ */

/* For cudaGetLastError; gives the error back. */
cudaError_t emulator_fail(cudaError_t error);

/* Do these bytes lie in device memory, or in page-locked memory, that is there? */
int emulator_is_known(const void *at, size_t bytes);

/* Takes so much of the device's memory (< 0: gives it back). 0: there is not as much. */
int emulator_take_bytes(long bytes);

/* Of the device's memory: all there is, and what is taken. */
size_t emulator_device_bytes(void);
size_t emulator_used_bytes(void);

/* ---- capture.c ------------------------------------------------------------------------------ */

/* What a stream is given: run gives a cudaError_t; destroy frees what copy made of the context. */
typedef struct emulator_work {
    int (*run)(const void *context);
    void (*destroy)(void *context);
    void *(*copy)(const void *context);
    const void *context;
} emulator_work;

/* Runs it, or, where the stream records, keeps a copy of it. */
cudaError_t emulator_enqueue(cudaStream_t stream, const emulator_work *work);
int         emulator_is_recording(cudaStream_t stream);
/* Refuses what the stream was told while it records, as a device does: the recording is lost. */
cudaError_t emulator_refuse(cudaStream_t stream, cudaError_t error);
/* A call that may wait, or takes or frees memory: refused (and the recording lost) where this
 * thread records, or any thread does in the global mode. */
cudaError_t emulator_allow_unsafe(void);

#endif
