/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of customer keys, such as those to be suppressed: from a text file, or those that another
 * run has lists for. */
#ifndef BR_HOST_IO_SETS_KEY_SET_H
#define BR_HOST_IO_SETS_KEY_SET_H

#include <stdbool.h>

#include "host/io/keys.h"

typedef struct br_key_set {
    br_keys keys; /* ascending, none twice */
} br_key_set;

/* `path`: a text file with one key a line (numbers in decimal where the customers' keys are
 * numbers), or a run directory. An empty file is an empty set. BR_E_INPUT naming file and line;
 * BR_E_USAGE for a run that is not complete. */
br_status br_key_set_read(const char *path, bool is_number, br_key_set *out);
void      br_key_set_free(br_key_set *set);

/* Keys of another width than the set's are compared as if padded with NUL. */
bool br_key_set_has(const br_key_set *set, const br_keys *keys, int64_t row);

#endif
