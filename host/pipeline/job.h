/* SPDX-License-Identifier: Apache-2.0
 *
 * A job ready to run: inputs joined, device open, weights and catalogue on it, batches planned.
 * job.c holds the order of the stages, their overlap and their clocks; nothing else does. */
#ifndef BR_HOST_PIPELINE_JOB_H
#define BR_HOST_PIPELINE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/comm/comm.h"
#include "host/io/run_dir.h"
#include "host/pipeline/batch.h"
#include "host/pipeline/objective/rank.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/stats/stats.h"
#include "host/pipeline/stats/timing.h"
#include "kernels/ops.h"
#include "models/model.h"

#define BR_MAX_LANES      256
#define BR_MAX_K          1024
#define BR_MAX_CHUNK_ROWS 8192
#define BR_MOST_WRITERS   8

/* Items by how often customers met them before as_of, for the fallback. */
typedef struct br_popularity {
    int64_t *count_N; /* [n_listed] */
    int32_t *order_N; /* listed rows, most popular first, ties by row */
} br_popularity;

typedef struct br_job {
    const br_config *config;
    br_setup        *setup;
    int32_t          k;

    br_dev           *dev;
    int32_t           n_lanes;
    br_dev           *lane[BR_MAX_LANES];
    size_t            lane_bytes;
    br_model         *model; /* NULL: ready-made vectors, no heads */
    br_mat            item_ND;
    br_mat            bias_N;
    br_mat            require_N;
    br_rank           rank;
    br_items         *items; /* of the ranking pair */
    /* what looks for wrong results (detect/detect.h); NULL: nothing does */
    struct br_detect *detect;
    br_mat            head_bias_N[BR_MAX_HEADS];
    br_mat            term_bias_N[BR_MAX_TERMS];

    int64_t                max_rows; /* customers of the largest unit */
    /* what a lane takes at a time (lanes.c); no result depends on it */
    int64_t                chunk_rows;
    int64_t                chunk_events[BR_MAX_MODALITIES];
    int64_t                score_rows;
    /* one per lane; NULL: the k best are the lists */
    struct br_choose_room *choose_room;
    struct br_shaping     *shaping;    /* NULL: the best items are the lists */
    br_quotas             *quotas;     /* of drawn lists; NULL: none */
    struct br_shards      *shards;     /* NULL: this rank holds the whole catalogue */
    struct br_weightings  *weightings; /* NULL: none (choose/weightings.h) */

    br_popularity popularity;
    br_unit       raw; /* the reader's, one unit */
    br_stats      stats;
    br_timing     timing;
} br_job;

/* Device, weights, catalogue, popularity. The setup must have its units planned and outlives the
 * job. */
br_status br_job_open(br_setup *setup, br_job **out);
/* The same on all ranks: weights and catalogue come to the devices of the others from rank 0, where
 * NCCL is used (run.nccl). Collective; the error is not yet agreed. comm NULL: br_job_open. */
br_status br_job_open_shared(br_setup *setup, br_comm *comm, br_job **out);
/* The same, without reading what `like` knows of all customers; says little. */
br_status br_job_open_like(br_setup *setup, const br_job *like, br_job **out);
void      br_job_close(br_job **job);

/* The device memory of a batch, for units of at most job->max_rows customers. */
br_status br_job_alloc_batch(br_job *job, br_batch *batch);

/* Rows of a [V, n_cols] table of the model for the items held: [held.n, n_cols], to be freed;
 * absent where the table is. */
br_status br_job_gather_listed(br_job *job, br_mat table, br_mat *out);

/* job->items of the ranking pair. */
br_status br_job_prepare_items(br_job *job);

/* All units that `run` lacks, through all stages, handed out to the ranks; then the statistics of
 * all parts, on every rank. Collective: one rank's failure is everybody's (br_comm_agree). Ranks
 * other than 0 have the run attached (br_run_attach). */
br_status br_job_execute(br_job *job, br_comm *comm, br_run *run);

/* All units through read, encode, fuse and score, each then given to `take`, in order and one at a
 * time; nothing is decided, counted or published. Of one rank. */
typedef br_status (*br_unit_fn)(void *context, br_job *job, br_batch *batch);
br_status br_job_pass(br_job *job, br_unit_fn take, void *context);

/* BR_E_INTERRUPTED once a signal asked for it (host/base/watch/interrupt.h), with what became of
 * `what` (a path, or NULL: nothing is written). Called between the units of every long loop. */
br_status br_job_check_interrupt(const char *what);

#endif
