/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb `publish`: lists of a complete run as files for other systems (docs/PUBLISH.md). Called
 * once per process; holds one part of the run in memory. */
#ifndef BR_HOST_PIPELINE_PUBLISH_PUBLISH_H
#define BR_HOST_PIPELINE_PUBLISH_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"

typedef enum { BR_TO_CSV, BR_TO_JSONL, BR_TO_RESP } br_publish_to;

/* What is told of each listed item. */
typedef enum {
    BR_COLUMN_ITEM,
    BR_COLUMN_SCORE,
    BR_COLUMN_PROBABILITY,
    BR_COLUMN_LOG_PROPENSITY,
    BR_COLUMN_SOURCE,
    BR_N_COLUMNS
} br_publish_column;

typedef struct br_publication {
    const char   *run;
    const char   *out;
    br_publish_to to;
    bool          has_column[BR_N_COLUMNS];
    bool          is_long;   /* CSV: a row per listed item */
    char          delimiter; /* CSV */
    bool          wants_exposures;
    bool          is_forced;
    int64_t       split_bytes;   /* 0: one file */
    const char   *run_id;        /* NULL: the name of the run's folder */
    const char   *changed_since; /* another run, or NULL */
    const char   *key_prefix;    /* RESP, as the two below */
    int64_t       ttl_s;         /* 0: keys stay */
    bool          is_comma;      /* values are joined by commas, no JSON array */
} br_publication;

/* Every customer of the run ends in one of the files, or the publication fails with
 * BR_E_SELFCHECK and nothing appears. BR_E_INPUT when the run is not complete or was changed.
 * Prints what was written. */
br_status br_job_publish(const br_publication *what, FILE *out);

#endif
