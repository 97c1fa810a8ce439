/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank: a verb and its arguments in, an exit code out. The one place that prints errors. */
#include <signal.h>
#include <stdio.h>

#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/status.h"
#include "host/base/watch/interrupt.h"
#include "host/comm/comm.h"
#include "host/io/h5.h"
#include "host/verbs/verbs.h"

/* The error of all, once. */
static void print_error(br_status st, const br_comm *comm)
{
    if (st == BR_OK || br_error_last()->text[0] == '\0' || (comm != NULL && br_comm_rank(comm) > 0))
        return;
    (void)fprintf(stderr, "batchrank: %s\n", br_error_last()->text);
    br_log(BR_LOG_DEBUG, "main", "%s at %s", br_status_name(st), br_error_last()->trail);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    br_interrupt();
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    br_comm         *comm   = NULL;
    br_status        st;

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL); /* from schedulers, before the time limit */
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that grows past its limit is an error to report */
    st = br_comm_open(&comm);
    if (st == BR_OK) {
        st = br_h5_setup();
        if (st == BR_OK)
            st = br_fault_arm();
        if (st == BR_OK)
            st = br_dispatch(argc, argv, comm);
        st = br_comm_agree(comm, st);
    }
    br_log_progress(NULL);
    print_error(st, comm);
    if (fflush(stdout) != 0 && st == BR_OK) {
        (void)fprintf(stderr, "batchrank: cannot write to standard output\n");
        st = BR_E_IO;
    }
    br_comm_close(&comm);
    return br_status_exit_code(st);
}
