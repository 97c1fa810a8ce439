/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the objects that are open while a text is scanned; when an object closes, its keys
 * are sorted and compared, so a wide object costs n log n. "a" and "\u0061" are the same key. */
#ifndef BR_HOST_CONFIG_JSON_KEYS_H
#define BR_HOST_CONFIG_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

typedef struct br_json_key br_json_key;

typedef struct br_json_keys {
    br_json_key *open; /* a stack */
    int64_t      n_open;
    int64_t      n_allocated;
    char        *decoded; /* keys that were written with escapes */
    size_t       n_decoded;
} br_json_keys;

/* Puts a key on the stack: its n_bytes between the quotes at `at` of a text of text_bytes, already
 * known to be well formed. */
br_status br_json_keys_push(br_json_keys *keys, const char *text, size_t text_bytes, size_t at,
                            size_t n_bytes);
/* Takes the keys from `first` on off the stack. True when two are equal: *at is the place of the
 * second one (the first such place in the text). */
bool      br_json_keys_pop(br_json_keys *keys, int64_t first, size_t *at);
void      br_json_keys_free(br_json_keys *keys);

#endif
