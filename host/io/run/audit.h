/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.jsonl: one line per event, only ever appended, each line chained to the one before it by
 * SHA-256. Called a few times per run. */
#ifndef BR_HOST_IO_RUN_AUDIT_H
#define BR_HOST_IO_RUN_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/io/publish.h"

/* One more line, flushed to disk. `details_json`: an object. A line torn by a crash is ended and
 * stays, bound into the chain. */
br_status br_audit_append(const char *path, const char *event, const char *details_json);
/* Is there a whole line of that event? Then it is flushed to disk. (false for a missing file) */
br_status br_audit_has(const char *path, const char *event, bool *found);
/* BR_E_INPUT at the first line that was changed, taken out or put in. `last_details` (may be
 * NULL) must stand in the last line of event `commit`. BR_E_INTERRUPTED where the log just ends too
 * early, or in the middle of a line: the same command again sets that right. */
br_status br_audit_verify(const char *path, const char *last_details);

#endif
