/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of host/comm share: the communicator, and the table that an implementation fills.
 * Private to host/comm. */
#ifndef BR_HOST_COMM_STATE_H
#define BR_HOST_COMM_STATE_H

#include "host/comm/comm.h"

#define BR_HOST_BYTES 64

/* Small messages between rank 0 and another; never waited for by the sender. */
typedef struct br_message {
    int32_t kind;
    int32_t rank; /* the sender, filled on receipt */
    int64_t value[6];
} br_message;

/* root: the rank whose bytes go to all. Messages may be posted and taken by any thread, the rest by
 * one at a time. */
typedef struct br_comm_table {
    const char *name;
    br_status (*broadcast)(br_comm *comm, int root, void *data, size_t n_bytes);
    br_status (*reduce)(br_comm *comm, int64_t *value_N, int64_t n, bool is_max);
    br_status (*gather)(br_comm *comm, const void *data, size_t n_bytes, void *out);
    br_status (*trade)(br_comm *comm, const br_parcel *parcel_R);
    br_status (*split)(br_comm *comm, int part, br_comm *out);
    br_status (*post)(br_comm *comm, int to, const br_message *message);
    br_status (*take)(br_comm *comm, br_message *message, bool *is_there);
    void (*abort)(br_comm *comm, int exit_code);
    void (*close)(br_comm *comm);
} br_comm_table;

struct br_comm {
    const br_comm_table *table;
    void                *own; /* the implementation's */
    int                  rank;
    int                  size;
    int                  job_rank; /* among all, for messages */
    int                  n_nodes;
    char                 host[BR_HOST_BYTES];
    bool                 is_leaving; /* all have agreed on an end */
    br_comm             *node;       /* NULL, all three: this is one of them */
    br_comm             *firsts;     /* of one rank where the rank is no first of a machine */
    br_comm             *team;       /* of one rank where no teams were formed */
    struct br_service   *service;    /* NULL: of one rank, of a machine, or a team */
    struct br_watchdog  *watchdog;
    br_deadlines         deadlines;
};

/* table, own, rank, size of what the launcher started; mpi: of node and firsts too. `split`: those
 * of the ranks that name the same part. */
br_status br_comm_open_single(br_comm *comm);
br_status br_comm_open_mpi(br_comm *comm);

/* Whether the n_bytes that arrived have rank 0's hash on all ranks: br_comm_broadcast's error. */
br_status br_comm_compare(br_comm *comm, const char *what, uint64_t found, size_t n_bytes);

/* How many ranks a launcher started, by its environment; 1: none did. */
int br_launcher_size(const char **name);

#endif
