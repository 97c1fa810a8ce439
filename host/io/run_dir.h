/* SPDX-License-Identifier: Apache-2.0
 *
 * The run directory: parts, receipts, lists.h5, stats.json, metrics.prom, config.json,
 * audit.jsonl, and manifest.json last (docs/FORMATS.md). A directory holds one run, known by its
 * identity (hashes of inputs, configuration, build, device type). The same command again goes on
 * where it stopped; a run that is complete is left alone. One process at a time (kernel lock). */
#ifndef BR_HOST_IO_RUN_DIR_H
#define BR_HOST_IO_RUN_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/names.h"
#include "host/base/status.h"
#include "host/io/lists.h"

typedef struct br_run br_run;

/* `identity_json` and `config_json` are JSON objects as text. BR_E_USAGE when the directory holds
 * another run (says which identity fields differ), holds strange files, or is locked. Parts left
 * by an interrupted run are kept when their receipt, size and SHA-256 agree, deleted otherwise;
 * temporary files are deleted. */
br_status br_run_open(const char *path, const char *identity_json, const char *config_json,
                      int64_t n_units, br_run **out);
/* The same for a run that is a step of another (shortlists): `latest` stays where it is. */
br_status br_run_open_step(const char *path, const char *identity_json, const char *config_json,
                           int64_t n_units, br_run **out);
void      br_run_close(br_run **run);
bool      br_run_is_complete(const br_run *run);
bool      br_run_unit_is_done(const br_run *run, int64_t unit);

/* A number that is the same for the same identity, and else hardly ever; not of an attached run. */
uint64_t br_run_seed(const br_run *run);

/* Publishes parts/part-NNNNN.h5, then its receipt. Called from one thread. Before the receipt the
 * file is read back from the disk, where it can be, and the image is made once more: with other
 * bytes the part is removed, BR_E_SELFCHECK. */
br_status br_run_publish_unit(br_run *run, int64_t unit, const br_lists *lists);
/* Believes disk and memory from now on. */
void      br_run_trust(br_run *run);
/* Removes a unit's receipt and part: it is not done. */
br_status br_run_withdraw_unit(br_run *run, int64_t unit);
br_status br_run_read_unit(const br_run *run, int64_t unit, br_lists *out);

/* Several ranks write one run. Rank 0 opens it and hands its mark to the others; they attach, which
 * takes no lock and changes nothing, and publish units that nobody else has. BR_E_USAGE where the
 * directory is not rank 0's. */
#define BR_RUN_MARK_BYTES 65
br_status br_run_mark(const br_run *run, char mark[BR_RUN_MARK_BYTES]);
br_status br_run_attach(const char *path, int64_t n_units, const char *mark, br_run **out);
/* Rank 0: a unit that another rank published is done from here on. BR_E_IO where receipt or part is
 * missing, or has another length (not hashed: `verify` does that). */
br_status br_run_take_unit(br_run *run, int64_t unit);

/* What a run says of itself when it is complete. */
typedef struct br_run_summary {
    const br_keys *item_key;  /* NULL: lists.h5 names no items */
    const char *inputs_json;  /* the manifest's `inputs`, an array (docs/FORMATS.md); NULL: none */
    const char *stats_json;   /* NULL: {} */
    const char *metrics_text; /* NULL: empty */
} br_run_summary;

/* lists.h5 (virtual datasets over the parts), stats.json, metrics.prom, then the manifest, then
 * the `latest` pointer beside the directory. All units must be done. */
br_status br_run_commit(br_run *run, const br_run_summary *summary);

/* Appends one line to audit.jsonl: event name and a JSON object. */
br_status br_run_audit(br_run *run, const char *event, const char *details_json);

/* Re-hashes everything a manifest names; BR_E_INPUT at the first difference. */
br_status br_run_verify_hashes(const char *path, int64_t *n_files);

/* What lies in a run directory, complete or not, without changing it. */
typedef struct br_run_about {
    bool    is_complete;
    int64_t n_units;
    int64_t n_done; /* units with part and receipt (hashes not looked at) */
    int64_t n_rows; /* of those */
    int64_t n_bytes;
    char   *identity_json; /* raw */
    char   *inputs_json;   /* raw, of the manifest; NULL: it has none */
} br_run_about;

br_status br_run_describe(const char *path, br_run_about *out);
void      br_run_about_free(br_run_about *about);

/* What a manifest says of one input: objects that were denied, datasets that were opened. */
typedef struct br_run_input {
    char     file[64];
    br_names denied;
    br_names read;
} br_run_input;

/* `inputs` of a manifest (NULL: none), the first n of at most BR_RUN_MAX_INPUTS; `path` is for
 * messages. Each to be freed with br_run_input_free. */
#define BR_RUN_MAX_INPUTS 8
br_status br_run_inputs(const char *path, const char *inputs_json,
                        br_run_input input[BR_RUN_MAX_INPUTS], int32_t *n);
void      br_run_input_free(br_run_input *input);
/* PATH/parts/part-NNNNN.h5 */
#define BR_RUN_PATH_BYTES 4096
br_status br_run_part_path(const char *path, int64_t unit, char out[BR_RUN_PATH_BYTES]);

#endif
