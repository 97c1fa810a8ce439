/* SPDX-License-Identifier: Apache-2.0
 *
 * The lexical pre-scan of json.h. */
#ifndef BR_HOST_CONFIG_JSON_SCAN_H
#define BR_HOST_CONFIG_JSON_SCAN_H

#include "host/config/json.h"

/* Accepts RFC 8259 within the limits, less what has no use here and much room for mistakes: a byte
 * order mark, duplicate or empty keys, NUL in a string, numbers that no double holds. Else
 * limits->code with "what:line:column: ...". */
br_status br_json_scan(const br_json_limits *limits, const char *what, const char *text,
                       size_t n_bytes);

#endif
