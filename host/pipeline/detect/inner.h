/* SPDX-License-Identifier: Apache-2.0
 *
 * What the detectors of a run know. Private to detect/. Several writers look at their units at
 * once, each in a room of its own; the reference, hits and counts are of one at a time, under the
 * lock. */
#ifndef BR_HOST_PIPELINE_DETECT_INNER_H
#define BR_HOST_PIPELINE_DETECT_INNER_H

#include <pthread.h>

#include "host/pipeline/detect/detect.h"
#include "host/pipeline/detect/golden_batch.h"
#include "host/pipeline/detect/listed.h"
#include "host/pipeline/detect/memory.h"
#include "host/pipeline/detect/reference.h"

/* What they did. */
typedef struct br_detect_counts {
    int64_t n_looks;
    int64_t n_tiles; /* of the score pass */
    int64_t n_checked;
    int64_t n_customers;
    int64_t n_listed;
    int64_t n_sampled;
    int64_t n_bytes;
    int64_t n_faults;
} br_detect_counts;

/* Of a writer. */
typedef struct br_unit_room {
    br_dev   *lane;
    br_listed listed;
} br_unit_room;

struct br_detect {
    br_job           *job;
    uint64_t          seed;
    br_dev           *look_lane; /* of whoever computes */
    int32_t           n_writers;
    br_unit_room      room[BR_MOST_WRITERS];
    pthread_mutex_t   lock;
    br_reference     *reference;
    br_golden_batch  *golden; /* NULL: none */
    br_memory_digests memory;
    bool              is_part; /* of a catalogue in shards: no one here has a whole list */
    bool              has_listed;
    bool              notes_vectors;
    double            share; /* of the customers whose list the reference makes again */
    float            *x_D;
    int64_t           n_golden;
    br_detect_counts  did;
};

/* BR_E_SELFCHECK where x_u of a unit is not what it was when it was made. */
br_status br_detect_check_vectors(br_detect *detect, br_dev *lane, const br_batch *batch);

/* Sums over all ranks, as a JSON object, and in the log of rank 0. n_golden: customers of a golden
 * batch. Collective. */
br_status br_detect_report_counts(br_comm *comm, const br_detect_counts *did, int64_t n_golden,
                                  br_strbuf *json);

#endif
