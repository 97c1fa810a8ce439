/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions that a person wrote, such as  region in ('North', 'East') and price < 20 : parsed and
 * typed once, then evaluated over blocks of rows. The language is total: every condition that
 * compiles has a value on every row. docs/RULES.md is its manual. */
#ifndef BR_HOST_DECIDE_EXPR_EXPR_H
#define BR_HOST_DECIDE_EXPR_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/columns.h"

#define BR_EXPR_MAX_BYTES 4096
#define BR_EXPR_MAX_DEPTH 64  /* brackets, `not` and signs inside each other */
#define BR_EXPR_MAX_NODES 256 /* comparisons, and what joins them */

typedef struct br_expr br_expr;

/* Compiles `text` over `columns`: their names, kinds and categories, no data. A mistake is
 * BR_E_USAGE: "<what>: column <n>: what was found, what was expected"; columns count characters
 * from 1. So are unknown and denied columns, categories that the column does not have, texts
 * compared with numbers.
 *
 * Missing values: every comparison with a missing value is false, `!=` and `not in` too; only
 * `is missing` asks for it. So  not (price < 5)  holds where the price is missing and
 * price >= 5  does not. Numbers are 32-bit floats, as in the files, and so is their arithmetic. */
br_status br_expr_compile(const char *what, const char *text, const br_columns *columns,
                          br_expr **out);
void      br_expr_free(br_expr **expr);

/* out_B[i] = 1 where the condition holds for row first + i of the columns' data, else 0. `columns`
 * is the table of compilation or one with the same kinds and categories in the same order. Pure:
 * any number of threads may evaluate one expression; allocates nothing, 50 KiB of stack.
 * Cost: one vector loop per node and block of 1,024 rows. */
void br_expr_eval(const br_expr *expr, const br_columns *columns, int64_t first, int64_t n_rows,
                  uint8_t *out_B);

/* used_C[c] = 1 for every column that the text names, folded away or not; others are left alone. */
void br_expr_columns(const br_expr *expr, uint8_t *used_C);

typedef enum br_expr_constant { BR_EXPR_VARIES, BR_EXPR_NEVER, BR_EXPR_ALWAYS } br_expr_constant;

/* BR_EXPR_NEVER, BR_EXPR_ALWAYS: the value is known without a row, such as that of 1 > 2. */
br_expr_constant br_expr_constant_of(const br_expr *expr);

/* True when both do the same steps on the same columns; false may be said of equals. */
bool br_expr_same(const br_expr *a, const br_expr *b);

#endif
