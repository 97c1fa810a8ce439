/* SPDX-License-Identifier: Apache-2.0
 *
 * What `evaluate --log` found, and its two ways out: a table for people, JSON for programs. */
#ifndef BR_HOST_VERBS_EVALUATE_LOG_REPORT_H
#define BR_HOST_VERBS_EVALUATE_LOG_REPORT_H

#include "host/base/status.h"
#include "host/decide/estimate/estimate.h"
#include "host/io/shown.h"

typedef enum { BR_LOOK_ALL, BR_LOOK_POSITION, BR_LOOK_STRATUM } br_look;

/* One target in one form: over everything, at one position, or in one stratum. */
typedef struct br_finding {
    const char  *target; /* as given */
    br_form      form;
    br_look      look;
    int32_t      which;  /* position or stratum */
    bool         is_off; /* the mean weight is no 1: by more than its standard error allows */
    br_estimates found;
} br_finding;

typedef struct br_report {
    const char           *log_path;
    const br_shown_log   *log;
    const br_shown_about *about;
    br_estimate_args      settings; /* clip, floor, min_ess, max_share, n_boot, seed */
    int64_t               n_findings;
    br_finding           *finding;         /* of a target and form together, BR_LOOK_ALL first */
    int64_t               n_refused;       /* numbers over all lists: the guard warns */
    int64_t               n_refused_parts; /* at a position or in a stratum: told in place */
    int64_t               n_off;
} br_report;

void      br_report_print(const br_report *report);
br_status br_report_print_json(const br_report *report);

/* The name of a stratum. Returns `text`. */
const char *br_report_stratum(const br_report *report, int32_t stratum,
                              char text[BR_KEY_TEXT_BYTES]);

#endif
