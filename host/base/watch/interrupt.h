/* SPDX-License-Identifier: Apache-2.0
 *
 * A wish to stop (a signal, or a rank that got one): asked once, looked at between units of every
 * long loop. Belongs to the process, as signals do. */
#ifndef BR_HOST_BASE_WATCH_INTERRUPT_H
#define BR_HOST_BASE_WATCH_INTERRUPT_H

#include <stdbool.h>

void br_interrupt(void); /* safe in a signal handler and from any thread */
bool br_is_interrupted(void);

#endif
