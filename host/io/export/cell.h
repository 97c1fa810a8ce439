/* SPDX-License-Identifier: Apache-2.0
 *
 * Values as text for files that leave for other systems: keys, numbers and flags, and the quoting
 * of CSV (RFC 4180), JSON (RFC 8259) and the Redis protocol. Writes into memory; called for every
 * cell. */
#ifndef BR_HOST_IO_EXPORT_CELL_H
#define BR_HOST_IO_EXPORT_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/base/strbuf.h"
#include "host/io/keys.h"

/* A key as it is sent: its bytes, or its number in decimal. Valid while the keys are. */
typedef struct br_export_key {
    const char *text; /* not NUL-terminated */
    size_t      n_bytes;
    char        digits[24];
} br_export_key;

/* Where keys were read, for messages: "FILE: DATASET", and the number of their first row. */
typedef struct br_export_place {
    const char *name;
    int64_t     first_row;
} br_export_place;

/* BR_E_INPUT naming place and row when the key is empty, holds a NUL or is no UTF-8. */
br_status br_export_key_of(const br_keys *keys, int64_t row, br_export_place place,
                           br_export_key *out);

/* A cell; quoted when it holds the delimiter, a quote, CR or LF. */
void br_export_csv(br_strbuf *out, char delimiter, const char *text, size_t n_bytes);
/* A JSON string with quotes; `text` is UTF-8. */
void br_export_json(br_strbuf *out, const char *text, size_t n_bytes);
/* A bulk string: $n CRLF bytes CRLF. */
void br_export_bulk(br_strbuf *out, const char *text, size_t n_bytes);

void br_export_integer(br_strbuf *out, int64_t value);
/* The fewest digits (7 to 9) that read back as the same f32; `missing` when it is not finite. */
void br_export_float(br_strbuf *out, float value, const char *missing);

/* The words of /customer/flags ("short", "no_consent"), `separator` between them; a bit without a
 * word is flag_VALUE ("flag_2048"). */
void br_export_flags(br_strbuf *out, uint32_t flags, const char *separator, bool is_quoted);

#endif
