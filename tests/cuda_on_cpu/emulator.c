/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler: passes over the threads of a block until all are done; what a thread waits for is
 * settled by the last one to arrive. Compiled without sanitizers, like fiber.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_on_cpu/block.h"
#include "tests/cuda_on_cpu/device_fault.h"

#ifdef BR_EMULATED_ASAN
#include <sanitizer/asan_interface.h>
#endif

struct emulator_block now = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Alignas(1024) unsigned char dynamic_shared[SHARED_BYTES];

/* Static __shared__ variables: a section that the linker bounds. Absent when there are none. */
extern unsigned char __start_br_shared[] __attribute__((weak));
extern unsigned char __stop_br_shared[] __attribute__((weak));

emulator_index threadIdx, blockIdx, blockDim, gridDim;

static uint64_t next_random(void)
{
    now.random ^= now.random << 13;
    now.random ^= now.random >> 7;
    now.random ^= now.random << 17;
    return now.random;
}

void emulator_set_order(emulator_order order, uint64_t seed)
{
    now.kind         = order;
    now.random       = seed * 2 + 1;
    now.is_order_set = 1;
}

static void read_order(void)
{
    const char *text = getenv("BATCHRANK_CUDA_ORDER");

    if (now.is_order_set || text == NULL)
        return;
    if (strcmp(text, "ascending") == 0)
        emulator_set_order(EMULATOR_ASCENDING, 0);
    else if (strcmp(text, "descending") == 0)
        emulator_set_order(EMULATOR_DESCENDING, 0);
    else
        emulator_set_order(EMULATOR_RANDOM, strtoull(text, NULL, 10));
}

void block_fail(const thread *t, const char *fmt, ...)
{
    const emulator_launch *l = now.launch;
    va_list                args;

    fflush(stdout);
    fprintf(stderr,
            "cuda_on_cpu: %s<<<(%u,%u,%u), (%u,%u,%u)>>>, block (%u,%u,%u), thread (%u,%u,%u): ",
            l->kernel, l->grid[0], l->grid[1], l->grid[2], l->block[0], l->block[1], l->block[2],
            blockIdx.x, blockIdx.y, blockIdx.z, t->idx.x, t->idx.y, t->idx.z);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- threads -------------------------------------------------------------------------------- */

void block_suspend(thread *t)
{
    fiber_jump(&t->fiber, &now.scheduler);
}

/* The life of a fiber: one thread of block after block. */
static void live(void)
{
    thread *t = now.current;

    fiber_entered(&now.scheduler);
    for (;;) {
        fiber_acquire(&now.begun);
        now.launch->body(now.launch->context);
        fiber_release(&now.ended);
        t->state = DONE;
        block_warp_of(t)->gone |= 1U << emulator_lane();
        now.n_live--;
        block_check_barrier();
        block_suspend(t);
    }
}

static void resume(thread *t)
{
    now.current = t;
    threadIdx   = t->idx;
    fiber_jump(&now.scheduler, &t->fiber);
}

int emulator_lane(void)
{
    return (int)(now.current - now.threads) % WARP;
}

void *emulator_shared(void)
{
    return dynamic_shared;
}

void emulator_yield(void)
{
    block_suspend(now.current);
}

void emulator_pause(void)
{
    if (now.kind == EMULATOR_RANDOM && next_random() % 4 == 0)
        block_suspend(now.current);
}

/* ---- blocks --------------------------------------------------------------------------------- */

/* Not memset, which sanitizers watch: a section of AddressSanitizer has its guard zones in it. */
static void fill(unsigned char *at, size_t n_bytes)
{
    typedef uint64_t __attribute__((may_alias, aligned(1))) word;
    size_t n_words = n_bytes / sizeof(word);

    for (size_t i = 0; i < n_words; i++)
        ((volatile word *)at)[i] = UINT64_MAX;
    for (size_t i = n_words * sizeof(word); i < n_bytes; i++)
        ((volatile unsigned char *)at)[i] = 0xFF;
}

static void fill_shared(void)
{
    if (__start_br_shared != NULL)
        fill(__start_br_shared, (size_t)(__stop_br_shared - __start_br_shared));
    fill(dynamic_shared, now.launch->shared_bytes);
}

static void bound_shared(size_t bytes)
{
#ifdef BR_EMULATED_ASAN
    __asan_unpoison_memory_region(dynamic_shared, bytes);
    __asan_poison_memory_region(dynamic_shared + bytes, SHARED_BYTES - bytes);
#endif
    (void)bytes;
}

static void put_in_order(int *order, int n)
{
    for (int i = 0; i < n; i++)
        order[i] = now.kind == EMULATOR_DESCENDING ? n - 1 - i : i;
    for (int i = n - 1; now.kind == EMULATOR_RANDOM && i > 0; i--) {
        int j    = (int)(next_random() % (uint64_t)(i + 1));
        int kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

static void begin_threads(void)
{
    const unsigned *block = now.launch->block;

    now.n_threads = (int)(block[0] * block[1] * block[2]);
    for (; now.n_created < now.n_threads; now.n_created++)
        fiber_create(&now.threads[now.n_created].fiber, STACK_BYTES, live);
    for (int i = 0; i < now.n_threads; i++) {
        unsigned at = (unsigned)i;

        now.threads[i].state        = READY;
        now.threads[i].copies.begin = now.threads[i].copies.end = 0;
        now.threads[i].n_products = now.threads[i].is_fenced = 0;
        now.threads[i].is_shared_fenced                      = 0;
        now.threads[i].idx =
            (emulator_index){at % block[0], at / block[0] % block[1], at / block[0] / block[1]};
    }
    for (int w = 0; w * WARP < now.n_threads; w++) {
        int n_here = now.n_threads - w * WARP;

        now.warps[w] = (warp){.gone = n_here < WARP ? 0xFFFFFFFFU << n_here : 0};
    }
    now.n_live = now.n_threads;
}

static void run_block(void)
{
    begin_threads();
    hopper_begin_block();
    fill_shared();
    fiber_release(&now.begun);
    while (now.n_live > 0) {
        int n_run = 0;

        put_in_order(now.order, now.n_threads);
        for (int i = 0; i < now.n_threads; i++)
            if (now.threads[now.order[i]].state == READY) {
                resume(&now.threads[now.order[i]]);
                n_run++;
            }
        if (n_run == 0)
            block_fail_stuck();
    }
    fiber_acquire(&now.ended);
    hopper_end_block();
}

int emulator_refusal(const emulator_launch *l)
{
    uint64_t n_threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];

    for (int i = 0; i < 3; i++)
        if (l->grid[i] == 0 || l->block[i] == 0 || (i > 0 && l->grid[i] > 65535))
            return INVALID_SHAPE;
    if (n_threads > MAX_THREADS || l->block[2] > 64 || l->grid[0] > 0x7FFFFFFFu)
        return INVALID_SHAPE;
    return l->shared_bytes > SHARED_BYTES ? INVALID_VALUE : 0;
}

static void run_blocks(const emulator_launch *l)
{
    int64_t n_blocks = (int64_t)l->grid[0] * l->grid[1] * l->grid[2];
    int    *order    = malloc((size_t)n_blocks * sizeof *order);

    if (order == NULL || n_blocks > INT32_MAX)
        abort();
    put_in_order(order, (int)n_blocks);
    for (int64_t i = 0; i < n_blocks; i++) {
        unsigned at = (unsigned)order[i];

        blockIdx = (emulator_index){at % l->grid[0], at / l->grid[0] % l->grid[1],
                                    at / l->grid[0] / l->grid[1]};
        run_block();
    }
    free(order);
}

int emulator_run(const emulator_launch *l)
{
    int error = emulator_refusal(l);

    if (error == 0)
        error = device_fault(FAULT_LAUNCH);
    if (error != 0)
        return error;
    pthread_mutex_lock(&now.lock);
    read_order();
    emulator_open_memory();
    device_fault_launch(l->kernel);
    emulator_close_memory();
    now.launch = l;
    blockDim   = (emulator_index){l->block[0], l->block[1], l->block[2]};
    gridDim    = (emulator_index){l->grid[0], l->grid[1], l->grid[2]};
    fiber_adopt(&now.scheduler);
    bound_shared(l->shared_bytes);
    emulator_open_memory();
    run_blocks(l);
    emulator_close_memory();
    pthread_mutex_unlock(&now.lock);
    return 0;
}
