/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranks: the processes that a launcher (mpirun, srun) started as one job, 0 to size - 1. Without a
 * launcher there is one, and every operation is complete without another (docs/RANKS.md).
 *
 * Collective operations are called by all ranks in the same order, by one thread each, between
 * units of work and never in the hot loop; they wait without using a core. Where the transport
 * fails there is nobody to tell: the job ends (br_comm_abort). A rank leaves a job only by
 * br_comm_agree or by abort, so that nobody waits for one that is gone. */
#ifndef BR_HOST_COMM_COMM_H
#define BR_HOST_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/base/watch/watch.h"

typedef struct br_comm br_comm;

/* Joins the ranks that the launcher started; the one of this process alone where there was none.
 * Divides the machine's cores among its ranks (br_n_cores). BR_E_USAGE: several were started, and
 * this build has no MPI, or MPI sees fewer than the launcher says. Called once per process. */
br_status br_comm_open(br_comm **out);
/* Waits until all ranks are here. */
void      br_comm_close(br_comm **comm);

int         br_comm_rank(const br_comm *comm);
int         br_comm_size(const br_comm *comm);
/* Machines, and the rank's place on its own: 0 to node_size - 1. */
int         br_comm_n_nodes(const br_comm *comm);
int         br_comm_node_rank(const br_comm *comm);
int         br_comm_node_size(const br_comm *comm);
const char *br_comm_host(const br_comm *comm);
/* The ranks of this machine, as ranks of their own; borrowed. */
br_comm    *br_comm_node(br_comm *comm);
/* The first ranks of all machines, likewise; NULL on the others. */
br_comm    *br_comm_firsts(br_comm *comm);

/* ---- collective ---- */

void      br_comm_barrier(br_comm *comm);
/* n_bytes of rank 0 to all, of any length; the bytes that arrived are hashed and compared.
 * BR_E_DEVICE naming `what` and the rank that got others. */
br_status br_comm_broadcast(br_comm *comm, const char *what, void *data, size_t n_bytes);
/* A text of rank 0 to all; br_free it on the others. */
br_status br_comm_broadcast_text(br_comm *comm, const char *what, char **text);
/* Sums, or the largest, of each place over the ranks, on all of them. */
void      br_comm_sum_i64(br_comm *comm, int64_t *value_N, int64_t n);
void      br_comm_max_i64(br_comm *comm, int64_t *value_N, int64_t n);
/* n_bytes of every rank, in order of ranks, to rank 0: out is [size][n_bytes] there, else NULL. */
void      br_comm_gather(br_comm *comm, const void *data, size_t n_bytes, void *out);
/* The worst status of all ranks, with its sentence, on all of them: BR_OK where it is everybody's.
 * Failures are worse than interruption, that is worse than warnings; the lowest rank speaks, and
 * is named with its phase and unit. What is not BR_OK is agreed for good: later calls return what
 * they are given. */
br_status br_comm_agree(br_comm *comm, br_status st);

/* ---- one rank for all ---- */

/* Prints the thread's error and ends all ranks with the exit code of `st`: for a failure that
 * nobody can agree on. */
_Noreturn void br_comm_abort(br_comm *comm, br_status st);

/* ---- units of work ---- */

/* How many rows other ranks have done since the last call; on rank 0, by a thread of its own. It
 * must not call anything of this header. */
typedef void (*br_units_progress)(void *context, int64_t n_rows);

/* Units 0 to n - 1 (n of rank 0 counts), each handed out once, in order, to whoever asks.
 * Collective at both ends, not between. NULL comm: this process alone. */
typedef struct br_units br_units;
br_status br_units_open(br_comm *comm, int64_t n, br_units_progress progress, void *context,
                        br_units **out);
/* The next one, -1: none is left, or somebody failed. n_rows: rows this rank has done since. */
br_status br_units_next(br_units *units, int64_t n_rows, int64_t *unit);
/* Nothing more is handed out to anybody: this rank has failed. */
void      br_units_stop(br_units *units);
/* Has any rank failed? */
bool      br_units_are_stopped(const br_units *units);
/* Rank 0 waits here until the others have come to it. */
br_status br_units_close(br_units **units, int64_t n_rows);

/* ---- deadlines ---- */

/* Seconds; 0: for ever. */
typedef struct br_deadlines {
    double phase_s[BR_N_PHASES]; /* in which nothing moves (watch.h) */
    double answer_s;             /* in which a rank says nothing */
} br_deadlines;

/* From now on the watchdog ends the job with exit code 5 where one is passed. */
void br_comm_set_deadlines(br_comm *comm, const br_deadlines *deadlines);

#endif
