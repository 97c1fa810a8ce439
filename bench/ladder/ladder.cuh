/* SPDX-License-Identifier: Apache-2.0
 *
 * What the microbenchmarks of bench_ladder share: how a kernel is timed, and a row of the table.
 * Compiled by nvcc for sm_90a; not run on a GPU yet. */
#ifndef BR_BENCH_LADDER_LADDER_CUH
#define BR_BENCH_LADDER_LADDER_CUH

#include <stdio.h>

#include "kernels/cuda/launch.cuh"

#define LADDER_ROUNDS 7

typedef struct ladder {
    br_dev  *dev;
    FILE    *json;
    int      n_sms;
    int64_t *clocks;   /* on the device: two of a block, of what it says it measured */
    int64_t *host;     /* the same, read */
    float   *sink;     /* on the device: where results go that nobody wants */
    int      n_failed; /* rows that an error ended */
    int      n_wrong;  /* checks that did not hold */
} ladder;

typedef struct ladder_time {
    double us;        /* least of LADDER_ROUNDS */
    double clocks[2]; /* most of all blocks, of that round */
} ladder_time;

typedef br_status (*ladder_fn)(ladder *l, void *context);

/* Launches fn once unmeasured, then LADDER_ROUNDS times, each waited for. */
br_status ladder_run(ladder *l, ladder_fn fn, void *context, ladder_time *out);

/* One row: what was measured, how much of it, and what that is beside a ceiling (0: none known). */
void ladder_row(ladder *l, const char *what, double value, const char *unit, double of, double us);
/* The same for what could not be measured. */
void ladder_fail(ladder *l, const char *what);

/* A check: `found` may not be above `most`. */
void ladder_check(ladder *l, const char *what, double found, double most);

/* rates.cu: lanes a clock of what an epilogue is made of, alone and beside products. */
void ladder_rates(ladder *l);
/* products.cu: clocks of a product in each shape, from registers and from shared memory. And how
 * far sums of fp16 codes are cut, beside what docs/EXACTNESS.md assumes. */
void ladder_products(ladder *l);
void ladder_cuts(ladder *l);
/* copies.cu: boxes to 1, 2 and 4 blocks at a time; rows gathered as a rescoring does. */
void ladder_copies(ladder *l);

#endif
