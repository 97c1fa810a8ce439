/* SPDX-License-Identifier: Apache-2.0
 *
 * Between two looks at something that others have to do: at once at first, then asleep for longer
 * and longer, so that they have the cores. Private to host/comm. */
#ifndef BR_HOST_COMM_PAUSE_H
#define BR_HOST_COMM_PAUSE_H

#include <sched.h>
#include <time.h>

#define BR_PAUSE_EAGER    200
#define BR_PAUSE_LEAST_NS 20000L
#define BR_PAUSE_MOST_NS  2000000L

typedef struct br_pause {
    int  n_looks;
    long sleep_ns;
} br_pause;

static inline void br_pause_once(br_pause *pause)
{
    struct timespec time = {0};

    if (pause->n_looks++ < BR_PAUSE_EAGER) {
        (void)sched_yield();
        return;
    }
    pause->sleep_ns = pause->sleep_ns == 0 ? BR_PAUSE_LEAST_NS : 2 * pause->sleep_ns;
    if (pause->sleep_ns > BR_PAUSE_MOST_NS)
        pause->sleep_ns = BR_PAUSE_MOST_NS;
    time.tv_nsec = pause->sleep_ns;
    (void)nanosleep(&time, NULL);
}

#endif
