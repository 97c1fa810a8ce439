/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults of the emulated device, asked for by environment variables:
 *   BATCHRANK_CUDA_FAULT=CALL:N:HOW  at the N-th call of a kind, from 1
 *       CALL  malloc | launch | copy | sync
 *       HOW   oom (cudaErrorMemoryAllocation, once) | oom+ (that call and all later ones)
 *             | sticky (every later call of the runtime fails with cudaErrorIllegalAddress)
 *             | hang (the call never returns)
 *   BATCHRANK_CUDA_FLIP=WHERE:N:BIT  one bit of device memory, or of what was copied, is flipped
 *       WHERE upload, download: bit BIT of the bytes moved by the N-th such copy
 *             memory@K: bit BIT of the K-th cudaMalloc's memory, before the N-th launch
 *             memory@K/NAME: the same, of launches whose kernel's name contains NAME
 *   BATCHRANK_CUDA_COUNT=FILE  gets at the end a line of JSON: calls seen of each kind, faults that
 *       fired, bytes of each cudaMalloc, and the kernels launched with how often
 * Bits are counted modulo what there is. */
#ifndef BR_TESTS_CUDA_ON_CPU_DEVICE_FAULT_H
#define BR_TESTS_CUDA_ON_CPU_DEVICE_FAULT_H

#include <stddef.h>

typedef enum { FAULT_MALLOC, FAULT_LAUNCH, FAULT_COPY, FAULT_SYNC, FAULT_OTHER } fault_call;

/* One call of the runtime: 0, or the error (a cudaError_t) that it must end with. */
int  device_fault(fault_call call);
/* Memory that a cudaMalloc gave, or cudaFree took. */
void device_fault_note(void *memory, size_t bytes);
void device_fault_forget(const void *memory);
/* Before a launch, inside the device's lock. */
void device_fault_launch(const char *kernel);
/* Bytes that a copy brought to or from the device: n_rows rows of row_bytes, `pitch` apart. */
typedef struct moved_bytes {
    void  *to;
    size_t pitch, row_bytes, n_rows;
} moved_bytes;
void device_fault_moved(int is_upload, const moved_bytes *moved);

#endif
