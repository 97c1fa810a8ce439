/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulator's own: the block that runs and its threads. Shared by emulator.c, which runs them,
 * and wait.c, where they wait for each other. */
#ifndef BR_TESTS_CUDA_ON_CPU_BLOCK_H
#define BR_TESTS_CUDA_ON_CPU_BLOCK_H

#include <pthread.h>

#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/fiber.h"
#include "tests/cuda_on_cpu/hopper/hopper.h"

enum {
    MAX_THREADS   = 1024,
    WARP          = 32,
    SHARED_BYTES  = 227 * 1024, /* what a block may have on sm_90 */
    MAX_COPIES    = 256,        /* of a thread, under way */
    MAX_PRODUCTS  = 64,         /* of a warpgroup, under way */
    STACK_BYTES   = 128 * 1024,
    INVALID_VALUE = 1, /* cudaErrorInvalidValue, cudaErrorInvalidConfiguration */
    INVALID_SHAPE = 9
};

typedef enum {
    DONE,
    READY,
    AT_BARRIER,
    AT_COLLECTIVE,
    AT_MBARRIER,
    AT_NAMED,
    AT_WARPGROUP
} thread_state;

/* Asynchronous copies of a thread, oldest first, in a ring. */
typedef struct copy_queue {
    struct {
        void       *to;
        const void *from;
        int         group;
    } copies[MAX_COPIES];
    unsigned begin, end;
    int      group; /* the open one */
} copy_queue;

typedef struct thread {
    fiber               fiber;
    thread_state        state;
    emulator_index      idx;
    emulator_site       site;       /* where it waits */
    emulator_collective collective; /* for what, AT_COLLECTIVE */
    void               *data;
    copy_queue          copies;
    char                arrived, left; /* tags: before and after a __syncwarp */
    emulator_product    products[MAX_PRODUCTS];
    int                 n_products;
    int                 product_group;    /* the open one */
    int                 is_fenced;        /* products may come */
    int                 is_shared_fenced; /* with an A in shared memory */
    int                 wait_groups;      /* the wait's argument, AT_WARPGROUP */
} thread;

/* Lanes of a warp at a collective: while all are at the same one, counting them is enough. */
typedef struct warp {
    unsigned         gone; /* lanes that are done or not there */
    unsigned         mask; /* of the lanes that wait, the first one's */
    emulator_resolve resolve;
    int              n_waiting;
    int              is_mixed; /* some wait for other lanes, or for something else */
} warp;

/* The one launch that runs, and its running block. */
extern struct emulator_block {
    pthread_mutex_t        lock;
    const emulator_launch *launch;
    fiber                  scheduler;
    thread                 threads[MAX_THREADS];
    warp                   warps[MAX_THREADS / WARP];
    int                    order[MAX_THREADS];
    int                    n_created, n_threads, n_live;
    thread                *current;
    int                    n_at_barrier, sum, result;
    unsigned               phase;        /* barriers passed */
    char                   barrier[2];   /* tags of odd and even barriers */
    char                   begun, ended; /* tags of the block */
    emulator_order         kind;
    uint64_t               random;
    int                    is_order_set;
} now;

/* Prints the sentence with kernel, block and thread before it, and aborts. */
void block_fail(const thread *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

static inline warp *block_warp_of(const thread *t)
{
    return &now.warps[(t - now.threads) / WARP];
}

/* Back to the scheduler, until t is READY and its turn comes. */
void block_suspend(thread *t);

/* Opens the barrier when every live thread stands at it. */
void block_check_barrier(void);

/* All wait, and none will come: says for whom. */
void block_fail_stuck(void) __attribute__((noreturn));

#endif
