/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulated device itself: what it says of itself, and errors. BATCHRANK_CUDA_DEVICES says how
 * many there are (1); a process uses the first visible. */
#include <stdlib.h>

#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/stream.h"

static __thread cudaError_t last_error;

cudaError_t emulator_fail(cudaError_t error)
{
    last_error = error;
    return error;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    *total_bytes = emulator_device_bytes();
    *free_bytes  = *total_bytes - emulator_used_bytes();
    return cudaSuccess;
}

/* As CUDA takes it: entries count up to the first that is no device. */
static int visible_devices(int *first)
{
    const char *n_text = getenv("BATCHRANK_CUDA_DEVICES");
    const char *list   = getenv("CUDA_VISIBLE_DEVICES");
    int         n = n_text == NULL ? 1 : atoi(n_text), n_visible = 0;

    *first = 0;
    if (list == NULL)
        return n;
    while (*list != '\0') {
        char *end;
        long  device = strtol(list, &end, 10);

        if (end == list || device < 0 || device >= n)
            break;
        if (n_visible++ == 0)
            *first = (int)device;
        list = *end == ',' ? end + 1 : end;
    }
    return n_visible;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    int first;

    if (device != 0 || visible_devices(&first) == 0)
        return emulator_fail(cudaErrorInvalidDevice);
    *out                = (cudaDeviceProp){.name                   = "emulated on the host",
                                           .totalGlobalMem         = emulator_device_bytes(),
                                           .major                  = 9,
                                           .multiProcessorCount    = 3,
                                           .sharedMemPerBlockOptin = 227 * 1024};
    out->uuid.bytes[15] = (char)(first + 1);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    int first;

    *count = visible_devices(&first);
    return *count > 0 ? cudaSuccess : emulator_fail(cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : emulator_fail(cudaErrorInvalidDevice);
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last_error;

    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorInvalidValue:
        return "invalid argument";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInvalidConfiguration:
        return "invalid configuration argument";
    case cudaErrorStubLibrary:
        return "a library for compiling only";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
        return "invalid device ordinal";
    case cudaErrorNotReady:
        return "device not ready";
    case cudaErrorIllegalAddress:
        return "an illegal memory access was encountered";
    case cudaErrorIllegalState:
        return "the operation cannot be performed in the present state";
    case cudaErrorStreamCaptureUnsupported:
        return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
        return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureIsolation:
        return "dependency created on uncaptured work in another stream";
    case cudaErrorCapturedEvent:
        return "operation not permitted on an event last recorded in a capturing stream";
    case cudaErrorStreamCaptureWrongThread:
        return "attempt to terminate a thread-local capture sequence from another thread";
    }
    return "unknown error";
}
