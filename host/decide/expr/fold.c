/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be known without a row is worked out when the tree is built, by the arithmetic of
 * eval.c. */
#include <math.h>

#include "host/decide/expr/parser.h"

static bool is_number(const br_expr_parser *p, int32_t node)
{
    return node >= 0 && p->node[node].op == BR_OP_NUMBER;
}

static bool is_truth(const br_expr_parser *p, int32_t node)
{
    return node >= 0 && p->node[node].op == BR_OP_TRUTH;
}

static bool compare(br_expr_op op, float a, float b)
{
    switch (op) {
    case BR_OP_EQ:
        return a == b;
    case BR_OP_NE:
        return a < b || a > b;
    case BR_OP_LT:
        return a < b;
    case BR_OP_LE:
        return a <= b;
    case BR_OP_GT:
        return a > b;
    default:
        return a >= b;
    }
}

static float calculate(br_expr_op op, float a, float b)
{
    return op == BR_OP_ADD        ? a + b
           : op == BR_OP_SUBTRACT ? a - b
           : op == BR_OP_MULTIPLY ? a * b
                                  : -a;
}

static bool is_in(const br_expr_set *set, float number)
{
    const float *value = set->data;

    for (int64_t i = 0; i < set->n; i++)
        if (value[i] == number)
            return true;
    return false;
}

static void set_truth(br_expr_node *node, bool truth)
{
    *node = (br_expr_node){
        .op = BR_OP_TRUTH, .left = -1, .right = -1, .column = -1, .value.truth = truth};
}

/* An operation on literals becomes its value. */
static void fold_literals(const br_expr_parser *p, br_expr_node *node)
{
    float a = p->node[node->left].value.number;
    float b = node->right >= 0 ? p->node[node->right].value.number : 0.0f;

    switch (node->op) {
    case BR_OP_NEGATE:
    case BR_OP_ADD:
    case BR_OP_SUBTRACT:
    case BR_OP_MULTIPLY:
        *node = (br_expr_node){.op           = BR_OP_NUMBER,
                               .left         = -1,
                               .right        = -1,
                               .column       = -1,
                               .value.number = calculate(node->op, a, b)};
        break;
    case BR_OP_NUMBER_MISSING:
    case BR_OP_NUMBER_PRESENT:
        set_truth(node, (node->op == BR_OP_NUMBER_MISSING) == (bool)isnan(a));
        break;
    case BR_OP_NUMBER_IN:
        set_truth(node, is_in(&p->expr->set[node->value.set], a));
        break;
    case BR_OP_NUMBER_NOT_IN:
        set_truth(node, !isnan(a) && !is_in(&p->expr->set[node->value.set], a));
        break;
    default:
        set_truth(node, compare(node->op, a, b));
    }
}

/* The literal goes to the right: 5 > price is price < 5. */
static void turn(const br_expr_parser *p, br_expr_node *node)
{
    static const br_expr_op turned[] = {BR_OP_EQ, BR_OP_NE, BR_OP_GT, BR_OP_GE, BR_OP_LT, BR_OP_LE};
    int32_t                 left     = node->left;

    if (node->op < BR_OP_EQ || node->op > BR_OP_GE || !is_number(p, left))
        return;
    node->op    = turned[node->op - BR_OP_EQ];
    node->left  = node->right;
    node->right = left;
}

static bool is_empty_table(const br_expr_set *set)
{
    const uint8_t *table = set->data;

    for (int64_t i = 0; i < set->n; i++)
        if (table[i] != 0)
            return false;
    return true;
}

/* true and x is x, false and x is false; the other way round for `or`. */
static int32_t fold_join(const br_expr_parser *p, const br_expr_node *node)
{
    for (int side = 0; side < 2; side++) {
        int32_t known = side == 0 ? node->left : node->right;
        int32_t other = side == 0 ? node->right : node->left;

        if (is_truth(p, known))
            return p->node[known].value.truth == (node->op == BR_OP_AND) ? other : known;
    }
    return -1;
}

br_status br_fold(br_expr_parser *p, br_expr_node node, int32_t *out)
{
    const br_expr_node *left = node.left >= 0 ? &p->node[node.left] : NULL;

    if (node.op == BR_OP_AND || node.op == BR_OP_OR) {
        *out = fold_join(p, &node);
        if (*out >= 0)
            return BR_OK;
    } else if (node.op == BR_OP_NOT && left->op == BR_OP_NOT) {
        *out = left->left;
        return BR_OK;
    } else if (node.op == BR_OP_NOT && left->op == BR_OP_TRUTH) {
        set_truth(&node, !left->value.truth);
    } else if (node.op == BR_OP_CATEGORY_IN && is_empty_table(&p->expr->set[node.value.set])) {
        set_truth(&node, false);
    } else if (is_number(p, node.left) && (node.right < 0 || is_number(p, node.right))) {
        fold_literals(p, &node);
    } else {
        turn(p, &node);
    }
    if (p->n_nodes == BR_EXPR_MAX_NODES)
        return br_token_fail(&p->source, p->token.at,
                             "more than %d parts: split the condition over several rules",
                             BR_EXPR_MAX_NODES);
    *out          = p->n_nodes++;
    p->node[*out] = node;
    return BR_OK;
}
