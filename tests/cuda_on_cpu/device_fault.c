/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cuda_on_cpu/device_fault.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cuda_on_cpu/include/cuda_runtime_api.h"

#define N_CALLS     5
#define MAX_BLOCKS  4096
#define MAX_KERNELS 128
#define TEXT_BYTES  256

typedef struct block {
    unsigned char *memory; /* NULL: freed */
    size_t         bytes;
} block;

static struct {
    pthread_once_t  once;
    pthread_mutex_t lock;
    /* what is asked for */
    int             call; /* -1: none */
    long            at;
    char            how[TEXT_BYTES];
    char            flip[TEXT_BYTES], kernel[TEXT_BYTES]; /* "": none, any */
    long            flip_at, flip_bit;
    int             flip_block; /* from 1; 0: a copy */
    /* what was seen */
    long            n_seen[N_CALLS], n_upload, n_download, n_launch, n_fired;
    int             is_broken;
    block           blocks[MAX_BLOCKS];
    int             n_blocks;
    struct {
        char name[TEXT_BYTES];
        long n;
    } kernels[MAX_KERNELS];
    int n_kernels;
} fault = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER, .call = -1};

static const char *const call_names[N_CALLS] = {"malloc", "launch", "copy", "sync", "other"};

static void refuse(const char *variable, const char *text)
{
    (void)fprintf(stderr, "cuda_on_cpu: %s: found '%s'; see device_fault.h\n", variable, text);
    abort();
}

static void write_counts(void)
{
    const char *path = getenv("BATCHRANK_CUDA_COUNT");
    FILE       *file = path == NULL ? NULL : fopen(path, "w");

    if (file == NULL)
        return;
    (void)fprintf(file, "{");
    for (int c = 0; c < N_CALLS; c++)
        (void)fprintf(file, "\"%s\": %ld, ", call_names[c], fault.n_seen[c]);
    (void)fprintf(file, "\"upload\": %ld, \"download\": %ld, \"fired\": %ld, \"blocks\": [",
                  fault.n_upload, fault.n_download, fault.n_fired);
    for (int b = 0; b < fault.n_blocks; b++)
        (void)fprintf(file, "%s%zu", b > 0 ? ", " : "", fault.blocks[b].bytes);
    (void)fprintf(file, "], \"kernels\": {");
    for (int k = 0; k < fault.n_kernels; k++)
        (void)fprintf(file, "%s\"%s\": %ld", k > 0 ? ", " : "", fault.kernels[k].name,
                      fault.kernels[k].n);
    (void)fprintf(file, "}}\n");
    (void)fclose(file);
}

static void read_settings(void)
{
    const char *text = getenv("BATCHRANK_CUDA_FAULT"), *flip = getenv("BATCHRANK_CUDA_FLIP");
    char        word[TEXT_BYTES];
    char       *slash, *number;

    if (text != NULL) {
        if (sscanf(text, "%15[a-z]:%ld:%15[a-z+]", word, &fault.at, fault.how) != 3)
            refuse("BATCHRANK_CUDA_FAULT", text);
        for (int c = 0; c < N_CALLS; c++)
            if (strcmp(word, call_names[c]) == 0)
                fault.call = c;
        if (fault.call < 0 || strstr(" oom oom+ sticky hang ", fault.how) == NULL)
            refuse("BATCHRANK_CUDA_FAULT", text);
    }
    if (flip != NULL) {
        if (sscanf(flip, "%255[^:]:%ld:%ld", fault.flip, &fault.flip_at, &fault.flip_bit) != 3)
            refuse("BATCHRANK_CUDA_FLIP", flip);
        slash  = strchr(fault.flip, '/');
        number = strchr(fault.flip, '@');
        if (slash != NULL)
            (void)snprintf(fault.kernel, sizeof fault.kernel, "%s", slash + 1);
        if (number != NULL)
            fault.flip_block = atoi(number + 1);
        if (strcmp(fault.flip, "upload") != 0 && strcmp(fault.flip, "download") != 0 &&
            fault.flip_block < 1)
            refuse("BATCHRANK_CUDA_FLIP", flip);
    }
    (void)atexit(write_counts);
}

static void begin(void)
{
    (void)pthread_once(&fault.once, read_settings);
    (void)pthread_mutex_lock(&fault.lock);
}

static void end(void)
{
    (void)pthread_mutex_unlock(&fault.lock);
}

int device_fault(fault_call call)
{
    int  error = cudaSuccess, hangs = 0;
    long n;

    begin();
    n = ++fault.n_seen[call];
    if (fault.is_broken) {
        error = cudaErrorIllegalAddress;
    } else if ((int)call == fault.call &&
               (n == fault.at || (n > fault.at && strcmp(fault.how, "oom+") == 0))) {
        fault.n_fired++;
        hangs           = strcmp(fault.how, "hang") == 0;
        fault.is_broken = strcmp(fault.how, "sticky") == 0;
        if (!hangs)
            error = fault.is_broken ? cudaErrorIllegalAddress : cudaErrorMemoryAllocation;
    }
    end();
    if (hangs)
        write_counts(); /* nothing else will */
    while (hangs)
        (void)pause();
    return error;
}

void device_fault_note(void *memory, size_t bytes)
{
    begin();
    if (fault.n_blocks < MAX_BLOCKS)
        fault.blocks[fault.n_blocks++] = (block){memory, bytes};
    end();
}

void device_fault_forget(const void *memory)
{
    begin();
    for (int b = 0; b < fault.n_blocks; b++)
        if (fault.blocks[b].memory == memory)
            fault.blocks[b].memory = NULL;
    end();
}

static void count_kernel(const char *name)
{
    int k = 0;

    while (k < fault.n_kernels && strcmp(fault.kernels[k].name, name) != 0)
        k++;
    if (k == MAX_KERNELS)
        return;
    if (k == fault.n_kernels)
        (void)snprintf(fault.kernels[fault.n_kernels++].name, TEXT_BYTES, "%s", name);
    fault.kernels[k].n++;
}

void device_fault_launch(const char *kernel)
{
    block *b;

    begin();
    count_kernel(kernel);
    b = fault.flip_block > 0 ? &fault.blocks[fault.flip_block - 1] : NULL;
    if (b != NULL && (fault.kernel[0] == '\0' || strstr(kernel, fault.kernel) != NULL) &&
        ++fault.n_launch == fault.flip_at && b->memory != NULL && b->bytes > 0) {
        size_t bit = (size_t)fault.flip_bit % (8 * b->bytes);

        b->memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
        fault.n_fired++;
    }
    end();
}

void device_fault_moved(int is_upload, const moved_bytes *m)
{
    long *n;

    begin();
    n = is_upload ? &fault.n_upload : &fault.n_download;
    ++*n;
    if (fault.flip_block == 0 && strcmp(fault.flip, is_upload ? "upload" : "download") == 0 &&
        *n == fault.flip_at && m->row_bytes * m->n_rows > 0) {
        size_t         bit  = (size_t)fault.flip_bit % (8 * m->row_bytes * m->n_rows);
        size_t         at   = bit / 8;
        unsigned char *byte = (unsigned char *)m->to + at / m->row_bytes * m->pitch;

        byte[at % m->row_bytes] ^= (unsigned char)(1u << bit % 8);
        fault.n_fired++;
    }
    end();
}
