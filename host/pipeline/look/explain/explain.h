/* SPDX-License-Identifier: Apache-2.0
 *
 * Why one customer of a stored run got an item, or did not. */
#ifndef BR_HOST_PIPELINE_LOOK_EXPLAIN_EXPLAIN_H
#define BR_HOST_PIPELINE_LOOK_EXPLAIN_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/strbuf.h"

typedef struct br_explain_args {
    const char *run;      /* a complete run directory */
    const char *customer; /* keys as people write them */
    const char *item;
    int64_t     n_threads; /* -1: as the run's configuration says */
    bool        why_not;   /* the answer first */
    bool        is_json;
} br_explain_args;

/* Runs the customer again through the stages of the run (its config.json says from what it was
 * made) and appends the explanation to `out`. BR_E_INPUT: the run is not complete, or an input is
 * not what it was; BR_E_USAGE: no such customer or item; BR_E_SELFCHECK: the list is not the one
 * stored, naming the difference (BR_E_INPUT where another program or device made the run). */
br_status br_explain(const br_explain_args *args, br_strbuf *out);

#endif
