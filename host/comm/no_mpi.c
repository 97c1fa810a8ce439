/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of mpi.c in a program without MPI. */
#include "host/comm/state.h"

br_status br_comm_open_mpi(br_comm *comm)
{
    const char *launcher;
    int         n = br_launcher_size(&launcher);

    (void)comm;
    return br_fail(BR_E_USAGE,
                   "%s started %d processes, but this program has no MPI: they would do the same "
                   "work %d times. Build one with -DBR_MPI=ON, or start one process",
                   launcher, n, n);
}
