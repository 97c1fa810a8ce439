/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of keys.h as data. A configuration is one record, the objects in its arrays are others;
 * the same functions read, print and free both. */
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
    BR_KIND_NUMBER,
    BR_KIND_NUMBERS,
    BR_KIND_SIZE,
    BR_KIND_TIME,
    BR_KIND_CHOICE,
    BR_KIND_OBJECTS
} br_key_kind;

typedef struct br_record br_record;

typedef struct br_key {
    br_key_kind      kind;
    const char      *name;
    size_t           offset; /* of the field in its struct */
    const char      *def;    /* default, written as --set would */
    double           lo;
    double           hi;
    int              flags;
    const char      *help;
    const char      *choices; /* of a CHOICE: "a|b|c" */
    const br_record *record;  /* of OBJECTS */
} br_key;

struct br_record {
    const br_key *key;
    int32_t       n_keys;
    size_t        bytes; /* of the struct */
};

#define BR_RECORD_MAX_KEYS 256

#define BR_MORE_PATH(more)       .choices = (more)
#define BR_MORE_TEXT(more)       .choices = (more)
#define BR_MORE_NAMES(more)      .choices = (more)
#define BR_MORE_BOOL(more)       .choices = (more)
#define BR_MORE_INT(more)        .choices = (more)
#define BR_MORE_NUMBER(more)     .choices = (more)
#define BR_MORE_NUMBERS(more)    .choices = (more)
#define BR_MORE_SIZE(more)       .choices = (more)
#define BR_MORE_TIME(more)       .choices = (more)
#define BR_MORE_CHOICE(more)     .choices = (more)
#define BR_MORE_OBJECTS(record_) .record = &br_record_##record_

/* One row as data; BR_BASE is the struct that holds the field. */
#define BR_ROW(kind_, name_, field_, def_, lo_, hi_, flags_, help_, more_)                         \
    {.kind   = BR_KIND_##kind_,                                                                    \
     .name   = (name_),                                                                            \
     .offset = offsetof(BR_BASE, field_),                                                          \
     .def    = (def_),                                                                             \
     .lo     = (lo_),                                                                              \
     .hi     = (hi_),                                                                              \
     .flags  = (flags_),                                                                           \
     .help   = (help_),                                                                            \
     BR_MORE_##kind_(more_)},

/* The table of a record, between #define BR_BASE and #undef BR_BASE. */
#define BR_RECORD_TABLE(record_, KEYS)                                                             \
    static const br_key record_##_keys[] = {KEYS(BR_ROW)};                                         \
    _Static_assert(sizeof record_##_keys / sizeof *record_##_keys <= BR_RECORD_MAX_KEYS,           \
                   #record_ ": too many keys");                                                    \
    const br_record br_record_##record_ = {                                                        \
        record_##_keys, (int32_t)(sizeof record_##_keys / sizeof *record_##_keys),                 \
        sizeof(BR_BASE)}

#define BR_RECORD_DECLARE(record_, KEYS) extern const br_record br_record_##record_;
BR_CONFIG_RECORDS(BR_RECORD_DECLARE)
extern const br_record br_record_config; /* keys.h; named "section.key" */

/* Where a value goes, and how messages call it. */
typedef struct br_target {
    br_config    *config; /* takes the problems */
    const br_key *key;
    void         *field;
    const char   *path; /* "list.k", "objective.terms[2].weight" */
} br_target;

/* Setters return a failure only when memory is out; what is wrong with a value is a problem. */
void br_config_problem(br_config *config, const char *path, const char *fmt, ...) BR_PRINTF(3, 4);

const br_key *br_record_find(const br_record *record, const char *name);
br_status     br_record_set_defaults(br_config *config, const br_record *record, void *base);
/* Sets the members of `object`: the key of member m is (prefix + "." + m) + skip. */
br_status     br_record_set_members(br_config *config, const br_record *record, void *base,
                                    const char *prefix, size_t skip, const br_json_node *object);
void          br_record_unknown_key(br_config *config, const br_record *record, const char *path,
                                    size_t skip);
void          br_record_clear(const br_record *record, void *base);

/* The n-th word of "a|b|c" into out; false when there is none. */
bool br_choice_at(const char *choices, int32_t n, char out[32]);

/* The keys of one section stand together: how many from key `at` of br_record_config on. */
int32_t     br_config_section(int32_t at);
const char *br_key_short(const br_key *key); /* without its section */

void     *br_key_field(const br_key *key, const void *base);
br_status br_key_set(const br_target *target, const br_json_node *node);
/* The same from a default or the command line: strings without quotes, all else JSON. */
br_status br_key_set_text(const br_target *target, const char *value);
br_status br_key_set_list(const br_target *target, const br_json_node *node); /* lists.c */
bool      br_key_is_string(const br_key *key);
bool      br_key_is_list(const br_key *key);
bool      br_key_is_default(const br_key *key, const void *base);
void      br_key_clear(const br_key *key, void *field);

/* The place of an OBJECTS field's records, whatever their type. */
void *br_key_objects(const void *field, int32_t *n);

/* The shortest digits that are read as the same number; returns `out`. */
const char *br_number_text(double value, char out[32]);
/* The field's value as JSON, appended to `text`. */
void        br_key_print(const br_key *key, const void *field, br_strbuf *text);

#endif
