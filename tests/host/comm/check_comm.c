/* SPDX-License-Identifier: Apache-2.0
 *
 * Every operation of ranks, checked against what it must be on each of them. Started by itself and
 * by mpirun (test_comm.py). Modes that end badly on purpose: uneven, deadlock. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/memory.h"
#include "host/comm/comm.h"

#define BIG_BYTES (((size_t)64 << 20) + 12345) /* more than one chunk of a broadcast */
#define N_UNITS   500

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "rank %d: %s:%d: not true: %s\n", br_comm_rank(comm), __FILE__,        \
                    __LINE__, #condition);                                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void check_sums(br_comm *comm)
{
    int64_t size = br_comm_size(comm), rank = br_comm_rank(comm);
    int64_t value[3] = {rank, INT64_MAX / size, -rank}, most[2] = {rank, -rank};

    br_comm_sum_i64(comm, value, 3);
    MUST(value[0] == size * (size - 1) / 2 && value[2] == -value[0]);
    MUST(value[1] == INT64_MAX / size * size);
    br_comm_max_i64(comm, most, 2);
    MUST(most[0] == size - 1 && most[1] == 0);
    br_comm_barrier(comm);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 7);
}

static void check_broadcast(br_comm *comm)
{
    uint8_t *data   = NULL;
    char     said[] = "of rank 0", *text = br_comm_rank(comm) == 0 ? said : NULL;

    MUST(br_alloc((int64_t)BIG_BYTES, 1, "test", (void **)&data) == BR_OK);
    for (size_t i = 0; i < BIG_BYTES && br_comm_rank(comm) == 0; i++)
        data[i] = byte_at(i);
    MUST(br_comm_broadcast(comm, "test", data, BIG_BYTES) == BR_OK);
    for (size_t i = 0; i < BIG_BYTES; i += 997)
        MUST(data[i] == byte_at(i));
    MUST(data[BIG_BYTES - 1] == byte_at(BIG_BYTES - 1));
    MUST(br_comm_broadcast(comm, "nothing", NULL, 0) == BR_OK);
    MUST(br_comm_broadcast_text(comm, "text", &text) == BR_OK && strcmp(text, "of rank 0") == 0);
    if (br_comm_rank(comm) > 0)
        br_free(&text);
    br_free(&data);
}

static void check_gather(br_comm *comm)
{
    int64_t  own[2] = {br_comm_rank(comm), 7};
    int64_t *all    = NULL;

    MUST(br_alloc(br_comm_size(comm), sizeof own, "test", (void **)&all) == BR_OK);
    br_comm_gather(comm, own, sizeof own, br_comm_rank(comm) == 0 ? all : NULL);
    for (int r = 0; r < br_comm_size(comm) && br_comm_rank(comm) == 0; r++)
        MUST(all[2 * r] == r && all[2 * r + 1] == 7);
    br_free(&all);
}

static _Atomic int64_t n_rows_of_others;

static void note_rows(void *context, int64_t n_rows)
{
    (void)context;
    atomic_fetch_add(&n_rows_of_others, n_rows);
}

/* Each unit once, in order on each rank; every row is reported to rank 0. */
static void check_units(br_comm *comm, int64_t n)
{
    br_units *units          = NULL;
    int64_t   got_N[N_UNITS] = {0}, unit, last = -1, n_own = 0, n_mine = 0;

    atomic_store(&n_rows_of_others, 0);
    MUST(br_units_open(comm, n, note_rows, NULL, &units) == BR_OK);
    for (;;) {
        MUST(br_units_next(units, n_own, &unit) == BR_OK);
        n_own = 0;
        if (unit < 0)
            break;
        MUST(unit > last && unit < n);
        last = unit;
        got_N[unit]++;
        n_own = 10;
        n_mine += 10;
    }
    MUST(!br_units_are_stopped(units));
    MUST(br_units_close(&units, n_own) == BR_OK);
    br_comm_sum_i64(comm, got_N, N_UNITS);
    for (int64_t u = 0; u < N_UNITS; u++)
        MUST(got_N[u] == (u < n));
    if (br_comm_rank(comm) == 0)
        MUST(n_mine + atomic_load(&n_rows_of_others) == 10 * n);
}

/* The last rank fails at once: nobody gets everything, nobody waits. */
static void check_stop(br_comm *comm)
{
    br_units *units = NULL;
    int64_t   unit = 0, n = 0;

    MUST(br_units_open(comm, 1 << 30, NULL, NULL, &units) == BR_OK);
    if (br_comm_rank(comm) == br_comm_size(comm) - 1)
        br_units_stop(units);
    for (; unit >= 0; n++)
        MUST(br_units_next(units, 0, &unit) == BR_OK);
    MUST(n < 1 << 30);
    MUST(br_units_close(&units, 0) == BR_OK);
}

/* The worst status, the lowest rank of those, and for good. */
static void check_agreement(br_comm *comm)
{
    int       size = br_comm_size(comm), rank = br_comm_rank(comm);
    br_status st = BR_OK;
    char      name[32];

    MUST(br_comm_agree(comm, BR_OK) == BR_OK);
    br_watch_phase(BR_PHASE_UNITS);
    br_watch_unit(rank);
    if (rank == 0)
        st = br_fail(BR_E_INTERRUPTED, "interrupted");
    if (rank > 0 && rank >= size - 2)
        st = br_fail(BR_E_IO, "disk of rank %d", rank);
    st = br_comm_agree(comm, st);
    MUST(st == (size == 1 ? BR_E_INTERRUPTED : BR_E_IO));
    rank = size < 3 ? size - 1 : size - 2;
    (void)snprintf(name, sizeof name, "disk of rank %d", rank);
    MUST(size == 1 || strstr(br_error_last()->text, name) != NULL);
    (void)snprintf(name, sizeof name, "(units, unit %d)", rank);
    MUST(size == 1 || strstr(br_error_last()->text, name) != NULL);
    MUST(br_comm_agree(comm, st) == st);
}

static void check_machines(br_comm *comm)
{
    int64_t  n     = br_comm_node_rank(comm) == 0;
    br_comm *first = br_comm_firsts(comm);

    MUST((first != NULL) == (n == 1));
    br_comm_sum_i64(comm, &n, 1);
    MUST(n == br_comm_n_nodes(comm));
    MUST(first == NULL || br_comm_size(first) == n);
    MUST(br_comm_size(br_comm_node(comm)) == br_comm_node_size(comm));
    check_sums(br_comm_node(comm));
    if (first != NULL)
        check_sums(first);
}

/* `answer`: how soon a silent rank is missed. */
static void set_answer(br_comm *comm, double answer_s)
{
    const br_deadlines d = {.phase_s = {[BR_PHASE_UNITS] = answer_s}, .answer_s = answer_s};

    br_comm_set_deadlines(comm, &d);
}

int main(int argc, char **argv)
{
    br_comm    *comm = NULL;
    const char *mode = argc > 1 ? argv[1] : "";

    if (br_comm_open(&comm) != BR_OK) {
        fprintf(stderr, "%s\n", br_error_last()->text);
        return br_status_exit_code(br_error_last()->code);
    }
    set_answer(comm, 1.0);
    if (strcmp(mode, "uneven") == 0) { /* one rank does not come to the barrier, alive as it is */
        if (br_comm_rank(comm) == 1)
            for (br_watch_phase(BR_PHASE_UNITS);;)
                (void)pause();
        br_comm_barrier(comm);
    }
    if (strcmp(mode, "deadlock") == 0) { /* they wait, each for another thing */
        int64_t one = 1;

        if (br_comm_rank(comm) != 0)
            br_comm_barrier(comm);
        br_comm_gather(comm, &one, sizeof one, br_comm_rank(comm) == 0 ? malloc(4096) : NULL);
        br_comm_barrier(comm);
    }
    check_sums(comm);
    check_broadcast(comm);
    check_gather(comm);
    check_machines(comm);
    check_units(comm, N_UNITS);
    check_units(comm, 0);
    check_units(comm, 1);
    check_stop(comm);
    check_agreement(comm);
    if (br_comm_rank(comm) == 0)
        printf("ok  %d ranks on %d machines\n", br_comm_size(comm), br_comm_n_nodes(comm));
    br_comm_close(&comm);
    return 0;
}
