/* SPDX-License-Identifier: Apache-2.0
 *
 * Time spent, in seconds: on the wall, and on the processors. */
#ifndef BR_HOST_BASE_CLOCK_H
#define BR_HOST_BASE_CLOCK_H

double br_clock_wall_s(void);       /* monotonic, from an arbitrary start */
double br_clock_thread_cpu_s(void); /* processor time of the calling thread */
double br_clock_process_cpu_s(void);

#endif
