/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of host/io/run share: the open run and the names in its directory. */
#ifndef BR_HOST_IO_RUN_RUN_STATE_H
#define BR_HOST_IO_RUN_RUN_STATE_H

#include <limits.h>

#include "host/io/run/manifest.h"
#include "host/io/run/receipt.h"
#include "host/io/run_dir.h"

#define BR_RUN_LOCK     ".lock"
#define BR_RUN_IDENTITY "run.json"
#define BR_RUN_CONFIG   "config.json"
#define BR_RUN_PARTS    "parts"
#define BR_RUN_RECEIPTS "receipts"
#define BR_RUN_VIEW     "lists.h5"
#define BR_RUN_STATS    "stats.json"
#define BR_RUN_METRICS  "metrics.prom"
#define BR_RUN_AUDIT    "audit.jsonl"
#define BR_RUN_MANIFEST "manifest.json"
#define BR_RUN_LATEST   "latest"

#define BR_RUN_NAME_BYTES 64
#define BR_RUN_MAX_UNITS  100000 /* five digits */

struct br_run {
    char        path[PATH_MAX];
    int         lock_fd; /* -1: not held */
    int64_t     n_units;
    bool        is_complete;
    bool        is_step;    /* of another run: `latest` is not ours to move */
    bool        is_trusted; /* parts are not read back */
    br_strbuf   run_json;   /* as in the directory */
    br_receipt *receipt_U;
};

/* PATH/NAME; BR_E_IO when too long. */
br_status br_run_join(const char *path, const char *name, char out[PATH_MAX]);
void      br_run_part_name(int64_t unit, char name[BR_RUN_NAME_BYTES]);
void      br_run_receipt_name(int64_t unit, char name[BR_RUN_NAME_BYTES]);

/* BR_E_USAGE naming the files that do not belong into a run directory of that many units;
 * n_units -1: the directory has no run yet. */
br_status br_run_check_names(const char *path, int64_t n_units);
/* Deletes what interrupted attempts at publishing left behind. */
br_status br_run_delete_temporaries(const char *path);
/* Without slashes at its end; BR_E_USAGE when too long. */
br_status br_run_set_path(br_run *run, const char *path);
/* Fills receipt_U: parts whose receipt, size and SHA-256 agree; others are deleted. */
br_status br_run_accept_units(br_run *run, int64_t *n_done, int64_t *n_deleted);
/* Has a file the size and SHA-256 that its manifest says? BR_E_INPUT naming it. */
br_status br_run_verify_file(const char *folder, const br_manifest_file *file);
/* BR_E_INPUT naming what was opened although it was denied. */
br_status br_run_check_inputs(const char *path, const char *inputs_json);
/* `latest`, then the audit line `commit`: the last steps, repeated when they were cut off. */
br_status br_run_announce(const br_run *run);

#endif
