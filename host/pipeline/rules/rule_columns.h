/* SPDX-License-Identifier: Apache-2.0
 *
 * The columns that rules may speak of, made from a file's columns. */
#ifndef BR_HOST_PIPELINE_RULES_RULE_COLUMNS_H
#define BR_HOST_PIPELINE_RULES_RULE_COLUMNS_H

#include "host/base/status.h"
#include "host/decide/columns.h"
#include "host/io/keys.h"
#include "host/pipeline/setup/governance.h"

#define BR_RULE_COLUMN_BYTES 80

typedef struct br_rule_columns {
    br_columns columns; /* what expressions take */
    br_column *column_C;
    char (*name_C)[BR_RULE_COLUMN_BYTES];
    char        **text_C;  /* the categories' texts, one block a column */
    const char ***names_C; /* into text_C */
    uint8_t      *used_C;  /* named by a rule */
    int32_t       capacity;
} br_rule_columns;

br_status br_rule_columns_open(const char *whose, int32_t capacity, br_rule_columns *out);
void      br_rule_columns_close(br_rule_columns *columns);

/* Appends "<prefix><name>"; returns its place. At most `capacity`. */
int32_t   br_rule_columns_add(br_rule_columns *columns, const char *prefix, const char *name,
                              br_column_kind kind);
/* The denied columns of a file, after its others: they have a name, so that a rule that uses one is
 * told, and nothing else. */
void      br_rule_columns_add_denied(br_rule_columns *columns, const br_governance *governance,
                                     br_input input);
/* The names of a category column; `keys` NULL: 0, 1, ..., n-1 in decimal. */
br_status br_rule_columns_name(br_rule_columns *columns, int32_t c, const br_keys *keys, int32_t n);

#endif
