/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of what a policy showed, and another policy's probabilities of the same
 * (docs/FORMATS.md, batchrank-log), checked and read whole. Used by `evaluate --log`. */
#ifndef BR_HOST_IO_SHOWN_H
#define BR_HOST_IO_SHOWN_H

#include "host/base/status.h"
#include "host/decide/estimate/shown.h"
#include "host/io/keys.h"

#define BR_SHOWN_MAX_POSITION 1024
#define BR_SHOWN_MAX_TARGETS  64
#define BR_SHOWN_NAME_BYTES   64
#define BR_SHOWN_ALL_ARMS     INT64_MIN

typedef struct br_shown_file br_shown_file;

typedef struct br_shown_about {
    int64_t n_kept; /* lists */
    int64_t n_kept_rows;
    int64_t n_unknown;   /* lists left out: a propensity is NaN; */
    int64_t n_flagged;   /* a row is flagged; */
    int64_t n_other_arm; /* shown by another arm */
    int32_t n_targets;
    char    target[BR_SHOWN_MAX_TARGETS][BR_SHOWN_NAME_BYTES]; /* names, ascending */
    br_keys stratum_key;                                       /* n_keys 0: no strata */
} br_shown_about;

/* `arm`: lists of other arms are left out; BR_SHOWN_ALL_ARMS keeps all. BR_E_INPUT names file,
 * dataset and row. The log and what is about it belong to the file. */
br_status             br_shown_open(const char *path, int64_t arm, br_shown_file **out);
void                  br_shown_close(br_shown_file **file);
const br_shown_log   *br_shown_log_of(const br_shown_file *file);
const br_shown_about *br_shown_about_of(const br_shown_file *file);

typedef struct br_shown_target {
    double *log_probability_R; /* -inf: never shown */
    double *model_R;           /* a reward model's word on each row; NULL: not given */
    double *value_L;           /* and on each list under the target; NULL with model_R */
} br_shown_target;

/* `where`: a name under /target of the log; FILE.npy with the log-probabilities; FILE.h5
 * (`format` "batchrank-target") with the objects of /target/NAME at its root. */
br_status br_shown_read_target(br_shown_file *file, const char *where, br_shown_target *out);
void      br_shown_target_free(br_shown_target *target);

#endif
