/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory and copies of the emulated device. Fresh memory is 0xFF bytes. Under AddressSanitizer,
 * device memory can be touched only by kernels and copies: a host that follows a device address
 * is caught. BATCHRANK_CUDA_BYTES bounds what can be allocated (cudaErrorMemoryAllocation),
 * device_fault.h breaks calls and flips bits. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_on_cpu/device_fault.h"
#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/stream.h"

#ifdef BR_EMULATED_ASAN
#include <sanitizer/asan_interface.h> /* its macros do nothing in a file without the sanitizer */
#endif

#define DEFAULT_BYTES ((size_t)1 << 31)

typedef struct allocation {
    void              *memory;
    size_t             bytes;
    int                is_pinned; /* of the host, page-locked */
    struct allocation *next;
} allocation;

static struct {
    pthread_mutex_t lock;
    allocation     *first;
    size_t          used;
    int             n_open;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

size_t emulator_device_bytes(void)
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
        if (!a->is_pinned)
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

int emulator_is_known(const void *at, size_t bytes)
{
    int is_known = 0;

    pthread_mutex_lock(&memory.lock);
    for (const allocation *a = memory.first; a != NULL; a = a->next)
        is_known |= (const char *)at >= (const char *)a->memory &&
                    (const char *)at + bytes <= (const char *)a->memory + a->bytes;
    pthread_mutex_unlock(&memory.lock);
    return is_known;
}

size_t emulator_used_bytes(void)
{
    return memory.used;
}

int emulator_take_bytes(long bytes)
{
    int is_there;

    pthread_mutex_lock(&memory.lock);
    is_there = bytes < 0 || memory.used + (size_t)bytes <= emulator_device_bytes();
    if (is_there)
        memory.used += (size_t)bytes;
    pthread_mutex_unlock(&memory.lock);
    return is_there;
}

static cudaError_t take(void **out, size_t bytes, int is_pinned)
{
    allocation *a     = NULL;
    cudaError_t error = emulator_allow_unsafe();

    *out = NULL;
    if (error != cudaSuccess)
        return error;
    if (!is_pinned && !emulator_take_bytes((long)bytes))
        return emulator_fail(cudaErrorMemoryAllocation);
    a = calloc(1, sizeof *a);
    if (a == NULL || posix_memalign(&a->memory, 256, bytes > 0 ? bytes : 1) != 0)
        abort();
    memset(a->memory, 0xFF, bytes);
    a->bytes     = bytes;
    a->is_pinned = is_pinned;
    pthread_mutex_lock(&memory.lock);
    a->next      = memory.first;
    memory.first = a;
    set_open(a, is_pinned || memory.n_open > 0);
    pthread_mutex_unlock(&memory.lock);
    *out = a->memory;
    if (!is_pinned)
        device_fault_note(a->memory, bytes);
    return cudaSuccess;
}

static cudaError_t give_back(void *address, int is_pinned)
{
    allocation *found = NULL;
    cudaError_t error = emulator_allow_unsafe();

    if (address == NULL || error != cudaSuccess)
        return error;
    pthread_mutex_lock(&memory.lock);
    for (allocation **at = &memory.first; *at != NULL && found == NULL;)
        if ((*at)->memory == address && (*at)->is_pinned == is_pinned) {
            found = *at;
            *at   = found->next;
        } else {
            at = &(*at)->next;
        }
    pthread_mutex_unlock(&memory.lock);
    if (found == NULL)
        return emulator_fail(cudaErrorInvalidValue);
    device_fault_forget(found->memory);
    if (!is_pinned)
        (void)emulator_take_bytes(-(long)found->bytes);
    set_open(found, 1);
    free(found->memory);
    free(found);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    int error = device_fault(FAULT_MALLOC);

    *out = NULL;
    if (error != 0)
        return emulator_fail((cudaError_t)error);
    return take(out, bytes, 0);
}

cudaError_t cudaFree(void *address)
{
    return give_back(address, 0);
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    return take(out, bytes, 1);
}

cudaError_t cudaFreeHost(void *address)
{
    return give_back(address, 1);
}

/* ---- copies and fills ------------------------------------------------------------------------ */

/* from == NULL: fills. */
typedef struct moving {
    void          *to;
    const void    *from;
    size_t         to_pitch, from_pitch, row_bytes, n_rows;
    int            value;
    int            is_kept; /* in a graph: its memory may have gone */
    cudaMemcpyKind kind;
} moving;

static int is_there(const void *at, size_t pitch, const moving *m)
{
    return m->n_rows == 0 || m->row_bytes == 0 ||
           emulator_is_known(at, (m->n_rows - 1) * pitch + m->row_bytes);
}

static int are_known(const moving *m)
{
    return is_there(m->to, m->to_pitch, m) &&
           (m->from == NULL || is_there(m->from, m->from_pitch, m));
}

static int move(const void *context)
{
    const moving *m = context;

    if (m->is_kept && !are_known(m)) {
        fprintf(stderr,
                "cuda_on_cpu: a graph copies %zu x %zu bytes from or to memory that has "
                "gone\n",
                m->n_rows, m->row_bytes);
        abort();
    }
    emulator_open_memory();
    for (size_t row = 0; row < m->n_rows; row++)
        if (m->from == NULL)
            memset((char *)m->to + row * m->to_pitch, m->value, m->row_bytes);
        else
            memmove((char *)m->to + row * m->to_pitch, (const char *)m->from + row * m->from_pitch,
                    m->row_bytes);
    if (m->from != NULL && (m->kind == cudaMemcpyHostToDevice || m->kind == cudaMemcpyDeviceToHost))
        device_fault_moved(m->kind == cudaMemcpyHostToDevice,
                           &(moved_bytes){m->to, m->to_pitch, m->row_bytes, m->n_rows});
    emulator_close_memory();
    return 0;
}

static void *keep(const void *context)
{
    moving *kept = malloc(sizeof *kept);

    if (kept == NULL)
        abort();
    *kept         = *(const moving *)context;
    kept->is_kept = 1;
    return kept;
}

static cudaError_t enqueue(cudaStream_t stream, const moving *m)
{
    emulator_work work = {move, free, keep, m};

    if (emulator_is_recording(stream) && !are_known(m)) /* pageable */
        return emulator_refuse(stream, cudaErrorStreamCaptureUnsupported);
    return emulator_enqueue(stream, &work);
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t row_bytes, size_t n_rows, cudaMemcpyKind kind,
                              cudaStream_t stream)
{
    moving m     = {to, from, to_pitch, from_pitch, row_bytes, n_rows, 0, 0, kind};
    int    error = device_fault(FAULT_COPY);

    if (error != 0)
        return emulator_fail((cudaError_t)error);
    if (from == NULL || (n_rows > 1 && (to_pitch < row_bytes || from_pitch < row_bytes)))
        return emulator_fail(cudaErrorInvalidValue);
    return enqueue(stream, &m);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    cudaError_t error = emulator_allow_unsafe();

    return error != cudaSuccess ? error : cudaMemcpyAsync(to, from, bytes, kind, NULL);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    moving m     = {to, NULL, bytes, 0, bytes, 1, value, 0, cudaMemcpyDeviceToDevice};
    int    error = device_fault(FAULT_OTHER);

    return error != 0 ? emulator_fail((cudaError_t)error) : enqueue(stream, &m);
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    cudaError_t error = emulator_allow_unsafe();

    return error != cudaSuccess ? error : cudaMemsetAsync(to, value, bytes, NULL);
}
