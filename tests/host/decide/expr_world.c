/* SPDX-License-Identifier: Apache-2.0
 *
 * Random columns with missing values, and random conditions; how these are written. */
#include "tests/host/decide/expr_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 6

static const char *const customer_regions[] = {"North", "South", "it's", "a \"b\"", "5", ""};
static const char *const item_regions[]     = {"5", "a \"b\"", "South", "North", "West", "it's"};
static const char *const customer_brands[]  = {"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"};
static const char *const item_brands[]      = {"b7", "b3", "b5", "b0", "b1", "b2", "b6", "b9"};
static const float       literals[]         = {0.0f, 1.0f, 2.0f, 3.0f, 0.5f, 0.1f, 7.25f, 3e38f};

uint64_t world_bits(uint64_t *random)
{
    uint64_t z = (*random += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int32_t world_below(uint64_t *random, int32_t n)
{
    return (int32_t)(world_bits(random) % (uint64_t)n);
}

static float random_number(uint64_t *random)
{
    float number = literals[world_below(random, 8)];

    return world_below(random, 4) == 0 ? NAN : world_below(random, 3) == 0 ? -number : number;
}

static uint64_t account(int32_t i)
{
    return (uint64_t)i * 1234567890123456789u;
}

static void *make_data(const br_column *c, int64_t n_rows, uint64_t *random)
{
    int64_t   n    = n_rows * (c->stride > 0 ? c->stride : 1);
    uint64_t *data = calloc((size_t)n + 1, sizeof *data); /* wide enough for every kind */

    for (int64_t i = 0; i < n; i++) {
        if (c->kind == BR_COLUMN_CATEGORY)
            ((int32_t *)data)[i] = world_below(random, c->n_names + 2) % (c->n_names + 1) - 1;
        else if (c->kind == BR_COLUMN_NUMBER)
            ((float *)data)[i] = random_number(random);
        else if (c->kind == BR_COLUMN_BITS)
            data[i] = world_bits(random);
        else if (c->key_bytes > 0)
            (void)snprintf((char *)data + i * c->key_bytes, KEY_BYTES, "k%d",
                           world_below(random, 8));
        else
            data[i] = account(world_below(random, 8));
    }
    return data;
}

void world_make(expr_world *world, bool is_items, int64_t n_rows, uint64_t *random)
{
    const br_column made[WORLD_COLUMNS] = {
        {.name    = "static.region",
         .kind    = BR_COLUMN_CATEGORY,
         .n_names = 6,
         .names_C = is_items ? item_regions : customer_regions},
        {.name    = "brand",
         .kind    = BR_COLUMN_CATEGORY,
         .n_names = 8,
         .names_C = is_items ? item_brands : customer_brands,
         .stride  = 3},
        {.name = "price", .kind = BR_COLUMN_NUMBER},
        {.name = "aggregate.orders", .kind = BR_COLUMN_NUMBER, .stride = 2},
        {.name = "prix moyen", .kind = BR_COLUMN_NUMBER, .stride = 1},
        {.name = "segment", .kind = BR_COLUMN_BITS, .stride = 2},
        {.name = "code", .kind = BR_COLUMN_KEY, .key_bytes = KEY_BYTES, .stride = 2},
        {.name = "account", .kind = BR_COLUMN_KEY}};

    world->n_rows  = n_rows;
    world->columns = (br_columns){is_items ? "item" : "customer", WORLD_COLUMNS, world->column};
    for (int32_t c = 0; c < WORLD_COLUMNS; c++) {
        world->column[c]      = made[c];
        world->data[c]        = make_data(&made[c], n_rows, random);
        world->column[c].data = world->data[c];
    }
}

void world_free(expr_world *world)
{
    for (int32_t c = 0; c < WORLD_COLUMNS; c++)
        free(world->data[c]);
}

static int32_t add(tree *t, tree_node node)
{
    t->node[t->n_nodes] = node;
    return t->n_nodes++;
}

static int32_t random_of_kind(const expr_world *world, br_column_kind kind, uint64_t *random)
{
    int32_t c;

    do
        c = world_below(random, WORLD_COLUMNS);
    while (world->column[c].kind != kind);
    return c;
}

static int32_t make_number(tree *t, const expr_world *world, int32_t depth, uint64_t *random)
{
    tree_node node = {.left = -1, .right = -1, .column = -1};
    int32_t   pick = depth <= 0 || t->n_nodes > WORLD_NODES / 2 ? world_below(random, 5)
                                                                : world_below(random, 12);

    if (pick < 2) {
        node.kind   = TREE_NUMBER;
        node.number = literals[world_below(random, 8)];
    } else if (pick < 5) {
        node.kind   = TREE_COLUMN;
        node.column = random_of_kind(world, BR_COLUMN_NUMBER, random);
    } else if (pick == 5) {
        node.kind = TREE_NEGATE;
        node.left = make_number(t, world, depth - 1, random);
    } else {
        node.kind  = TREE_ADD + (tree_kind)world_below(random, 3);
        node.left  = make_number(t, world, depth - 1, random);
        node.right = make_number(t, world, depth - 1, random);
    }
    return add(t, node);
}

/* Random values of a category or key column, or numbers. */
static void make_list(tree_node *node, const expr_world *world, int32_t n, uint64_t *random)
{
    node->n_list = n;
    for (int32_t i = 0; i < n; i++) {
        int32_t n_values =
            node->column >= 0 && world->column[node->column].kind == BR_COLUMN_CATEGORY
                ? world->column[node->column].n_names
                : 8;

        node->list[i]    = world_below(random, n_values);
        node->numbers[i] = literals[node->list[i] % 8] * (world_below(random, 2) ? 1.0f : -1.0f);
    }
}

static int32_t make_leaf(tree *t, const expr_world *world, int32_t depth, uint64_t *random)
{
    tree_node      node = {.left = -1, .right = -1, .column = -1, .is_not = world_below(random, 2)};
    int32_t        pick = world_below(random, 14);
    br_column_kind named = world_below(random, 2) ? BR_COLUMN_CATEGORY : BR_COLUMN_KEY;

    if (pick < 4) {
        node.kind  = TREE_COMPARE;
        node.sign  = world_below(random, 6);
        node.left  = make_number(t, world, depth - 1, random);
        node.right = make_number(t, world, depth - 1, random);
    } else if (pick < 6) {
        node.kind   = TREE_NAMED;
        node.column = random_of_kind(world, named, random);
        make_list(&node, world, 1, random);
    } else if (pick < 9) {
        node.kind = TREE_IN;
        if (world_below(random, 2))
            node.left = make_number(t, world, depth - 1, random);
        else
            node.column = random_of_kind(world, named, random);
        make_list(&node, world, 1 + world_below(random, WORLD_LIST), random);
    } else if (pick < 11) {
        node.kind = TREE_MISSING;
        if (world_below(random, 2))
            node.left = make_number(t, world, depth - 1, random);
        else
            node.column = random_of_kind(world, BR_COLUMN_CATEGORY, random);
    } else if (pick < 13) {
        node.kind    = TREE_HAS;
        node.column  = random_of_kind(world, BR_COLUMN_BITS, random);
        node.list[0] = world_below(random, 64);
    } else {
        node.kind = TREE_TRUTH;
    }
    return add(t, node);
}

static int32_t make_truth(tree *t, const expr_world *world, int32_t depth, uint64_t *random)
{
    tree_node node = {.left = -1, .right = -1, .column = -1};

    if (depth <= 0 || t->n_nodes > WORLD_NODES / 3 || world_below(random, 6) == 0)
        return make_leaf(t, world, depth, random);
    node.kind = TREE_NOT + (tree_kind)world_below(random, 3);
    node.left = make_truth(t, world, depth - 1, random);
    if (node.kind != TREE_NOT)
        node.right = make_truth(t, world, depth - 1, random);
    return add(t, node);
}

void tree_make(tree *t, const expr_world *world, int32_t depth, uint64_t *random)
{
    t->n_nodes = 0;
    t->root    = make_truth(t, world, depth, random);
}
