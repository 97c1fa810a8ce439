/* SPDX-License-Identifier: Apache-2.0
 *
 * A job's configuration: one JSON file, then --set key=value, checked as a whole. Problems are
 * collected and reported together by br_config_check. */
#ifndef BR_HOST_CONFIG_CONFIG_H
#define BR_HOST_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"
#include "host/base/strbuf.h"
#include "host/config/json.h"
#include "host/config/keys.h"

#define BR_CONFIG_MAX_NAMES   64
#define BR_CONFIG_MAX_NUMBERS 64

typedef struct br_config_list {
    int32_t n;
    char   *item[BR_CONFIG_MAX_NAMES];
} br_config_list;

typedef struct br_config_numbers {
    int32_t n;
    double  item[BR_CONFIG_MAX_NUMBERS];
} br_config_numbers;

/* In the order of BR_CHOICES_FALLBACK; run_backend holds a br_backend, run_precision a
 * br_precision, log_level a br_log_level. */
enum { BR_FALLBACK_NONE, BR_FALLBACK_POPULARITY };

/* The field of a row, by its kind. */
#define BR_FIELD_PATH(more)      char *
#define BR_FIELD_TEXT(more)      char *
#define BR_FIELD_NAMES(more)     br_config_list
#define BR_FIELD_BOOL(more)      bool
#define BR_FIELD_INT(more)       int64_t
#define BR_FIELD_NUMBER(more)    double
#define BR_FIELD_NUMBERS(more)   br_config_numbers
#define BR_FIELD_SIZE(more)      int64_t
#define BR_FIELD_TIME(more)      int64_t /* seconds since 1970; INT64_MAX: not set */
#define BR_FIELD_CHOICE(more)    int32_t /* place in the choices */
#define BR_FIELD_OBJECTS(record) br_config_##record##_list

#define BR_FIELD(kind, name, field, def, lo, hi, flags, help, more) BR_FIELD_##kind(more) field;

/* The types of a record: its rows as a struct, and an array of them. */
#define BR_RECORD_TYPES(record, KEYS)                                                              \
    typedef struct br_config_##record {                                                            \
        KEYS(BR_FIELD)                                                                             \
    } br_config_##record;                                                                          \
    typedef struct br_config_##record##_list {                                                     \
        int32_t             n;                                                                     \
        br_config_##record *item;                                                                  \
    } br_config_##record##_list;
BR_CONFIG_RECORDS(BR_RECORD_TYPES)

typedef struct br_config {
    BR_CONFIG_KEYS(BR_FIELD)
    const float *price_N; /* no key: what an allocation takes off the scores of catalogue rows when
                             it asks for candidates; borrowed; NULL: nothing */
    bool         is_step; /* no key: of a run under constraints; `latest` does not move to it */
    const char  *vectors_from; /* no key: a run of the same customers whose parts hold x_u, so that
                                  nothing is encoded again; borrowed; NULL: none */
    char        *folder;       /* absolute folder of the file: relative paths start here */
    br_strbuf    problems;
} br_config;

/* Reads a file: JSON breaches fail at once (BR_E_USAGE with line and column), problems with keys
 * and values are kept for br_config_check. */
br_status br_config_read(const char *path, br_config **out);
/* A configuration from text, relative paths taken from `folder`. */
br_status br_config_parse(const char *what, const char *text, const char *folder, br_config **out);
/* "section.key=value"; strings without quotes, arrays as JSON. */
br_status br_config_set(br_config *config, const char *assignment);
/* BR_E_USAGE with every problem found, one per line. */
br_status br_config_check(br_config *config);
void      br_config_close(br_config **config);

/* Does any constraint hold over all customers together? */
bool br_config_is_constrained(const br_config *config);

/* What is set that needs the whole catalogue on every rank; NULL: nothing, so that ranks may hold
 * it together (run.catalogue_shards). */
const char *br_config_unsharded(const br_config *config);

bool br_config_has(const br_config_list *list, const char *name);

/* The resolved configuration as JSON (absolute paths); reading it gives the same again. */
br_status br_config_dump(const br_config *config, char **out);
/* The same as a run keeps it, beside its parts: without LOCAL keys, output.path "." (a
 * configuration is read from its own folder). Equal for equal runs, wherever they lie. */
br_status br_config_dump_for_run(const br_config *config, char **out);
/* The keys that shape the result, as one JSON object. */
br_status br_config_dump_shaping(const br_config *config, char **out);
/* JSON Schema (draft 2020-12) of a configuration file. */
br_status br_config_schema(char **out);
void      br_config_print_help(FILE *out);

#endif
