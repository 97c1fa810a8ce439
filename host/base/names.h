/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of names in byte order: what a file's columns are, which are denied, which were opened. A
 * few hundred at most. */
#ifndef BR_HOST_BASE_NAMES_H
#define BR_HOST_BASE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"

typedef struct br_names {
    int32_t n;
    int32_t capacity;
    char  **name;
} br_names;

/* Puts a copy into its place; one that is there already changes nothing. */
br_status br_names_add(br_names *names, const char *name);
br_status br_names_add_all(br_names *names, const br_names *more);
bool      br_names_has(const br_names *names, const char *name);
void      br_names_free(br_names *names);

#endif
