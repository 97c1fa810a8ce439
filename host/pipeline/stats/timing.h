/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the time went, and how far the job is. Clocks are written by the thread that runs the
 * stage and read at the end. */
#ifndef BR_HOST_PIPELINE_STATS_TIMING_H
#define BR_HOST_PIPELINE_STATS_TIMING_H

#include <stdint.h>

typedef enum {
    BR_STAGE_READ,
    BR_STAGE_ENCODE,
    BR_STAGE_FUSE,
    BR_STAGE_SCORE,
    BR_STAGE_POLICY,
    BR_STAGE_DETECT,
    BR_STAGE_WRITE,
    BR_N_STAGES
} br_stage;

const char *br_stage_name(br_stage stage);

typedef struct br_stage_clock {
    double wall_s;
    double cpu_s;
    double flop; /* arithmetic of the stage's GEMMs and dot products */
} br_stage_clock;

typedef struct br_timing {
    br_stage_clock stage[BR_N_STAGES];
    double         start_s;
    double         last_report_s;
    int64_t        n_done;    /* customers */
    int64_t        n_total;   /* customers this command has to do */
    int            n_writers; /* whose stages lie side by side */
} br_timing;

/* Starts the clock of the whole job. */
void br_timing_start(br_timing *timing, int64_t n_total, int n_writers);

/* n more customers are written: a progress line on a terminal, a log line every 10 s otherwise. */
void br_timing_progress(br_timing *timing, int64_t n_customers);

/* The table of stages, to the log: wall, processor time, share, arithmetic rate, and how the wall
 * time compares with what a perfect overlap on n_cores (0: on a GPU) would need. */
void br_timing_report(const br_timing *timing, int n_cores);

#endif
