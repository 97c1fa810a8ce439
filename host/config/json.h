/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict JSON. A lexical pre-scan of our own refuses what cJSON would let pass (duplicate keys,
 * trailing text, 007, 1e999, NUL, bad UTF-8, depth, size), with line and column; only then cJSON
 * builds the tree. Strict RFC 8259: no comments, no BOM. */
#ifndef BR_HOST_CONFIG_JSON_H
#define BR_HOST_CONFIG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

#define BR_JSON_MAX_DEPTH 32

typedef struct br_json      br_json;      /* a document */
typedef struct br_json_node br_json_node; /* a value in it; lives as long as the document */

typedef struct br_json_limits {
    br_status code; /* of a breach: BR_E_USAGE for what a person wrote, BR_E_INPUT for data */
    size_t    max_bytes;
    int64_t   max_nodes;
} br_json_limits;

/* A configuration: 1 MiB, 10,000 nodes, BR_E_USAGE. */
extern const br_json_limits br_json_config_limits;

/* `what` names the text in messages ("job.json"). BR_E_IO when a file cannot be read. */
br_status br_json_read_text(const br_json_limits *limits, const char *what, const char *text,
                            size_t n_bytes, br_json **out);
br_status br_json_read_file(const br_json_limits *limits, const char *path, br_json **out);
void      br_json_close(br_json **json);

typedef enum {
    BR_JSON_NULL,
    BR_JSON_BOOL,
    BR_JSON_NUMBER,
    BR_JSON_STRING,
    BR_JSON_ARRAY,
    BR_JSON_OBJECT
} br_json_type;

const br_json_node *br_json_root(const br_json *json);
br_json_type        br_json_type_of(const br_json_node *node);
const char         *br_json_type_name(const br_json_node *node); /* "a string" */
/* Members and elements, in order; name is "" in arrays. NULL at the end. */
const br_json_node *br_json_first(const br_json_node *node);
const br_json_node *br_json_next(const br_json_node *node);
const char         *br_json_name(const br_json_node *node);
const br_json_node *br_json_member(const br_json_node *object, const char *name); /* or NULL */
int32_t             br_json_count(const br_json_node *node);

const char *br_json_string(const br_json_node *node); /* NULL unless a string */
double      br_json_number(const br_json_node *node); /* NaN unless a number */
bool        br_json_bool(const br_json_node *node);
/* True when the node is a whole number of at most 2^53 in size. */
bool        br_json_integer(const br_json_node *node, int64_t *out);

#endif
