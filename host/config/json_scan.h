/* SPDX-License-Identifier: Apache-2.0
 *
 * The lexical pre-scan of json.h. */
#ifndef BR_HOST_CONFIG_JSON_SCAN_H
#define BR_HOST_CONFIG_JSON_SCAN_H

#include "host/config/json.h"

/* Accepts exactly RFC 8259 within the limits; else limits->code with "what:line:column: ...". */
br_status br_json_scan(const br_json_limits *limits, const char *what, const char *text,
                       size_t n_bytes);

#endif
