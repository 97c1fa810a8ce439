/* SPDX-License-Identifier: Apache-2.0
 *
 * Random trees as text, and their slow evaluation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/decide/expr_world.h"

typedef struct writer {
    const tree       *t;
    const expr_world *world;
    uint64_t         *random;
    br_strbuf        *out;
} writer;

static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};

/* A word in any case of letters, with any space around. */
static void word(const writer *w, const char *text)
{
    static const char *const spaces[] = {" ", "  ", "\t", " \n "};
    char                     shown[16];
    size_t                   n = strlen(text);

    for (size_t i = 0; i <= n; i++)
        shown[i] = text[i] >= 'a' && text[i] <= 'z' && world_below(w->random, 4) == 0
                       ? (char)(text[i] - 32)
                       : text[i];
    br_strbuf_add(w->out, "%s%s%s", spaces[world_below(w->random, 4)], shown,
                  spaces[world_below(w->random, 4)]);
}

static void sign(const writer *w, const char *text)
{
    br_strbuf_add(w->out, world_below(w->random, 2) ? " %s " : "%s", text);
}

static void column(const writer *w, int32_t c)
{
    const char *name = w->world->column[c].name, *dot = strchr(name, '.');

    if (dot != NULL && world_below(w->random, 2))
        name = dot + 1;
    br_strbuf_add(w->out, strchr(name, ' ') || world_below(w->random, 6) == 0 ? "`%s`" : "%s",
                  name);
}

static void quoted(const writer *w, const char *text)
{
    char quote[2] = {world_below(w->random, 2) ? '\'' : '"', '\0'};

    if (strcmp(text, "5") == 0 && world_below(w->random, 2)) {
        br_strbuf_add(w->out, "5");
        return;
    }
    br_strbuf_add(w->out, "%s", quote);
    for (; *text != '\0'; text++)
        br_strbuf_add(w->out, "%c%s", *text, *text == *quote ? quote : "");
    br_strbuf_add(w->out, "%s", quote);
}

static void key_text(const br_column *c, int32_t value, char text[32])
{
    if (c->key_bytes > 0)
        (void)snprintf(text, 32, "k%d", value);
    else
        (void)snprintf(text, 32, "%llu",
                       (unsigned long long)((uint64_t)value * 1234567890123456789u));
}

static void value(const writer *w, const tree_node *node, int32_t i)
{
    const br_column *c = node->column >= 0 ? &w->world->column[node->column] : NULL;
    char             text[32];

    if (c == NULL) {
        br_strbuf_add(w->out, "%.9g", (double)node->numbers[i]);
    } else if (c->kind == BR_COLUMN_CATEGORY) {
        quoted(w, c->names_C[node->list[i]]);
    } else {
        key_text(c, node->list[i], text);
        if (c->key_bytes == 0 && world_below(w->random, 2))
            br_strbuf_add(w->out, "%s", text);
        else
            quoted(w, text);
    }
}

/* How tightly a kind binds; an operand that binds less stands in brackets. */
static int32_t level(const tree_node *node)
{
    switch (node->kind) {
    case TREE_OR:
        return 1;
    case TREE_AND:
        return 2;
    case TREE_NOT:
        return 3;
    case TREE_COMPARE:
    case TREE_NAMED:
    case TREE_IN:
    case TREE_MISSING:
        return 4;
    case TREE_ADD:
    case TREE_SUBTRACT:
        return 5;
    case TREE_MULTIPLY:
        return 6;
    case TREE_NEGATE:
        return 7;
    default:
        return 8;
    }
}

static void write_node(const writer *w, int32_t index, int32_t least);

static void write_list(const writer *w, const tree_node *node)
{
    word(w, node->is_not ? "not" : "in");
    if (node->is_not)
        word(w, "in");
    br_strbuf_add(w->out, "(");
    for (int32_t i = 0; i < node->n_list; i++) {
        if (i > 0)
            sign(w, ",");
        value(w, node, i);
    }
    br_strbuf_add(w->out, ")");
}

static void write_leaf(const writer *w, const tree_node *node)
{
    if (node->column >= 0 && node->kind != TREE_HAS)
        column(w, node->column);
    else if (node->left >= 0)
        write_node(w, node->left, 5);
    switch (node->kind) {
    case TREE_NUMBER:
        br_strbuf_add(w->out, "%.9g", (double)node->number);
        break;
    case TREE_COMPARE:
        sign(w, signs[node->sign]);
        write_node(w, node->right, 5);
        break;
    case TREE_NAMED:
        sign(w, node->is_not ? "!=" : "=");
        value(w, node, 0);
        break;
    case TREE_IN:
        write_list(w, node);
        break;
    case TREE_MISSING:
        word(w, "is");
        if (node->is_not)
            word(w, "not");
        word(w, "missing");
        break;
    case TREE_HAS:
        word(w, "has");
        br_strbuf_add(w->out, "(");
        column(w, node->column);
        br_strbuf_add(w->out, ", %d)", node->list[0]);
        break;
    case TREE_TRUTH:
        word(w, node->is_not ? "false" : "true");
        break;
    default:
        break;
    }
}

static void write_node(const writer *w, int32_t index, int32_t least)
{
    const tree_node *node        = &w->t->node[index];
    int32_t          own         = level(node);
    bool             in_brackets = own < least || world_below(w->random, 8) == 0;

    if (in_brackets)
        br_strbuf_add(w->out, "(");
    if (node->kind == TREE_AND || node->kind == TREE_OR) {
        write_node(w, node->left, own);
        word(w, node->kind == TREE_AND ? "and" : "or");
        write_node(w, node->right, own + 1);
    } else if (node->kind >= TREE_ADD && node->kind <= TREE_MULTIPLY) {
        write_node(w, node->left, own);
        sign(w, node->kind == TREE_ADD ? "+" : node->kind == TREE_SUBTRACT ? "-" : "*");
        write_node(w, node->right, own + 1);
    } else if (node->kind == TREE_NOT || node->kind == TREE_NEGATE) {
        if (node->kind == TREE_NOT)
            word(w, "not");
        else
            sign(w, "-");
        write_node(w, node->left, own);
    } else {
        write_leaf(w, node);
    }
    if (in_brackets)
        br_strbuf_add(w->out, ")");
}

void tree_write(const tree *t, const expr_world *world, uint64_t *random, br_strbuf *out)
{
    writer w = {t, world, random, out};

    write_node(&w, t->root, 0);
}

static int64_t at_row(const br_column *c, int64_t row)
{
    return row * (c->stride > 0 ? c->stride : 1);
}

static float number_of(const tree *t, const expr_world *world, int32_t index, int64_t row)
{
    const tree_node *node  = &t->node[index];
    const br_column *c     = node->column >= 0 ? &world->column[node->column] : NULL;
    float            left  = node->left >= 0 ? number_of(t, world, node->left, row) : 0.0f;
    float            right = node->right >= 0 ? number_of(t, world, node->right, row) : 0.0f;

    switch (node->kind) {
    case TREE_NUMBER:
        return node->number;
    case TREE_COLUMN:
        return c->number_B[at_row(c, row)];
    case TREE_NEGATE:
        return -left;
    case TREE_ADD:
        return left + right;
    case TREE_SUBTRACT:
        return left - right;
    default:
        return left * right;
    }
}

static bool compare(int32_t sign_of, float a, float b)
{
    if (isnan(a) || isnan(b))
        return false;
    return sign_of == 0   ? a == b
           : sign_of == 1 ? a != b
           : sign_of == 2 ? a < b
           : sign_of == 3 ? a <= b
           : sign_of == 4 ? a > b
                          : a >= b;
}

/* Whether the row's category, key or number is value i of the node's list; -1: missing. */
static int is_value(const tree *t, const expr_world *world, const tree_node *node, int32_t i,
                    int64_t row)
{
    const br_column *c = node->column >= 0 ? &world->column[node->column] : NULL;
    char             text[32];
    float            number;

    if (c == NULL) {
        number = number_of(t, world, node->left, row);
        return isnan(number) ? -1 : number == node->numbers[i];
    }
    if (c->kind == BR_COLUMN_CATEGORY)
        return c->category_B[at_row(c, row)] < 0 ? -1
                                                 : c->category_B[at_row(c, row)] == node->list[i];
    key_text(c, node->list[i], text);
    if (c->key_bytes > 0)
        return strcmp((const char *)c->key_B + at_row(c, row) * c->key_bytes, text) == 0;
    return ((const uint64_t *)c->key_B)[at_row(c, row)] == strtoull(text, NULL, 10);
}

static bool is_listed(const tree *t, const expr_world *world, const tree_node *node, int64_t row)
{
    bool is_any = false;

    for (int32_t i = 0; i < node->n_list; i++) {
        int is = is_value(t, world, node, i, row);

        if (is < 0)
            return false;
        is_any |= is == 1;
    }
    return is_any != node->is_not;
}

static bool holds(const tree *t, const expr_world *world, int32_t index, int64_t row)
{
    const tree_node *node = &t->node[index];
    const br_column *c    = node->column >= 0 ? &world->column[node->column] : NULL;
    bool             is_missing;

    switch (node->kind) {
    case TREE_COMPARE:
        return compare(node->sign, number_of(t, world, node->left, row),
                       number_of(t, world, node->right, row));
    case TREE_NAMED:
    case TREE_IN:
        return is_listed(t, world, node, row);
    case TREE_MISSING:
        is_missing = c != NULL ? c->category_B[at_row(c, row)] < 0
                               : isnan(number_of(t, world, node->left, row));
        return is_missing != node->is_not;
    case TREE_HAS:
        return (c->bits_B[at_row(c, row)] & ((uint64_t)1 << node->list[0])) != 0;
    case TREE_TRUTH:
        return !node->is_not;
    case TREE_NOT:
        return !holds(t, world, node->left, row);
    case TREE_AND:
        return holds(t, world, node->left, row) && holds(t, world, node->right, row);
    default:
        return holds(t, world, node->left, row) || holds(t, world, node->right, row);
    }
}

bool tree_holds(const tree *t, const expr_world *world, int64_t row)
{
    return holds(t, world, t->root, row);
}
