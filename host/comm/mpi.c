/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranks by MPI. Waiting is polling with sleeps: a rank that waits for others leaves its cores to
 * them. Collectives a few times per job; messages a few per second and rank. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/comm/pause.h"
#include "host/comm/state.h"

#define CHUNK_BYTES ((size_t)64 << 20) /* counts of MPI are int */

typedef struct mpi_own {
    MPI_Comm collective;
    MPI_Comm messages; /* NULL handle: none, of a machine's ranks */
} mpi_own;

static br_status check(int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int  n                          = 0;

    if (code == MPI_SUCCESS)
        return BR_OK;
    (void)MPI_Error_string(code, text, &n);
    return br_fail(BR_E_DEVICE, "MPI: %s: %s", what, text);
}

static mpi_own *own_of(br_comm *comm)
{
    return comm->own;
}

/* is_bulk: bytes have to be moved on, so the wait does not sleep. */
static br_status wait_for(MPI_Request *request, const char *what, bool is_bulk)
{
    br_status st      = BR_OK;
    int       is_done = 0;
    br_pause  pause   = {0};

    br_watch_wait(true);
    for (;;) {
        BR_TRY(st, check(MPI_Test(request, &is_done, MPI_STATUS_IGNORE), what));
        if (is_done)
            break;
        if (is_bulk)
            pause = (br_pause){0};
        br_pause_once(&pause);
    }
done:
    br_watch_wait(false);
    return st;
}

static br_status broadcast(br_comm *comm, int root, void *data, size_t n_bytes)
{
    br_status   st = BR_OK;
    MPI_Request request;

    /* first that everybody is here, asleep; then the bytes, awake */
    if (n_bytes > CHUNK_BYTES / 64) {
        BR_TRY(st, check(MPI_Ibarrier(own_of(comm)->collective, &request), "barrier"));
        BR_TRY(st, wait_for(&request, "barrier", false));
    }
    for (size_t at = 0; at < n_bytes; at += CHUNK_BYTES) {
        size_t n = n_bytes - at < CHUNK_BYTES ? n_bytes - at : CHUNK_BYTES;

        BR_TRY(st, check(MPI_Ibcast((char *)data + at, (int)n, MPI_BYTE, root,
                                    own_of(comm)->collective, &request),
                         "broadcast"));
        BR_TRY(st, wait_for(&request, "broadcast", n_bytes > CHUNK_BYTES / 64));
    }
done:
    return st;
}

static br_status reduce(br_comm *comm, int64_t *value_N, int64_t n, bool is_max)
{
    br_status     st   = BR_OK;
    const int64_t step = (int64_t)(CHUNK_BYTES / sizeof *value_N);
    MPI_Request   request;

    for (int64_t at = 0; at < n; at += step) {
        int64_t m = n - at < step ? n - at : step;

        BR_TRY(st,
               check(MPI_Iallreduce(MPI_IN_PLACE, value_N + at, (int)m, MPI_INT64_T,
                                    is_max ? MPI_MAX : MPI_SUM, own_of(comm)->collective, &request),
                     "reduction"));
        BR_TRY(st, wait_for(&request, "reduction", false));
    }
done:
    return st;
}

static br_status gather(br_comm *comm, const void *data, size_t n_bytes, void *out)
{
    br_status   st = BR_OK;
    MPI_Request request;

    if (n_bytes > CHUNK_BYTES)
        BR_FAIL(st, BR_E_SELFCHECK, "comm: %zu bytes to gather, expected at most %zu", n_bytes,
                CHUNK_BYTES);
    BR_TRY(st, check(MPI_Igather(data, (int)n_bytes, MPI_BYTE, out, (int)n_bytes, MPI_BYTE, 0,
                                 own_of(comm)->collective, &request),
                     "gather"));
    BR_TRY(st, wait_for(&request, "gather", false));
done:
    return st;
}

/* Bytes [at, at + CHUNK_BYTES) of a parcel, as far as they go. */
static int piece(size_t n_bytes, size_t at)
{
    size_t left = n_bytes > at ? n_bytes - at : 0;

    return (int)(left < CHUNK_BYTES ? left : CHUNK_BYTES);
}

/* To rank `to` and from rank `from`, at the same time. */
static br_status trade_pair(br_comm *comm, const br_parcel *parcel_R, int to, int from)
{
    br_status        st    = BR_OK;
    const br_parcel *send  = &parcel_R[to];
    const br_parcel *take  = &parcel_R[from];
    size_t           bytes = send->from_bytes > take->to_bytes ? send->from_bytes : take->to_bytes;
    MPI_Comm         all   = own_of(comm)->collective;
    MPI_Request      request[2];

    for (size_t at = 0; at < bytes; at += CHUNK_BYTES) {
        int n_send = piece(send->from_bytes, at), n_take = piece(take->to_bytes, at);

        request[0] = request[1] = MPI_REQUEST_NULL;
        if (n_take > 0)
            BR_TRY(st, check(MPI_Irecv((char *)take->to + at, n_take, MPI_BYTE, from, 1, all,
                                       &request[0]),
                             "parcel"));
        if (n_send > 0)
            BR_TRY(st, check(MPI_Isend((const char *)send->from + at, n_send, MPI_BYTE, to, 1, all,
                                       &request[1]),
                             "parcel"));
        for (int i = 0; i < 2; i++)
            BR_TRY(st, wait_for(&request[i], "parcel", bytes > CHUNK_BYTES / 64));
    }
done:
    return st;
}

static br_status trade(br_comm *comm, const br_parcel *parcel_R)
{
    br_status        st   = BR_OK;
    const br_parcel *mine = &parcel_R[comm->rank];

    if (mine->from != mine->to && mine->to_bytes > 0)
        memcpy(mine->to, mine->from, mine->to_bytes);
    for (int step = 1; step < comm->size; step++)
        BR_TRY(st, trade_pair(comm, parcel_R, (comm->rank + step) % comm->size,
                              (comm->rank + comm->size - step) % comm->size));
done:
    return st;
}

/* So short that MPI sends it at once, whatever the receiver does. */
static br_status post(br_comm *comm, int to, const br_message *message)
{
    return check(MPI_Send(message, (int)sizeof *message, MPI_BYTE, to, 0, own_of(comm)->messages),
                 "message");
}

static br_status take(br_comm *comm, br_message *message, bool *is_there)
{
    br_status  st       = BR_OK;
    int        has_some = 0;
    MPI_Status status;

    *is_there = false;
    BR_TRY(st, check(MPI_Iprobe(MPI_ANY_SOURCE, 0, own_of(comm)->messages, &has_some, &status),
                     "probe"));
    if (!has_some)
        goto done;
    BR_TRY(st, check(MPI_Recv(message, (int)sizeof *message, MPI_BYTE, status.MPI_SOURCE, 0,
                              own_of(comm)->messages, MPI_STATUS_IGNORE),
                     "message"));
    message->rank = status.MPI_SOURCE;
    *is_there     = true;
done:
    return st;
}

static br_status split(br_comm *comm, int part, br_comm *out);

static void abort_all(br_comm *comm, int exit_code)
{
    (void)comm;
    (void)MPI_Abort(MPI_COMM_WORLD, exit_code);
}

static void close_mpi(br_comm *comm)
{
    mpi_own *own = own_of(comm);

    if (own == NULL)
        return;
    if (own->collective != MPI_COMM_NULL)
        (void)MPI_Comm_free(&own->collective);
    if (own->messages != MPI_COMM_NULL) {
        (void)MPI_Comm_free(&own->messages);
        (void)MPI_Finalize();
    }
    br_free(&comm->own);
}

static const br_comm_table table = {.name      = "mpi",
                                    .broadcast = broadcast,
                                    .reduce    = reduce,
                                    .gather    = gather,
                                    .trade     = trade,
                                    .split     = split,
                                    .post      = post,
                                    .take      = take,
                                    .abort     = abort_all,
                                    .close     = close_mpi};

static br_status start(void)
{
    br_status   st    = BR_OK;
    int         level = 0, size = 0;
    const char *launcher;

    BR_TRY(st, check(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level), "start"));
    if (level < MPI_THREAD_MULTIPLE)
        BR_FAIL(st, BR_E_USAGE, "MPI: this library offers no MPI_THREAD_MULTIPLE");
    BR_TRY(st, check(MPI_Comm_size(MPI_COMM_WORLD, &size), "size"));
    if (size != br_launcher_size(&launcher))
        BR_FAIL(st, BR_E_USAGE,
                "%s started %d processes, but MPI sees %d: they were not started as ranks of one "
                "job (srun needs --mpi=pmix or --mpi=pmi2, mpirun must be that of this MPI)",
                launcher, br_launcher_size(&launcher), size);
done:
    return st;
}

static br_status fill(br_comm *comm, MPI_Comm collective)
{
    br_status st  = BR_OK;
    mpi_own  *own = NULL;

    BR_ALLOC(st, own, 1, "communicator");
    own->collective = collective;
    own->messages   = MPI_COMM_NULL;
    comm->table     = &table;
    comm->own       = own;
    BR_TRY(st, check(MPI_Comm_set_errhandler(collective, MPI_ERRORS_RETURN), "errors"));
    BR_TRY(st, check(MPI_Comm_rank(collective, &comm->rank), "rank"));
    BR_TRY(st, check(MPI_Comm_size(collective, &comm->size), "size"));
done:
    return st;
}

static br_status split(br_comm *comm, int part, br_comm *out)
{
    br_status st = BR_OK;
    MPI_Comm  some;

    BR_TRY(st, check(MPI_Comm_split(own_of(comm)->collective, part, comm->rank, &some), "team"));
    BR_TRY(st, fill(out, some));
done:
    return st;
}

/* Ranks of one machine. For tests: a machine has as many ranks as BATCHRANK_RANKS_PER_NODE says. */
static br_status split_by_machine(int rank, MPI_Comm *out)
{
    const char *per_node = getenv("BATCHRANK_RANKS_PER_NODE");
    long        n        = per_node != NULL ? strtol(per_node, NULL, 10) : 0;

    if (n > 0)
        return check(MPI_Comm_split(MPI_COMM_WORLD, (int)(rank / n), rank, out), "split");
    return check(
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, out),
        "split by machine");
}

br_status br_comm_open_mpi(br_comm *comm)
{
    br_status st = BR_OK;
    MPI_Comm  all, node, firsts;

    BR_TRY(st, start());
    BR_TRY(st, check(MPI_Comm_dup(MPI_COMM_WORLD, &all), "duplicate"));
    BR_TRY(st, fill(comm, all));
    BR_TRY(st, check(MPI_Comm_dup(MPI_COMM_WORLD, &own_of(comm)->messages), "duplicate"));
    BR_TRY(st, check(MPI_Comm_set_errhandler(own_of(comm)->messages, MPI_ERRORS_RETURN), "errors"));
    BR_TRY(st, split_by_machine(comm->rank, &node));
    BR_TRY(st, fill(comm->node, node));
    BR_TRY(st, check(MPI_Comm_split(MPI_COMM_WORLD, comm->node->rank == 0 ? 0 : MPI_UNDEFINED,
                                    comm->rank, &firsts),
                     "split"));
    if (firsts != MPI_COMM_NULL)
        BR_TRY(st, fill(comm->firsts, firsts));
done:
    return st;
}
