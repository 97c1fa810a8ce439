/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of JSON objects with their types and ranges, for model.json. A breach is BR_E_INPUT
 * naming file, place ("modalities[0].encoder.layers"), found and expected. */
#ifndef BR_HOST_IO_BUNDLE_OBJECT_H
#define BR_HOST_IO_BUNDLE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/config/json.h"

#define BR_PLACE_BYTES 160

typedef struct br_object {
    const char         *file;
    char                place[BR_PLACE_BYTES]; /* "" at the top */
    const br_json_node *node;
} br_object;

typedef enum { BR_NEEDED, BR_OPTIONAL } br_need;

/* The object's keys are among `names`; else the nearest of them is told. */
br_status br_object_check_names(const br_object *object, const char *const *names, int32_t n_names);

/* A member that must be an object; with BR_OPTIONAL and absent or null, out->node is NULL. */
br_status br_object_open(const br_object *parent, const char *name, br_need need, br_object *out);
/* A member that must be an array of at most max_count; NULL when optional and absent. */
br_status br_object_array(const br_object *parent, const char *name, br_need need,
                          int32_t max_count, const br_json_node **out);
/* Element i of the array `name`, which must be an object. */
br_status br_object_element(const br_object *parent, const char *name, int32_t i,
                            const br_json_node *element, br_object *out);

/* Numbers within [lo, hi]; optional and absent: `absent`. */
typedef struct br_number_rule {
    const char *name;
    br_need     need;
    double      lo;
    double      hi;
    double      absent;
} br_number_rule;
br_status br_object_int(const br_object *object, br_number_rule rule, int32_t *out);
br_status br_object_real(const br_object *object, br_number_rule rule, double *out);
br_status br_object_bool(const br_object *object, const char *name, br_need need, bool *out);

/* Text of 1 to out_bytes - 1 bytes; optional and absent (or null): out keeps what it holds. A name
 * is of letters, digits, '_', '-' and '.', and begins with a letter, a digit or '_'. */
br_status br_object_text(const br_object *object, const char *name, br_need need, char *out,
                         int32_t out_bytes);
br_status br_object_name(const br_object *object, const char *name, char *out, int32_t out_bytes);

/* One of `choices`; optional and absent: *out keeps its value. */
typedef struct br_choices {
    const char *const *name;
    int32_t            n;
} br_choices;
br_status br_object_choice(const br_object *object, const char *name, br_need need,
                           br_choices choices, int32_t *out);

#endif
