/* SPDX-License-Identifier: Apache-2.0
 *
 * What a condition becomes: a tree of typed nodes (parser.h), then steps on lanes (program.c),
 * which eval.c does. A lane holds one value for each row of a block. */
#ifndef BR_HOST_DECIDE_EXPR_TREE_H
#define BR_HOST_DECIDE_EXPR_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/decide/expr/expr.h"

typedef enum br_expr_op {
    /* numbers */
    BR_OP_NUMBER, /* a literal */
    BR_OP_COLUMN,
    BR_OP_NEGATE,
    BR_OP_ADD,
    BR_OP_SUBTRACT,
    BR_OP_SUBTRACT_FROM, /* steps only: lane = other - lane */
    BR_OP_MULTIPLY,
    /* truths of numbers */
    BR_OP_EQ, /* in the order of the tokens */
    BR_OP_NE,
    BR_OP_LT,
    BR_OP_LE,
    BR_OP_GT,
    BR_OP_GE,
    BR_OP_NUMBER_MISSING,
    BR_OP_NUMBER_PRESENT,
    BR_OP_NUMBER_IN,
    BR_OP_NUMBER_NOT_IN,
    /* truths of columns */
    BR_OP_CATEGORY_EQ,
    BR_OP_CATEGORY_NE,
    BR_OP_CATEGORY_IN, /* by a table: `not in` is another table */
    BR_OP_CATEGORY_MISSING,
    BR_OP_CATEGORY_PRESENT,
    BR_OP_KEY_IN,
    BR_OP_KEY_NOT_IN,
    BR_OP_HAS,
    /* truths of truths */
    BR_OP_TRUTH, /* a literal */
    BR_OP_NOT,
    BR_OP_AND,
    BR_OP_OR,
} br_expr_op;

typedef union br_expr_value {
    float   number;
    int32_t code;
    int32_t bit;
    int32_t set; /* index into br_expr.set */
    bool    truth;
} br_expr_value;

typedef struct br_expr_node {
    br_expr_op    op;
    int32_t       left, right; /* nodes; -1: none */
    int32_t       column;      /* -1: none */
    br_expr_value value;
} br_expr_node;

/* Values of an `in`: floats; bytes [n_names + 1], by code + 1; or keys, sorted by their bytes. */
typedef struct br_expr_set {
    int64_t n;
    int32_t width_bytes; /* of one */
    void   *data;
} br_expr_set;

/* The result goes to lane `lane`. A binary step joins what is in `lane` with lane + 1. */
typedef struct br_expr_step {
    br_expr_op    op;
    int32_t       lane;
    int32_t       column;       /* the first operand; -1: what is in `lane` */
    int32_t       with_column;  /* the second; -1: lane + 1 */
    bool          has_constant; /* comparisons: the second is value.number */
    br_expr_value value;
} br_expr_step;

/* A tree of n leaves needs at most 1 + log2(n) lanes when the greedier side goes first, and
 * BR_EXPR_MAX_NODES nodes have at most 128 leaves under joins. */
#define BR_EXPR_LANES 9

struct br_expr {
    int32_t          n_columns;
    uint8_t         *used_C;
    int32_t          n_sets;
    br_expr_set      set[BR_EXPR_MAX_NODES];
    int32_t          n_steps;
    br_expr_step     step[BR_EXPR_MAX_NODES];
    br_expr_constant constant;
};

/* Writes the tree below `root` as steps of `expr`. Operands come before what joins them. */
void br_program_write(const br_expr_node *nodes, int32_t n_nodes, int32_t root, br_expr *expr);

#endif
