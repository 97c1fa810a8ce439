/* SPDX-License-Identifier: Apache-2.0
 *
 * Random columns and random conditions on them, with a slow evaluator that walks the tree row by
 * row: what the compiled conditions are compared with. */
#ifndef BR_TESTS_HOST_DECIDE_EXPR_WORLD_H
#define BR_TESTS_HOST_DECIDE_EXPR_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/strbuf.h"
#include "host/decide/columns.h"

#define WORLD_COLUMNS 8
#define WORLD_NODES   160
#define WORLD_LIST    4

uint64_t world_bits(uint64_t *random);
int32_t  world_below(uint64_t *random, int32_t n);

/* Columns: static.region and brand (categories), price, aggregate.orders and `prix moyen`
 * (numbers), segment (bits), code (keys of bytes), account (u64 keys); some with strides. */
typedef struct expr_world {
    int64_t    n_rows;
    br_columns columns;
    br_column  column[WORLD_COLUMNS];
    void      *data[WORLD_COLUMNS];
} expr_world;

/* Names of regions and brands come in another order, and partly others, for items. */
void world_make(expr_world *world, bool is_items, int64_t n_rows, uint64_t *random);
void world_free(expr_world *world);

typedef enum tree_kind {
    TREE_NUMBER,
    TREE_COLUMN,
    TREE_NEGATE,
    TREE_ADD,
    TREE_SUBTRACT,
    TREE_MULTIPLY,
    TREE_COMPARE, /* of numbers */
    TREE_NAMED,   /* a category or key, = or != */
    TREE_IN,      /* of a column, or of the number on the left */
    TREE_MISSING,
    TREE_HAS,
    TREE_TRUTH,
    TREE_NOT,
    TREE_AND,
    TREE_OR,
} tree_kind;

typedef struct tree_node {
    tree_kind kind;
    int32_t   left, right, column; /* -1: none */
    int32_t   sign;                /* COMPARE: = != < <= > >= */
    bool      is_not;              /* NAMED, IN, MISSING, TRUTH (false) */
    int32_t   n_list, list[WORLD_LIST];
    float     number, numbers[WORLD_LIST];
} tree_node;

typedef struct tree {
    int32_t   n_nodes;
    tree_node node[WORLD_NODES];
    int32_t   root;
} tree;

void tree_make(tree *t, const expr_world *world, int32_t depth, uint64_t *random);
/* The condition as a person might write it: case, spaces, quotes and brackets at random. */
void tree_write(const tree *t, const expr_world *world, uint64_t *random, br_strbuf *out);
bool tree_holds(const tree *t, const expr_world *world, int64_t row);

#endif
