/* SPDX-License-Identifier: Apache-2.0
 *
 * What handing out a unit costs: ranks ask for units that hold no work, one after the other. Rank 0
 * prints one line of JSON: seconds from question to answer on another rank, and processor seconds
 * of rank 0 for each unit. Called by measure_costs.py.
 *
 *   mpirun -np 2 bench_units [units, default 4000] */
#include <stdio.h>
#include <stdlib.h>

#include "host/base/clock.h"
#include "host/comm/comm.h"

typedef struct cost {
    double wall_s, cpu_s;
    double n_units;
} cost;

static br_status take_all(br_comm *comm, int64_t n, cost *own)
{
    br_status st    = BR_OK;
    br_units *units = NULL;
    double    start_s, cpu_s = br_clock_process_cpu_s();
    int64_t   unit = 0;

    BR_TRY(st, br_units_open(comm, n, NULL, NULL, &units));
    start_s = br_clock_wall_s();
    while (br_comm_rank(comm) > 0) { /* rank 0 would take all: it need not ask */
        BR_TRY(st, br_units_next(units, 0, &unit));
        if (unit < 0)
            break;
        own->n_units += 1.0;
    }
    own->wall_s = br_clock_wall_s() - start_s;
done:
    if (units != NULL) {
        br_status closed = br_units_close(&units, 0);

        st = st == BR_OK ? closed : st;
    }
    own->cpu_s = br_clock_process_cpu_s() - cpu_s;
    return st;
}

int main(int argc, char **argv)
{
    br_status st     = BR_OK;
    br_comm  *comm   = NULL;
    cost     *cost_W = NULL;
    cost      own    = {0};
    double    n = 0.0, wall_s = 0.0;

    BR_TRY(st, br_comm_open(&comm));
    cost_W = calloc((size_t)br_comm_size(comm), sizeof *cost_W);
    if (cost_W == NULL || br_comm_size(comm) < 2)
        BR_FAIL(st, BR_E_USAGE, "bench_units: 2 ranks or more are needed");
    BR_TRY(st, br_comm_agree(comm, take_all(comm, argc > 1 ? atoll(argv[1]) : 4000, &own)));
    br_comm_gather(comm, &own, sizeof own, cost_W);
    for (int r = 1; r < br_comm_size(comm); r++) {
        n += cost_W[r].n_units;
        wall_s += cost_W[r].wall_s;
    }
    if (br_comm_rank(comm) == 0)
        (void)printf("{\"ranks\": %d, \"units\": %.0f, \"answer_s\": %.3e, \"rank_0_cpu_s\": "
                     "%.3e}\n",
                     br_comm_size(comm), n, wall_s / n, own.cpu_s / n);
done:
    if (st != BR_OK)
        (void)fprintf(stderr, "%s\n", br_error_last()->text);
    free(cost_W);
    br_comm_close(&comm);
    return br_status_exit_code(st);
}
