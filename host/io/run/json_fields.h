/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of JSON objects that this program wrote itself, for telling two runs apart field by
 * field. Values stay raw text. No reader of what people write: that is host/config. */
#ifndef BR_HOST_IO_RUN_JSON_FIELDS_H
#define BR_HOST_IO_RUN_JSON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "host/io/run/read_text.h"

/* The raw text of a member of the outermost object; NULL when there is none. */
const char *br_fields_find(const char *text, const char *name, size_t *n_bytes);
/* The raw text of the next element of an array; *at is where the last one ended (NULL: before the
 * first). NULL at the end, or at nonsense. */
const char *br_fields_element(const char *array, const char **at, size_t *n_bytes);
/* Is the text one object and nothing else? */
bool        br_fields_is_object(const char *text, size_t n_bytes);
/* Adds "; field: found X, expected Y" for each field that differs, objects opened at every depth,
 * arrays as a whole. Nothing is added when both say the same. */
br_status   br_fields_differences(const char *found, size_t n_found, const char *expected,
                                  size_t n_expected, br_strbuf *out);

#endif
