/* SPDX-License-Identifier: Apache-2.0
 *
 * Many weightings of an objective's terms in one pass over the customers (docs/OBJECTIVES.md): what
 * each would list, added up; nothing is published. */
#ifndef BR_HOST_PIPELINE_SWEEP_SWEEP_H
#define BR_HOST_PIPELINE_SWEEP_SWEEP_H

#include <stdio.h>

#include "host/base/strbuf.h"
#include "host/pipeline/job.h"

#define BR_SWEEP_MAX           64
#define BR_SWEEP_CONFIGURATION "configuration" /* the name of the configuration's own weights */

/* The lists of one weighting, over the customers whose lists are by scores. */
typedef struct br_sweep_row {
    const char *name;
    double      weight_T[BR_MAX_TERMS];
    double      term_T[BR_MAX_TERMS]; /* sums over all lists of value x logit (or probability) */
    double      penalty;
    double      common; /* share of items in common with the configuration's lists */
    int64_t     n_lists;
    int64_t    *exposure_N; /* by listed row */
    int64_t     n_items;    /* listed at least once */
    double      gini;
    bool        is_efficient;
} br_sweep_row;

/* Row 0 is the configuration's own. */
typedef struct br_sweep {
    const br_setup *setup;
    int32_t         n_rows;
    br_sweep_row    row[BR_SWEEP_MAX + 1];
    int64_t         n_customers;
} br_sweep;

/* Reads [{"name": ..., "weights": {"term": number, ...}}, ...]; a term that is not named keeps the
 * configuration's weight. BR_E_USAGE naming the place and what was expected. br_free *out. */
br_status br_sweep_read(const char *path, const br_config *config, br_weighting **out, int32_t *n);

/* Customers of a unit so that lists of all weightings fit memory; no result depends on it. */
int64_t br_sweep_unit_customers(const br_config *config, int32_t n_weightings);

/* The pass. The job's setup must be a sweep's. */
br_status br_sweep_run(br_job *job, br_sweep **out);
void      br_sweep_close(br_sweep **sweep);

/* sweep.json, sweep.csv, and a table for people. */
void br_sweep_json(const br_sweep *sweep, br_strbuf *text);
void br_sweep_csv(const br_sweep *sweep, br_strbuf *text);
void br_sweep_print(const br_sweep *sweep, FILE *out);

/* The whole of `run --sweep`. `file`: the weightings; `out`: the folder of sweep.json and
 * sweep.csv, NULL: the table only. */
br_status br_sweep_job(br_config *config, const char *file, const char *out);

#endif
