/* SPDX-License-Identifier: Apache-2.0
 *
 * How many ranks a job needs to be done within a window, one per GPU or, without GPUs, per
 * machine. From rates that were measured or given, never from figures of this program. */
#ifndef BR_HOST_PIPELINE_LOOK_WINDOW_H
#define BR_HOST_PIPELINE_LOOK_WINDOW_H

#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"
#include "host/pipeline/setup/setup.h"

typedef struct br_window {
    double  seconds;       /* 0: none is asked for */
    int64_t most_ranks;    /* that could be had */
    double  rate;          /* customers a rank does per second; 0: as timed here */
    double  read_bytes_s;  /* what the file system gives to all ranks together; 0: not told */
    double  write_bytes_s; /* and takes */
} br_window;

/* What a rank was seen to do. */
typedef struct br_rank_speed {
    double  open_s;          /* inputs opened, weights and catalogue placed */
    double  customer_s;      /* per customer, read to policy */
    int64_t n_sampled;       /* customers timed */
    double  hash_bytes_s;    /* SHA-256, one core */
    double  hash_cores;      /* of a rank */
    double  input_bytes;     /* hashed before the first unit */
    double  customers_bytes; /* of these, hashed and read by all ranks together */
    double  output_bytes;
} br_rank_speed;

/* Seconds until the last of n_ranks is done, units going in order to whoever is free, each row
 * taking customer_s. Exact, by going through the units; scratch_W [n_ranks]. */
double br_window_makespan_s(const br_rows *unit, int64_t n_units, double customer_s,
                            int64_t n_ranks, double *scratch_W);

/* The table of 1, 2, 4, ... ranks, the fewest that are enough, and what was assumed.
 * BR_GUARD_WARNED when window->most_ranks are not enough. */
br_status br_window_print(const br_setup *setup, const br_window *window,
                          const br_rank_speed *speed, FILE *out);

#endif
