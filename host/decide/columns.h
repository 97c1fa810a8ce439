/* SPDX-License-Identifier: Apache-2.0
 *
 * What rules may speak of: a table of named columns over rows, customers or items. Names and kinds
 * are set once, before anything is compiled; the data pointers may be set anew for each block of
 * rows. All memory is borrowed. */
#ifndef BR_HOST_DECIDE_COLUMNS_H
#define BR_HOST_DECIDE_COLUMNS_H

#include <stdint.h>

typedef enum br_column_kind {
    BR_COLUMN_CATEGORY, /* i32, 0 .. n_names-1; -1 missing */
    BR_COLUMN_NUMBER,   /* f32; NaN missing */
    BR_COLUMN_BITS,     /* u64 */
    BR_COLUMN_KEY,      /* u64, or bytes of fixed width padded with NUL; never missing */
    BR_N_COLUMN_KINDS
} br_column_kind;

typedef struct br_column {
    const char        *name;      /* "static.region"; may be written "region" where only one fits */
    const char        *denied_by; /* who forbids the column, for the message; NULL: allowed */
    br_column_kind     kind;
    int32_t            n_names;
    const char *const *names_C;   /* the categories, distinct; numbers in decimal */
    int32_t            key_bytes; /* width of a key; 0: u64 */
    int64_t            stride;    /* elements from row to row of the data; 0: 1 */
    union {
        const void     *data; /* NULL until rows are there */
        const int32_t  *category_B;
        const float    *number_B;
        const uint64_t *bits_B;
        const void     *key_B;
    };
} br_column;

typedef struct br_columns {
    const char      *whose; /* "customer", "item" */
    int32_t          n_columns;
    const br_column *column;
} br_columns;

#define BR_COLUMN_UNKNOWN   (-1)
#define BR_COLUMN_AMBIGUOUS (-2)

/* The column of that name; else the only one whose name is a word and a dot before it; else
 * BR_COLUMN_UNKNOWN or BR_COLUMN_AMBIGUOUS. */
int32_t br_columns_find(const br_columns *columns, const char *name);

/* For messages: the nearest name, in full or without the word before its dot; NULL: none is near.
 */
const char *br_columns_nearest(const br_columns *columns, const char *name);

/* "a category", "a number", "a set of bits", "a key" */
const char *br_column_kind_text(br_column_kind kind);

#endif
