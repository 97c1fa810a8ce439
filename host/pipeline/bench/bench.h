/* SPDX-License-Identifier: Apache-2.0
 *
 * The `bench` job: seeded data made where it is used, a result that is checked before a time is
 * given, the same result hash for any number of ranks. A suite makes its data, does passes and
 * checks them; bench.c repeats them over all ranks and writes table and JSON. */
#ifndef BR_HOST_PIPELINE_BENCH_BENCH_H
#define BR_HOST_PIPELINE_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/comm/comm.h"
#include "host/pipeline/setup/setup.h"
#include "kernels/ops.h"

typedef struct br_bench_options {
    int64_t     n_customers; /* of all ranks; weak: of each rank */
    int64_t     n_items;     /* N */
    int64_t     dim;         /* D */
    int64_t     k;
    int64_t     n_events; /* mean browse events of a customer */
    int64_t     seed;
    int64_t     n_warmups; /* passes before the timed ones, at least 1: it is checked */
    int64_t     n_repeats;
    int64_t     n_checked; /* customers of each rank checked by the reference */
    int64_t     n_threads; /* 0: as the backend likes */
    bool        is_weak;
    bool        is_bf16;
    br_backend  backend;
    const char *work;        /* where files are made; e2e with ranks: one folder that all see */
    const char *expect_hash; /* 32 hex digits; NULL: any */
    const char *json;        /* NULL: none */
} br_bench_options;

/* Integer sums over customers of a hash of each one's result: in any order, over any ranks. */
typedef struct br_bench_hash {
    uint64_t sum[2];
} br_bench_hash;

typedef struct br_bench_pass {
    double        wall_s; /* of what is measured, on this rank */
    double        cpu_s;
    br_bench_hash hash; /* of this rank's customers */
} br_bench_pass;

typedef struct br_bench {
    const br_bench_options *o;
    br_comm                *comm;
    int32_t                 rank;
    int32_t                 n_ranks;
    int64_t                 n_customers; /* of all ranks */
    br_rows                 rows;        /* this rank's customers */
    char                    device[160];
    int32_t                 n_lanes;
    double                  flop; /* of this rank's customers; 0: not told */
    void                   *state;
} br_bench;

typedef struct br_bench_suite {
    const char *name;
    const char *hashed;                 /* "items and score bits": what the hash stands for */
    br_status (*open)(br_bench *bench); /* data and device; fills device, n_lanes, flop, state */
    br_status (*pass)(br_bench *bench, br_bench_pass *pass);
    /* after a pass: customers whose result the reference does not confirm */
    br_status (*check)(br_bench *bench, int64_t *n_checked, int64_t *n_wrong);
    void (*close)(br_bench *bench); /* also after a failed open */
} br_bench_suite;

extern const br_bench_suite br_bench_score;  /* score_topk on vectors whose scores are exact */
extern const br_bench_suite br_bench_encode; /* encode and fuse of generated timelines */

/* Runs the suite on all ranks; rank 0 writes the table to stdout. BR_E_SELFCHECK, and no time,
 * where a result is not the reference's, changes between passes, or is not the expected one. */
br_status br_bench_run(br_comm *comm, const br_bench_options *options, const br_bench_suite *suite);

/* Adds a customer's list (n items, their score bits), or vector (items NULL). */
void br_bench_hash_add(br_bench_hash *hash, int64_t row, const int32_t *item_K,
                       const float *value_K, int64_t n);

/* A folder of this process under `parent`, and its end with all that is in it. */
#define BR_BENCH_PATH_BYTES 4096
br_status br_bench_folder_make(const char *parent, char out[BR_BENCH_PATH_BYTES]);
void      br_bench_folder_remove(const char *path);

#endif
