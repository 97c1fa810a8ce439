/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of keys.h as data. */
#ifndef BR_HOST_CONFIG_TABLE_H
#define BR_HOST_CONFIG_TABLE_H

#include <stddef.h>

#include "host/config/config.h"

typedef enum {
    BR_KIND_PATH,
    BR_KIND_TEXT,
    BR_KIND_NAMES,
    BR_KIND_BOOL,
    BR_KIND_INT,
    BR_KIND_SIZE,
    BR_KIND_TIME,
    BR_KIND_CHOICE
} br_key_kind;

typedef struct br_key {
    br_key_kind kind;
    const char *name;
    size_t      offset; /* of the field in br_config */
    const char *def;    /* default, written as --set would */
    int64_t     lo;
    int64_t     hi;
    int         flags;
    const char *help;
    const char *choices; /* "a|b|c" */
} br_key;

extern const br_key  br_key_table[];
extern const int32_t br_n_keys;

const br_key *br_key_find(const char *name, size_t n_bytes);

/* The n-th word of "a|b|c" into out; false when there is none. */
bool br_choice_at(const char *choices, int32_t n, char out[32]);

/* Sets the field from a JSON value; false with the reason in `problem`. */
bool br_key_set(br_config *config, const br_key *key, const br_json_node *node, char *problem,
                size_t problem_bytes);
/* The same from a plain string (kinds PATH, TEXT, CHOICE, TIME, SIZE). */
bool br_key_set_string(br_config *config, const br_key *key, const char *value, char *problem,
                       size_t problem_bytes);
bool br_key_is_string(const br_key *key);

/* The field's value as JSON, appended to `text`. */
void br_key_print(const br_config *config, const br_key *key, br_strbuf *text);

#endif
