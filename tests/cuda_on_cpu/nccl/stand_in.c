/* SPDX-License-Identifier: Apache-2.0
 *
 * libnccl.so.2 for the emulated device: the same calls, over MPI, on host memory. Made to be as
 * unforgiving as NCCL: a call returns before its work is taken, and its work ends later, while the
 * emulated streams say so; ranks that come with other sizes, or do not come, leave the rest waiting
 * for ever. One call at a time (another: ncclInvalidUsage).
 *
 *   BATCHRANK_NCCL_FAULT=what:rank:n  at the rank's n-th call (0: the start), counted from 1
 *     system, remote   the state becomes ncclSystemError, ncclRemoteError; nothing is moved
 *     refuse           the call answers ncclInvalidArgument
 *     absent           the rank takes no part
 *     flip             a bit of what arrived is flipped
 *     block            the call does not return
 *     block-abort      like system, and ncclCommAbort does not return either
 *   BATCHRANK_NCCL_VERSION=code[:rank]  what ncclGetVersion says (on that rank)
 *
 * What it cannot show: NCCL's own arithmetic of channels and transports, its errors and times, its
 * memory on the device, kernels on the stream, that one GPU serves one rank, and ordering between
 * NCCL's work and other work on a stream. */
#include <mpi.h>
#include <nccl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cuda_on_cpu/emulator.h"

void emulator_hold_streams(int by); /* of the program that loads this */

enum { IDLE, START, BROADCAST, ALL_GATHER, FINALIZE, QUIT };

typedef struct task {
    int         kind;
    const char *from;
    char       *to;
    size_t      n_bytes;
    int         root;
} task;

struct ncclComm {
    int             rank;
    int             n_ranks;
    ncclUniqueId    id;
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    task            task;
    int             n_calls; /* after the start */
    int             is_aborted;
    atomic_int      n_held; /* pieces of work on the stream */
    ncclResult_t    state;
};

/* ---- planted faults ---- */

static int is_planted(const struct ncclComm *comm, const char *what)
{
    const char *text = getenv("BATCHRANK_NCCL_FAULT");
    char        word[32];
    int         rank, n;

    return text != NULL && sscanf(text, "%31[^:]:%d:%d", word, &rank, &n) == 3 &&
           strcmp(word, what) == 0 && rank == comm->rank && n == comm->n_calls;
}

static void hang(void)
{
    for (;;)
        (void)pause();
}

/* ---- the work, by a thread ---- */

static int is_over(struct ncclComm *comm)
{
    int is_aborted;

    (void)pthread_mutex_lock(&comm->lock);
    is_aborted = comm->is_aborted;
    (void)pthread_mutex_unlock(&comm->lock);
    return is_aborted;
}

static void set_state(struct ncclComm *comm, ncclResult_t state)
{
    (void)pthread_mutex_lock(&comm->lock);
    comm->state = state;
    (void)pthread_mutex_unlock(&comm->lock);
}

/* Work begins (1) or ends (-1) on the stream. */
static void hold(struct ncclComm *comm, int by)
{
    comm->n_held += by;
    emulator_hold_streams(by);
}

/* -1: aborted */
static int wait_all(struct ncclComm *comm, int n, MPI_Request *request)
{
    int is_done = n == 0; /* alone, MPI may not even have begun */

    while (!is_done && !is_over(comm)) {
        (void)MPI_Testall(n, request, &is_done, MPI_STATUSES_IGNORE);
        (void)usleep(200);
    }
    return is_done ? 0 : -1;
}

/* n_bytes between two ranks; what comes must have the size that is expected. */
typedef struct parcel {
    uint64_t n_bytes;
    char    *data;
} parcel;

/* From each rank whose `in` has an address, to each whose `out` has one. */
static int exchange(struct ncclComm *comm, const parcel *in_W, const parcel *out_W)
{
    int          n       = 0, n_more, st;
    MPI_Request *request = calloc(4 * (size_t)comm->n_ranks, sizeof *request);
    uint64_t    *size_W  = calloc((size_t)comm->n_ranks, sizeof *size_W);

    if (request == NULL || size_W == NULL)
        abort();
    for (int r = 0; r < comm->n_ranks; r++) {
        if (out_W[r].data != NULL)
            (void)MPI_Isend(&out_W[r].n_bytes, 1, MPI_UINT64_T, r, 1, MPI_COMM_WORLD,
                            &request[n++]);
        if (in_W[r].data != NULL)
            (void)MPI_Irecv(&size_W[r], 1, MPI_UINT64_T, r, 1, MPI_COMM_WORLD, &request[n++]);
    }
    st = wait_all(comm, n, request);
    for (int r = 0; st == 0 && r < comm->n_ranks; r++)
        if (in_W[r].data != NULL && size_W[r] != in_W[r].n_bytes)
            while (!is_over(comm)) /* as NCCL does */
                (void)usleep(1000);
    n_more = 0;
    for (int r = 0; st == 0 && r < comm->n_ranks; r++) {
        if (out_W[r].data != NULL)
            (void)MPI_Isend(out_W[r].data, (int)out_W[r].n_bytes, MPI_BYTE, r, 2, MPI_COMM_WORLD,
                            &request[n_more++]);
        if (in_W[r].data != NULL)
            (void)MPI_Irecv(in_W[r].data, (int)in_W[r].n_bytes, MPI_BYTE, r, 2, MPI_COMM_WORLD,
                            &request[n_more++]);
    }
    if (st == 0)
        st = wait_all(comm, n_more, request);
    if (st == 0) { /* aborted: MPI may still write there */
        free(request);
        free(size_W);
    }
    return st;
}

/* A start is a gathering of everybody's id. */
static int start(struct ncclComm *comm, parcel *in_W, parcel *out_W)
{
    char *id_W = malloc(sizeof comm->id * (size_t)comm->n_ranks);
    int   st;

    if (id_W == NULL)
        abort();
    for (int r = 0; r < comm->n_ranks; r++)
        if (r != comm->rank) {
            in_W[r]  = (parcel){sizeof comm->id, id_W + (size_t)r * sizeof comm->id};
            out_W[r] = (parcel){sizeof comm->id, comm->id.internal};
        }
    st = exchange(comm, in_W, out_W);
    for (int r = 0; st == 0 && r < comm->n_ranks; r++)
        if (r != comm->rank &&
            memcmp(id_W + (size_t)r * sizeof comm->id, &comm->id, sizeof comm->id) != 0)
            abort(); /* the caller mixed up ids */
    if (st == 0)
        free(id_W);
    return st;
}

static int move(struct ncclComm *comm, const task *t, parcel *in_W, parcel *out_W)
{
    int is_all = t->kind == ALL_GATHER;

    for (int r = 0; r < comm->n_ranks; r++) {
        char *place = t->to + (is_all ? (size_t)r * t->n_bytes : 0);

        if (r == comm->rank && (is_all || r == t->root))
            memmove(place, t->from, t->n_bytes);
        else if (r != comm->rank && (is_all || r == t->root))
            in_W[r] = (parcel){t->n_bytes, place};
        if (r != comm->rank && (is_all || comm->rank == t->root))
            out_W[r] = (parcel){t->n_bytes, (char *)(uintptr_t)t->from};
    }
    return exchange(comm, in_W, out_W);
}

static int work(struct ncclComm *comm, const task *t)
{
    parcel *in_W  = calloc((size_t)comm->n_ranks, sizeof *in_W);
    parcel *out_W = calloc((size_t)comm->n_ranks, sizeof *out_W);
    int     st    = 0;

    if (in_W == NULL || out_W == NULL)
        abort();
    if (t->kind == START) {
        st = start(comm, in_W, out_W);
    } else if (t->kind != FINALIZE) {
        emulator_open_memory();
        st = move(comm, t, in_W, out_W);
        if (is_planted(comm, "flip"))
            t->to[t->n_bytes / 2] ^= 4;
        emulator_close_memory();
    }
    free(in_W);
    free(out_W);
    return st;
}

static void do_task(struct ncclComm *comm, const task *t)
{
    int is_bad = is_planted(comm, "system") || is_planted(comm, "block-abort");

    if (is_bad || is_planted(comm, "remote")) {
        set_state(comm, is_bad ? ncclSystemError : ncclRemoteError);
        return; /* the stream stays held, as by a kernel that waits for a peer */
    }
    if (is_planted(comm, "absent"))
        return;
    (void)usleep(300);
    if (t->kind == BROADCAST || t->kind == ALL_GATHER)
        set_state(comm, ncclSuccess); /* taken; the stream is still busy */
    if (work(comm, t) != 0)
        return;
    if (t->kind == BROADCAST || t->kind == ALL_GATHER)
        hold(comm, -1);
    else
        set_state(comm, ncclSuccess);
}

static void *working_thread(void *context)
{
    struct ncclComm *comm = context;
    task             t    = {0};

    while (t.kind != QUIT) {
        (void)pthread_mutex_lock(&comm->lock);
        while (comm->task.kind == IDLE)
            (void)pthread_cond_wait(&comm->moved, &comm->lock);
        t               = comm->task;
        comm->task.kind = IDLE;
        (void)pthread_mutex_unlock(&comm->lock);
        if (t.kind != QUIT)
            do_task(comm, &t);
    }
    return NULL;
}

static ncclResult_t give(struct ncclComm *comm, task t)
{
    int is_moving = t.kind == BROADCAST || t.kind == ALL_GATHER;

    if (t.kind != START)
        comm->n_calls++;
    if (is_planted(comm, "refuse"))
        return ncclInvalidArgument;
    if (is_planted(comm, "block"))
        hang();
    if (comm->n_held > 0 || comm->state == ncclInProgress)
        return ncclInvalidUsage;
    if (is_moving)
        hold(comm, 1);
    (void)pthread_mutex_lock(&comm->lock);
    comm->task  = t;
    comm->state = ncclInProgress;
    (void)pthread_cond_broadcast(&comm->moved);
    (void)pthread_mutex_unlock(&comm->lock);
    return ncclInProgress;
}

/* ---- the interface ---- */

ncclResult_t ncclGetVersion(int *version)
{
    const char *text = getenv("BATCHRANK_NCCL_VERSION"), *own = getenv("OMPI_COMM_WORLD_RANK");
    int         code = 0, rank = -1;

    *version = NCCL_VERSION(2, 28, 9);
    if (text != NULL && sscanf(text, "%d:%d", &code, &rank) >= 1 &&
        (rank < 0 || (own != NULL && atoi(own) == rank)))
        *version = code;
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    (void)snprintf(id->internal, sizeof id->internal, "stand-in, process %ld", (long)getpid());
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
    switch (result) {
    case ncclSystemError:
        return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInvalidArgument:
        return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
        return "remote process exited or there was a network error";
    default:
        return "unknown result code";
    }
}

const char *ncclGetLastError(ncclComm_t comm)
{
    return comm->state == ncclSystemError ? "planted" : "";
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *out, int n_ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t *config)
{
    struct ncclComm *comm = calloc(1, sizeof *comm);

    if (comm == NULL || config->magic != 0xcafebeef || config->blocking != 0 || rank >= n_ranks) {
        free(comm);
        return ncclInvalidArgument;
    }
    comm->rank    = rank;
    comm->n_ranks = n_ranks;
    comm->id      = id;
    (void)pthread_mutex_init(&comm->lock, NULL);
    (void)pthread_cond_init(&comm->moved, NULL);
    if (pthread_create(&comm->thread, NULL, working_thread, comm) != 0)
        return ncclSystemError;
    *out = comm;
    return give(comm, (task){.kind = START});
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *state)
{
    (void)pthread_mutex_lock(&comm->lock);
    *state = comm->state;
    (void)pthread_mutex_unlock(&comm->lock);
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm)
{
    return give(comm, (task){.kind = FINALIZE});
}

static void end(struct ncclComm *comm)
{
    (void)pthread_mutex_lock(&comm->lock);
    comm->is_aborted = 1;
    comm->task.kind  = QUIT;
    (void)pthread_cond_broadcast(&comm->moved);
    (void)pthread_mutex_unlock(&comm->lock);
    (void)pthread_join(comm->thread, NULL);
    hold(comm, -comm->n_held); /* kernels that wait for a peer are ended */
    free(comm);
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    end(comm);
    return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    if (is_planted(comm, "block-abort"))
        hang();
    end(comm);
    return ncclSuccess;
}

ncclResult_t ncclBroadcast(const void *from, void *to, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream)
{
    if (type != ncclUint8 || stream == NULL || count == 0)
        return ncclInvalidArgument;
    return give(comm, (task){BROADCAST, from, to, count, root});
}

ncclResult_t ncclAllGather(const void *from, void *to, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream)
{
    if (type != ncclUint8 || stream == NULL || count == 0)
        return ncclInvalidArgument;
    return give(comm, (task){ALL_GATHER, from, to, count, 0});
}
