/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of customers, items, categories: either u64 numbers or fixed-width bytes (NUL-padded). Rows
 * of two files are joined by key, never by number. */
#ifndef BR_HOST_IO_KEYS_H
#define BR_HOST_IO_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

typedef struct br_keys {
    bool     is_number;   /* u64 when true, bytes otherwise */
    int32_t  width_bytes; /* of one key; 8 for numbers */
    int64_t  n_keys;
    uint8_t *data; /* [n_keys][width_bytes] */
} br_keys;

#define BR_KEY_TEXT_BYTES 96

void        br_keys_free(br_keys *keys);
/* The key as printable text (bytes outside ASCII as \xNN, cut with "..."). Returns `text`. */
const char *br_keys_text(const br_keys *keys, int64_t row, char text[BR_KEY_TEXT_BYTES]);
/* The key's own bytes without padding, numbers as decimal digits in `digits`: what hashes of keys
 * are made from. Not NUL-terminated. */
const char *br_keys_bytes(const br_keys *keys, int64_t row, char digits[BR_KEY_TEXT_BYTES],
                          size_t *n_bytes);
bool        br_keys_is_empty(const br_keys *keys, int64_t row); /* all-NUL bytes */

/* Looks keys up in a table: row_of[i] = row of `table` holding wanted key i, or -1.
 * BR_E_INPUT when one side has numbers and the other bytes, or when `table` holds a key twice
 * (empty keys are skipped and never match). `table_name` and `wanted_name` are for the message. */
br_status br_keys_join(const br_keys *table, const char *table_name, const br_keys *wanted,
                       const char *wanted_name, int64_t *row_of);

/* BR_E_INPUT when a key occurs twice or is empty. `name` is "file: dataset"; rows in messages count
 * from first_row. */
br_status br_keys_check_unique(const br_keys *keys, const char *name, int64_t first_row);

/* A key that is a number: decimal digits alone, below 2^64; else false. */
bool      br_keys_parse_number(const char *text, uint64_t *number);
/* Where the key that a person wrote (numbers in decimal) stands; -1: nowhere. BR_E_USAGE where the
 * keys are numbers and the text is none. */
br_status br_keys_find_text(const br_keys *keys, const char *text, int64_t *row);
/* Puts the key nearest to `text` into `best`, as printable text, where it is nearer than what
 * stands there ("": nothing yet, and where none is near). */
br_status br_keys_nearest(const br_keys *keys, const char *text, char best[BR_KEY_TEXT_BYTES]);

bool br_keys_is_utf8(const void *bytes, size_t n_bytes);

#endif
