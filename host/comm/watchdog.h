/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that ends the job where nothing moves. It calls no device and waits for no library:
 * whatever hangs, it still prints, asks MPI to abort from a side thread, and exits. Private to
 * host/comm. */
#ifndef BR_HOST_COMM_WATCHDOG_H
#define BR_HOST_COMM_WATCHDOG_H

#include "host/comm/state.h"

typedef struct br_watchdog br_watchdog;

/* Starts it at the first call. Without a thread there is no watchdog, and a warning. */
void br_watchdog_set(br_comm *comm, const br_deadlines *deadlines, br_watchdog **watchdog);
/* What is left must be over in so many seconds; ranks may be silent. */
void br_watchdog_last(br_watchdog *watchdog, double seconds);
void br_watchdog_close(br_watchdog **watchdog);

#endif
