/* SPDX-License-Identifier: Apache-2.0
 *
 * Device memory, streams and events of the emulated device. Work is done when it is enqueued, so
 * streams are in order and waits are no-ops; only for work of others (emulator_hold_streams) there
 * is something to wait for, and what is enqueued before its end does not see it. Fresh memory is
 * 0xFF bytes. Under AddressSanitizer, device memory can be touched only by kernels and copies: a
 * host that follows a device address is caught. BATCHRANK_CUDA_BYTES bounds what can be allocated
 * (cudaErrorMemoryAllocation). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/include/cuda_runtime_api.h"

#ifdef BR_EMULATED_ASAN
#include <sanitizer/asan_interface.h> /* its macros do nothing in a file without the sanitizer */
#endif

#define DEFAULT_BYTES ((size_t)1 << 31)

typedef struct allocation {
    void              *memory;
    size_t             bytes;
    struct allocation *next;
} allocation;

static struct {
    pthread_mutex_t lock;
    allocation     *first;
    size_t          used;
    int             n_open;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static __thread cudaError_t last_error;

static cudaError_t fail(cudaError_t error)
{
    last_error = error;
    return error;
}

static size_t limit_bytes(void)
{
    const char *text = getenv("BATCHRANK_CUDA_BYTES");
    return text == NULL ? DEFAULT_BYTES : strtoull(text, NULL, 10);
}

static void set_open(const allocation *a, int is_open)
{
#ifdef BR_EMULATED_ASAN
    if (is_open)
        __asan_unpoison_memory_region(a->memory, a->bytes);
    else
        __asan_poison_memory_region(a->memory, a->bytes);
#endif
    (void)a;
    (void)is_open;
}

static void set_all_open(int by)
{
    pthread_mutex_lock(&memory.lock);
    memory.n_open += by;
    for (const allocation *a = memory.first; a != NULL; a = a->next)
        set_open(a, memory.n_open > 0);
    pthread_mutex_unlock(&memory.lock);
}

void emulator_open_memory(void)
{
    set_all_open(1);
}

void emulator_close_memory(void)
{
    set_all_open(-1);
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    allocation *a = NULL;

    *out = NULL;
    if (bytes > limit_bytes() - memory.used)
        return fail(cudaErrorMemoryAllocation);
    a = calloc(1, sizeof *a);
    if (a == NULL || posix_memalign(&a->memory, 256, bytes > 0 ? bytes : 1) != 0) {
        free(a);
        return fail(cudaErrorMemoryAllocation);
    }
    memset(a->memory, 0xFF, bytes);
    a->bytes = bytes;
    pthread_mutex_lock(&memory.lock);
    a->next      = memory.first;
    memory.first = a;
    memory.used += bytes;
    set_open(a, memory.n_open > 0);
    pthread_mutex_unlock(&memory.lock);
    *out = a->memory;
    return cudaSuccess;
}

cudaError_t cudaFree(void *address)
{
    allocation *found = NULL;

    if (address == NULL)
        return cudaSuccess;
    pthread_mutex_lock(&memory.lock);
    for (allocation **at = &memory.first; *at != NULL && found == NULL;)
        if ((*at)->memory == address) {
            found = *at;
            *at   = found->next;
        } else {
            at = &(*at)->next;
        }
    if (found != NULL)
        memory.used -= found->bytes;
    pthread_mutex_unlock(&memory.lock);
    if (found == NULL)
        return fail(cudaErrorInvalidValue);
    set_open(found, 1);
    free(found->memory);
    free(found);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    *out = calloc(1, bytes > 0 ? bytes : 1);
    return *out == NULL ? fail(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFreeHost(void *address)
{
    free(address);
    return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t row_bytes, size_t n_rows, cudaMemcpyKind kind,
                              cudaStream_t stream)
{
    (void)kind;
    (void)stream;
    if (n_rows > 1 && (to_pitch < row_bytes || from_pitch < row_bytes))
        return fail(cudaErrorInvalidValue);
    emulator_open_memory();
    for (size_t row = 0; row < n_rows; row++)
        memmove((char *)to + row * to_pitch, (const char *)from + row * from_pitch, row_bytes);
    emulator_close_memory();
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    return cudaMemcpyAsync(to, from, bytes, kind, NULL);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    (void)stream;
    emulator_open_memory();
    memset(to, value, bytes);
    emulator_close_memory();
    return cudaSuccess;
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    return cudaMemsetAsync(to, value, bytes, NULL);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    *total_bytes = limit_bytes();
    *free_bytes  = *total_bytes - memory.used;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    if (device != 0)
        return fail(cudaErrorInvalidDevice);
    *out = (cudaDeviceProp){.name                   = "emulated on the host",
                            .totalGlobalMem         = limit_bytes(),
                            .major                  = 9,
                            .multiProcessorCount    = 3,
                            .sharedMemPerBlockOptin = 227 * 1024};
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device == 0 ? cudaSuccess : fail(cudaErrorInvalidDevice);
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last_error;

    last_error = cudaSuccess;
    return error;
}

void emulator_set_error(int error)
{
    last_error = (cudaError_t)error;
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
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
        return "invalid device ordinal";
    case cudaErrorNotReady:
        return "device not ready";
    }
    return "unknown error";
}

/* ---- streams and events: a stream is any address but NULL ------------------------------------ */

static int token;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    (void)flags;
    *out = (cudaStream_t)(void *)&token;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    (void)stream;
    return cudaSuccess;
}

static atomic_int n_held; /* pieces of work that have not ended */

void emulator_hold_streams(int by)
{
    atomic_fetch_add(&n_held, by);
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    (void)stream;
    return atomic_load(&n_held) > 0 ? fail(cudaErrorNotReady) : cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    (void)stream;
    while (atomic_load(&n_held) > 0)
        (void)usleep(100);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)stream;
    (void)event;
    (void)flags;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    (void)flags;
    *out = (cudaEvent_t)(void *)&token;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    (void)event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)event;
    (void)stream;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    (void)event;
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    (void)from;
    (void)to;
    *ms = 0.0f;
    return cudaSuccess;
}
