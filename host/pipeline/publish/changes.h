/* SPDX-License-Identifier: Apache-2.0
 *
 * Which customers' lists differ from those of another run: other items, or another order, by key.
 * Kept as two 64-bit hashes per customer of the other run (24 to 48 bytes each in all). Called for
 * every customer. */
#ifndef BR_HOST_PIPELINE_PUBLISH_CHANGES_H
#define BR_HOST_PIPELINE_PUBLISH_CHANGES_H

#include <stdbool.h>

#include "host/pipeline/publish/record.h"

typedef struct br_changes br_changes;

/* Reads the other run whole, part by part; `run` is the one to be published. */
br_status br_changes_open(const char *other_path, const br_run_reader *run, br_changes **out);
void      br_changes_close(br_changes **changes);

/* SHA-256 of the other run's manifest. */
const char *br_changes_manifest(const br_changes *changes);
/* Had the other run a list for this customer, and was it the same? */
void        br_changes_look_up(const br_changes *changes, const br_record *r, bool *had_list,
                               bool *is_same);

/* In the hold-out of an experiment: the flag, or an arm below 0. */
bool br_is_held_out(const br_lists *lists, int64_t b);

#endif
