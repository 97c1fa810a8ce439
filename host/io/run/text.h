/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files of a run directory as text: reading whole, and growing one line by line. Called a
 * few times per part. Private to host/io/run. */
#ifndef BR_HOST_IO_RUN_TEXT_H
#define BR_HOST_IO_RUN_TEXT_H

#include <stddef.h>

#include "host/base/status.h"

typedef struct br_text {
    char  *data; /* NUL-terminated; NULL when empty */
    size_t n_bytes;
    size_t capacity_bytes;
} br_text;

br_status br_text_add(br_text *text, const char *fmt, ...) BR_PRINTF(2, 3);
br_status br_text_add_bytes(br_text *text, const char *data, size_t n_bytes);
void      br_text_free(br_text *text);
/* The whole file, at most max_bytes (BR_E_INPUT beyond). BR_E_IO: cannot be read. */
br_status br_text_read(const char *path, size_t max_bytes, br_text *out);

#endif
