/* SPDX-License-Identifier: Apache-2.0
 *
 * What every implementation does alike: opening, cores, hashed broadcasts, agreement. A few times
 * per job. */
#include "host/comm/comm.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/hash.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/comm/service.h"
#include "host/comm/state.h"
#include "host/comm/watchdog.h"

#define STARTING_S 180.0 /* from the first rank to the last */
#define PARTING_S  30.0  /* once all have come to the end */

/* A machine's processors that several ranks may run on are shared out among them. */
static void share_cores(br_comm *comm)
{
    cpu_set_t mine;
    int64_t   n_ranks_C[CPU_SETSIZE] = {0};
    double    share                  = 0.0;

    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        CPU_ZERO(&mine); /* more than CPU_SETSIZE: one core then */
    for (int c = 0; c < CPU_SETSIZE; c++)
        n_ranks_C[c] = CPU_ISSET(c, &mine) ? 1 : 0;
    br_comm_sum_i64(comm->node, n_ranks_C, CPU_SETSIZE);
    for (int c = 0; c < CPU_SETSIZE; c++)
        if (CPU_ISSET(c, &mine))
            share += 1.0 / (double)n_ranks_C[c];
    br_set_n_cores(share >= 1.0 ? (int)(share + 1e-9) : 1);
}

static br_status join(br_comm *comm)
{
    br_status st      = BR_OK;
    int64_t   n_first = comm->node->rank == 0;

    br_comm_sum_i64(comm, &n_first, 1);
    comm->n_nodes = (int)n_first;
    share_cores(comm);
    BR_TRY(st, br_service_open(comm, &comm->service));
    comm->job_rank = comm->node->job_rank = comm->team->job_rank = comm->rank;
    br_log_set_rank(comm->rank);
done:
    return st;
}

br_status br_comm_open(br_comm **out)
{
    br_status          st       = BR_OK;
    br_comm           *comm     = NULL;
    const br_deadlines starting = {.phase_s  = {[BR_PHASE_START] = STARTING_S},
                                   .answer_s = STARTING_S};
    const char        *launcher;

    *out = NULL;
    BR_ALLOC(st, comm, 1, "communicator");
    BR_ALLOC(st, comm->node, 1, "communicator of a machine");
    BR_ALLOC(st, comm->team, 1, "communicator of a team");
    BR_ALLOC(st, comm->firsts, 1, "communicator of machines");
    (void)gethostname(comm->host, sizeof comm->host - 1);
    comm->n_nodes = 1;
    BR_TRY(st, br_comm_open_single(comm));
    BR_TRY(st, br_comm_open_single(comm->node));
    BR_TRY(st, br_comm_open_single(comm->team));
    BR_TRY(st, br_comm_open_single(comm->firsts));
    if (br_launcher_size(&launcher) > 1) {
        br_watch_phase(BR_PHASE_START);
        br_comm_set_deadlines(comm, &starting);
        BR_TRY(st, br_comm_open_mpi(comm));
        BR_TRY(st, join(comm));
        br_watch_phase(BR_PHASE_WORK);
    }
    *out = comm;
    comm = NULL;
done:
    if (comm != NULL) { /* the launcher ends the others */
        br_watchdog_close(&comm->watchdog);
        br_free(&comm->node);
        br_free(&comm->team);
        br_free(&comm->firsts);
        br_free(&comm);
    }
    return st;
}

void br_comm_close(br_comm **comm_at)
{
    br_comm *comm = *comm_at;

    if (comm == NULL)
        return;
    br_comm_barrier(comm);
    br_watchdog_last(comm->watchdog, PARTING_S);
    br_service_end_thread(comm->service);
    comm->team->table->close(comm->team);
    comm->node->table->close(comm->node);
    comm->firsts->table->close(comm->firsts);
    comm->table->close(comm);
    br_watchdog_close(&comm->watchdog);
    br_service_free(&comm->service);
    br_free(&comm->node);
    br_free(&comm->team);
    br_free(&comm->firsts);
    br_free(comm_at);
}

void br_comm_set_deadlines(br_comm *comm, const br_deadlines *deadlines)
{
    comm->deadlines = *deadlines;
    br_watchdog_set(comm, deadlines, &comm->watchdog);
}

/* ---- who is who ---- */

int br_comm_rank(const br_comm *comm)
{
    return comm->rank;
}

int br_comm_size(const br_comm *comm)
{
    return comm->size;
}

int br_comm_n_nodes(const br_comm *comm)
{
    return comm->n_nodes;
}

int br_comm_node_rank(const br_comm *comm)
{
    return comm->node->rank;
}

int br_comm_node_size(const br_comm *comm)
{
    return comm->node->size;
}

const char *br_comm_host(const br_comm *comm)
{
    return comm->host;
}

br_comm *br_comm_node(br_comm *comm)
{
    return comm->node;
}

br_comm *br_comm_firsts(br_comm *comm)
{
    return comm->node->rank == 0 ? comm->firsts : NULL;
}

/* ---- collective ---- */

static void must(br_comm *comm, br_status st)
{
    if (st != BR_OK)
        br_comm_abort(comm, st);
}

void br_comm_barrier(br_comm *comm)
{
    int64_t here = 1;

    must(comm, comm->table->reduce(comm, &here, 1, false));
}

void br_comm_sum_i64(br_comm *comm, int64_t *value_N, int64_t n)
{
    must(comm, comm->table->reduce(comm, value_N, n, false));
}

void br_comm_max_i64(br_comm *comm, int64_t *value_N, int64_t n)
{
    must(comm, comm->table->reduce(comm, value_N, n, true));
}

void br_comm_gather(br_comm *comm, const void *data, size_t n_bytes, void *out)
{
    must(comm, comm->table->gather(comm, data, n_bytes, out));
}

br_status br_comm_broadcast(br_comm *comm, const char *what, void *data, size_t n_bytes)
{
    if (comm->size == 1 || n_bytes == 0)
        return BR_OK;
    must(comm, comm->table->broadcast(comm, 0, data, n_bytes));
    return br_comm_compare(comm, what, br_hash_bulk(data, n_bytes), n_bytes);
}

br_status br_comm_compare(br_comm *comm, const char *what, uint64_t found, size_t n_bytes)
{
    uint64_t sent = found;
    int64_t  wrong; /* size - rank of the first that got other bytes; 0: none */

    must(comm, comm->table->broadcast(comm, 0, &sent, sizeof sent));
    wrong = sent == found ? 0 : comm->size - comm->rank;
    br_comm_max_i64(comm, &wrong, 1);
    if (wrong != 0)
        return br_fail(BR_E_DEVICE,
                       "%s: rank %lld received other bytes than rank 0 sent (%zu bytes)", what,
                       (long long)(comm->size - wrong), n_bytes);
    return BR_OK;
}

br_status br_comm_broadcast_text(br_comm *comm, const char *what, char **text)
{
    int64_t n_bytes = comm->rank == 0 ? (int64_t)strlen(*text) + 1 : 0;

    if (comm->size == 1)
        return BR_OK;
    must(comm, comm->table->broadcast(comm, 0, &n_bytes, sizeof n_bytes));
    if (comm->rank != 0)
        must(comm, br_alloc(n_bytes, 1, "a text of rank 0", (void **)text));
    return br_comm_broadcast(comm, what, *text, (size_t)n_bytes);
}

/* ---- teams ---- */

br_status br_comm_form_teams(br_comm *comm, int n_members)
{
    br_status st   = BR_OK;
    br_comm  *team = comm->team;

    if (comm->size % n_members != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "comm: teams of %d of %d ranks", n_members, comm->size);
    if (team->size == n_members)
        goto done;
    team->table->close(team);
    BR_TRY(st, br_comm_open_single(team));
    if (n_members > 1)
        BR_TRY(st, comm->table->split(comm, comm->rank / n_members, team));
done:
    return st;
}

br_comm *br_comm_team(br_comm *comm)
{
    return comm->team;
}

void br_comm_trade(br_comm *comm, const br_parcel *parcel_R)
{
    must(comm, comm->table->trade(comm, parcel_R));
}

/* ---- agreement ---- */

static int64_t severity(br_status st)
{
    switch (st) {
    case BR_OK:
        return 0;
    case BR_GUARD_WARNED:
        return 1;
    case BR_GUARD_HELD:
        return 2;
    case BR_E_INTERRUPTED:
        return 3;
    case BR_E_SELFCHECK:
        return 5;
    default:
        return 4;
    }
}

/* The sentence of the calling rank, with its name before it. */
static void describe(const br_comm *comm, br_error *error)
{
    br_watch watch    = br_watch_read();
    char     unit[32] = "";

    br_error_take(error);
    if (comm->node == NULL) /* some of the ranks: the whole job's agreement names them */
        return;
    if (watch.unit >= 0)
        (void)snprintf(unit, sizeof unit, ", unit %lld", (long long)watch.unit);
    (void)br_fail(error->code, "rank %d (%s%s): %.3900s", comm->rank, br_phase_text(watch.phase),
                  unit, error->text);
    memcpy(error->text, br_error_last()->text, sizeof error->text);
}

br_status br_comm_agree(br_comm *comm, br_status st)
{
    br_error error = {.code = st};
    int64_t  worst = severity(st) * ((int64_t)1 << 32) + comm->size - comm->rank;
    int      speaker;

    if (comm->size == 1 || comm->is_leaving)
        return st;
    br_comm_max_i64(comm, &worst, 1);
    if (worst >> 32 == 0)
        return BR_OK;
    speaker = comm->size - (int)(worst & 0xffffffff);
    if (speaker == comm->rank)
        describe(comm, &error);
    must(comm, comm->table->broadcast(comm, speaker, &error, sizeof error));
    comm->is_leaving = true;
    return br_error_put(&error);
}

void br_comm_abort(br_comm *comm, br_status st)
{
    (void)fprintf(stderr, "batchrank: rank %d%s%s: %s\n", comm->job_rank,
                  comm->host[0] != '\0' ? " on " : "", comm->host, br_error_last()->text);
    comm->table->abort(comm, br_status_exit_code(st));
    _exit(br_status_exit_code(st));
}
