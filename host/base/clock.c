/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks. Called a few times per stage and work unit. */
#include "host/base/clock.h"

#include <time.h>

static double read_s(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double br_clock_wall_s(void)
{
    return read_s(CLOCK_MONOTONIC);
}

double br_clock_thread_cpu_s(void)
{
    return read_s(CLOCK_THREAD_CPUTIME_ID);
}

double br_clock_process_cpu_s(void)
{
    return read_s(CLOCK_PROCESS_CPUTIME_ID);
}
