/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation: one plain loop over a block of rows for each step. Called for every customer and rule
 * of a run, so the loops are ones that compilers vectorise. */
#include <string.h>

#include "host/decide/expr/tree.h"

#define BLOCK 1024

typedef struct br_lanes {
    int64_t first, n; /* rows of the block */
    float   number[BR_EXPR_LANES][BLOCK];
    uint8_t truth[BR_EXPR_LANES][BLOCK];
    int32_t code[BLOCK];
} br_lanes;

#define EACH_ROW for (int64_t i = 0; i < n; i++)

static int64_t stride_of(const br_column *column)
{
    return column->stride > 0 ? column->stride : 1;
}

/* The numbers of a column where they are, or gathered into `lane`; of no column: what is there. */
static const float *numbers(br_lanes *l, const br_columns *columns, int32_t column, int32_t lane)
{
    const br_column *c;
    const float     *from;
    int64_t          n = l->n, stride;

    if (column < 0)
        return l->number[lane];
    c      = &columns->column[column];
    stride = stride_of(c);
    from   = c->number_B + l->first * stride;
    if (stride == 1)
        return from;
    EACH_ROW l->number[lane][i] = from[i * stride];
    return l->number[lane];
}

static const int32_t *codes(br_lanes *l, const br_column *c)
{
    int64_t        n = l->n, stride = stride_of(c);
    const int32_t *from = c->category_B + l->first * stride;

    if (stride == 1)
        return from;
    EACH_ROW l->code[i] = from[i * stride];
    return l->code;
}

static void compare(br_expr_op op, const float *a, const float *b, int64_t n, uint8_t *restrict out)
{
    switch (op) {
    case BR_OP_EQ:
        EACH_ROW out[i] = a[i] == b[i];
        break;
    case BR_OP_NE:
        EACH_ROW out[i] = (a[i] < b[i]) | (a[i] > b[i]);
        break;
    case BR_OP_LT:
        EACH_ROW out[i] = a[i] < b[i];
        break;
    case BR_OP_LE:
        EACH_ROW out[i] = a[i] <= b[i];
        break;
    case BR_OP_GT:
        EACH_ROW out[i] = a[i] > b[i];
        break;
    default:
        EACH_ROW out[i] = a[i] >= b[i];
    }
}

static void compare_constant(br_expr_op op, const float *a, float b, int64_t n,
                             uint8_t *restrict out)
{
    switch (op) {
    case BR_OP_EQ:
        EACH_ROW out[i] = a[i] == b;
        break;
    case BR_OP_NE:
        EACH_ROW out[i] = (a[i] < b) | (a[i] > b);
        break;
    case BR_OP_LT:
        EACH_ROW out[i] = a[i] < b;
        break;
    case BR_OP_LE:
        EACH_ROW out[i] = a[i] <= b;
        break;
    case BR_OP_GT:
        EACH_ROW out[i] = a[i] > b;
        break;
    default:
        EACH_ROW out[i] = a[i] >= b;
    }
}

static void calculate(br_expr_op op, float *restrict a, const float *restrict b, int64_t n)
{
    switch (op) {
    case BR_OP_ADD:
        EACH_ROW a[i] += b[i];
        break;
    case BR_OP_SUBTRACT:
        EACH_ROW a[i] -= b[i];
        break;
    case BR_OP_SUBTRACT_FROM:
        EACH_ROW a[i] = b[i] - a[i];
        break;
    default:
        EACH_ROW a[i] *= b[i];
    }
}

static void number_in(const br_expr_set *set, bool is_not, const float *a, int64_t n,
                      uint8_t *restrict out)
{
    const float *value = set->data;

    memset(out, 0, (size_t)n);
    for (int64_t v = 0; v < set->n; v++) {
        float b = value[v];

        EACH_ROW out[i] |= a[i] == b;
    }
    if (is_not)
        EACH_ROW out[i] = (a[i] == a[i]) & !out[i];
}

/* One step whose operands are numbers. */
static void number_step(br_lanes *l, const br_expr *expr, const br_columns *columns,
                        const br_expr_step *s)
{
    float       *lane = l->number[s->lane];
    uint8_t     *out  = l->truth[s->lane];
    int64_t      n    = l->n;
    const float *a    = s->op == BR_OP_NUMBER ? NULL : numbers(l, columns, s->column, s->lane);

    switch (s->op) {
    case BR_OP_NUMBER:
        EACH_ROW lane[i] = s->value.number;
        break;
    case BR_OP_COLUMN:
        if (a != lane)
            memcpy(lane, a, (size_t)n * sizeof *lane);
        break;
    case BR_OP_NEGATE:
        EACH_ROW lane[i] = -lane[i];
        break;
    case BR_OP_NUMBER_MISSING:
        EACH_ROW out[i] = a[i] != a[i];
        break;
    case BR_OP_NUMBER_PRESENT:
        EACH_ROW out[i] = a[i] == a[i];
        break;
    case BR_OP_NUMBER_IN:
    case BR_OP_NUMBER_NOT_IN:
        number_in(&expr->set[s->value.set], s->op == BR_OP_NUMBER_NOT_IN, a, n, out);
        break;
    default:
        if (s->has_constant)
            compare_constant(s->op, a, s->value.number, n, out);
        else if (s->op >= BR_OP_EQ)
            compare(s->op, a, numbers(l, columns, s->with_column, s->lane + 1), n, out);
        else
            calculate(s->op, lane, numbers(l, columns, s->with_column, s->lane + 1), n);
    }
}

static void category_step(br_lanes *l, const br_expr *expr, const br_column *column,
                          const br_expr_step *s)
{
    const int32_t *a     = codes(l, column);
    const uint8_t *table = s->op == BR_OP_CATEGORY_IN ? expr->set[s->value.set].data : NULL;
    uint8_t       *out   = l->truth[s->lane];
    int64_t        n     = l->n;

    switch (s->op) {
    case BR_OP_CATEGORY_EQ:
        EACH_ROW out[i] = a[i] == s->value.code;
        break;
    case BR_OP_CATEGORY_NE:
        EACH_ROW out[i] = (a[i] != s->value.code) & (a[i] >= 0);
        break;
    case BR_OP_CATEGORY_IN:
        EACH_ROW out[i] = table[a[i] + 1];
        break;
    case BR_OP_CATEGORY_MISSING:
        EACH_ROW out[i] = a[i] < 0;
        break;
    default:
        EACH_ROW out[i] = a[i] >= 0;
    }
}

static bool has_key(const br_expr_set *set, const void *key)
{
    size_t  width = (size_t)set->width_bytes;
    int64_t from = 0, to = set->n;

    while (from < to) {
        int64_t middle = (from + to) / 2;
        int     order  = memcmp((const uint8_t *)set->data + (size_t)middle * width, key, width);

        if (order == 0)
            return true;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

static void key_step(br_lanes *l, const br_expr *expr, const br_column *column,
                     const br_expr_step *s)
{
    const br_expr_set *set    = &expr->set[s->value.set];
    int64_t            stride = stride_of(column) * set->width_bytes;
    const uint8_t     *key    = (const uint8_t *)column->key_B + l->first * stride;
    bool               is_in  = s->op == BR_OP_KEY_IN;

    for (int64_t i = 0; i < l->n; i++)
        l->truth[s->lane][i] = has_key(set, key + i * stride) == is_in;
}

static void has_step(br_lanes *l, const br_column *column, const br_expr_step *s)
{
    int64_t         n = l->n, stride = stride_of(column);
    const uint64_t *bits = column->bits_B + l->first * stride;
    uint8_t        *out  = l->truth[s->lane];
    int32_t         bit  = s->value.bit;

    EACH_ROW out[i] = (uint8_t)(bits[i * stride] >> bit & 1);
}

static void truth_step(br_lanes *l, const br_expr_step *s)
{
    uint8_t *restrict a       = l->truth[s->lane];
    const uint8_t *restrict b = s->lane + 1 < BR_EXPR_LANES ? l->truth[s->lane + 1] : NULL;
    int64_t n                 = l->n;

    switch (s->op) {
    case BR_OP_TRUTH:
        memset(a, s->value.truth, (size_t)n);
        break;
    case BR_OP_NOT:
        EACH_ROW a[i] ^= 1;
        break;
    case BR_OP_AND:
        EACH_ROW a[i] &= b[i];
        break;
    default:
        EACH_ROW a[i] |= b[i];
    }
}

void br_expr_eval(const br_expr *expr, const br_columns *columns, int64_t first, int64_t n_rows,
                  uint8_t *out_B)
{
    br_lanes l;

    for (int64_t done = 0; done < n_rows; done += l.n) {
        l.first = first + done;
        l.n     = n_rows - done < BLOCK ? n_rows - done : BLOCK;
        for (int32_t i = 0; i < expr->n_steps; i++) {
            const br_expr_step *s = &expr->step[i];

            if (s->op <= BR_OP_NUMBER_NOT_IN)
                number_step(&l, expr, columns, s);
            else if (s->op <= BR_OP_CATEGORY_PRESENT)
                category_step(&l, expr, &columns->column[s->column], s);
            else if (s->op <= BR_OP_KEY_NOT_IN)
                key_step(&l, expr, &columns->column[s->column], s);
            else if (s->op == BR_OP_HAS)
                has_step(&l, &columns->column[s->column], s);
            else
                truth_step(&l, s);
        }
        memcpy(out_B + done, l.truth[0], (size_t)l.n);
    }
}
