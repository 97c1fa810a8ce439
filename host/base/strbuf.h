/* SPDX-License-Identifier: Apache-2.0
 *
 * Text that grows: JSON and metrics are put together here. A failed addition is remembered and
 * reported by br_strbuf_check or br_strbuf_take, so callers need not look at each. */
#ifndef BR_HOST_BASE_STRBUF_H
#define BR_HOST_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/status.h"

typedef struct br_strbuf {
    char  *data;    /* NUL-terminated; NULL when nothing was added */
    size_t n_bytes; /* without the closing NUL */
    size_t capacity;
    bool   has_failed;
} br_strbuf;

void br_strbuf_add(br_strbuf *text, const char *fmt, ...) BR_PRINTF(2, 3);
void br_strbuf_add_bytes(br_strbuf *text, const char *data, size_t n_bytes);
/* `value` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
void br_strbuf_add_string(br_strbuf *text, const char *value);
/* Removes a last comma (and the spaces after it), as before a closing bracket. */
void br_strbuf_drop_comma(br_strbuf *text);

/* BR_E_MEMORY when an addition did not fit. */
br_status br_strbuf_check(const br_strbuf *text);

/* Hands the text over (free with br_free); empties `text`. BR_E_MEMORY when it did not fit. */
br_status br_strbuf_take(br_strbuf *text, char **out);
void      br_strbuf_free(br_strbuf *text);

#endif
