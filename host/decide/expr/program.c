/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree as steps in order. Of two operands the one that needs more lanes goes first, so that
 * BR_EXPR_LANES are enough for every tree; a plain column goes last, for it is read in place. */
#include <assert.h>

#include "host/decide/expr/tree.h"

typedef struct br_program_writer {
    const br_expr_node *node;
    br_expr            *expr;
    int32_t             need[BR_EXPR_MAX_NODES]; /* lanes */
} br_program_writer;

static bool is_column(const br_program_writer *w, int32_t node)
{
    return w->node[node].op == BR_OP_COLUMN;
}

static bool has_constant(const br_program_writer *w, const br_expr_node *node)
{
    return node->op >= BR_OP_EQ && node->op <= BR_OP_GE && w->node[node->right].op == BR_OP_NUMBER;
}

static void count_lanes(br_program_writer *w, int32_t n_nodes)
{
    for (int32_t i = 0; i < n_nodes; i++) {
        const br_expr_node *node  = &w->node[i];
        int32_t             left  = node->left >= 0 ? w->need[node->left] : 1;
        int32_t             right = node->right >= 0 ? w->need[node->right] : 0;

        if (has_constant(w, node))
            right = 0;
        w->need[i] = left == right ? left + 1 : left > right ? left : right;
    }
}

static br_expr_op turned(br_expr_op op)
{
    switch (op) {
    case BR_OP_SUBTRACT:
        return BR_OP_SUBTRACT_FROM;
    case BR_OP_LT:
        return BR_OP_GT;
    case BR_OP_LE:
        return BR_OP_GE;
    case BR_OP_GT:
        return BR_OP_LT;
    case BR_OP_GE:
        return BR_OP_LE;
    default:
        return op;
    }
}

static void write_step(br_program_writer *w, br_expr_step step)
{
    assert(step.lane < BR_EXPR_LANES && w->expr->n_steps < BR_EXPR_MAX_NODES);
    w->expr->step[w->expr->n_steps++] = step;
}

static bool is_truth_of_numbers(br_expr_op op)
{
    return op >= BR_OP_EQ && op <= BR_OP_NUMBER_NOT_IN;
}

/* Writes `node` so that its value ends in `lane`; lanes above are free. */
static void write_node(br_program_writer *w, int32_t index, int32_t lane)
{
    const br_expr_node *node = &w->node[index];
    br_expr_step step  = {node->op, lane, node->column, -1, has_constant(w, node), node->value};
    int32_t      first = node->left, second = step.has_constant ? -1 : node->right;

    if (second >= 0 &&
        (w->need[second] > w->need[first] || (is_column(w, first) && !is_column(w, second)))) {
        first   = node->right;
        second  = node->left;
        step.op = turned(node->op);
    }
    if (step.has_constant)
        step.value = w->node[node->right].value;
    if (first >= 0 && is_column(w, first) && is_truth_of_numbers(node->op))
        step.column = w->node[first].column;
    else if (first >= 0)
        write_node(w, first, lane);
    if (second >= 0 && is_column(w, second))
        step.with_column = w->node[second].column;
    else if (second >= 0)
        write_node(w, second, lane + 1);
    write_step(w, step);
}

void br_program_write(const br_expr_node *nodes, int32_t n_nodes, int32_t root, br_expr *expr)
{
    br_program_writer w = {.node = nodes, .expr = expr};

    count_lanes(&w, n_nodes);
    write_node(&w, root, 0);
}
