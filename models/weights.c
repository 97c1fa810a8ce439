/* SPDX-License-Identifier: Apache-2.0
 *
 * Declarations of weights and their way to the device. Called once per model. */
#include "models/weights.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "host/base/memory.h"
#include "models/weights_match.h"

static br_home *add_home(br_weights *w, br_mat *slot, int64_t n_rows, int64_t n_cols)
{
    br_home *home = &w->home[w->n_homes++];

    assert(w->n_homes <= w->capacity);
    *home = (br_home){.slot = slot, .n_rows = n_rows, .n_cols = n_cols};
    return home;
}

static br_weight *add_weight(br_weights *w, int32_t home, const char *fmt, va_list names)
{
    br_weight *weight = &w->weight[w->n_weights++];

    assert(w->n_weights <= w->capacity);
    weight->home = home;
    if (home >= 0 && w->home[home].name == NULL)
        w->home[home].name = weight->name;
    (void)vsnprintf(weight->name, sizeof weight->name, fmt, names);
    return weight;
}

#define ADD_WEIGHT(weight, w, home, fmt)                                                           \
    do {                                                                                           \
        va_list names;                                                                             \
        va_start(names, fmt);                                                                      \
        (weight) = add_weight((w), (home), (fmt), names);                                          \
        va_end(names);                                                                             \
    } while (0)

void br_weights_vector(br_weights *weights, br_mat *slot, int64_t n, const char *fmt, ...)
{
    br_weight *weight;

    (void)add_home(weights, slot, 1, n);
    ADD_WEIGHT(weight, weights, weights->n_homes - 1, fmt);
    weight->rank   = 1;
    weight->dim[0] = n;
}

void br_weights_matrix(br_weights *weights, br_mat *slot, int64_t n_rows, int64_t n_cols,
                       const char *fmt, ...)
{
    br_weight *weight;

    add_home(weights, slot, n_rows, n_cols)->is_matrix = true;
    ADD_WEIGHT(weight, weights, weights->n_homes - 1, fmt);
    weight->rank   = 2;
    weight->dim[0] = n_rows;
    weight->dim[1] = n_cols;
}

void br_weights_column(br_weights *weights, br_mat *slot, const char *fmt, ...)
{
    br_weight *weight;

    (void)add_home(weights, slot, BR_ANY_ROWS, 1);
    ADD_WEIGHT(weight, weights, weights->n_homes - 1, fmt);
    weight->rank   = 1;
    weight->dim[0] = BR_ANY_ROWS;
}

void br_weights_scalar(br_weights *weights, float *slot, const char *fmt, ...)
{
    br_weight *weight;

    ADD_WEIGHT(weight, weights, -1, fmt);
    weight->rank      = 1;
    weight->dim[0]    = 1;
    weight->host_slot = slot;
}

int32_t br_weights_stack(br_weights *weights, br_mat *slot, int64_t n_rows, int64_t n_cols)
{
    (void)add_home(weights, slot, n_rows, n_cols);
    return weights->n_homes - 1;
}

void br_weights_part(br_weights *weights, const br_part *part, const char *fmt, ...)
{
    br_weight *weight;
    int32_t    at = 0;

    ADD_WEIGHT(weight, weights, part->stack, fmt);
    weight->rank = part->rank;
    weight->row  = part->row;
    weight->col  = part->col;
    if (part->rank > 1)
        weight->dim[at++] = part->n_rows;
    weight->dim[at++] = part->n_cols;
    if (part->rank > 2)
        weight->dim[at] = 1;
}

br_status br_weights_create(int32_t n_weights, br_weights **out)
{
    br_status   st = BR_OK;
    br_weights *w  = NULL;

    *out = NULL;
    BR_ALLOC(st, w, 1, "weight table");
    w->capacity = n_weights;
    BR_ALLOC(st, w->weight, n_weights, "weight table");
    BR_ALLOC(st, w->home, n_weights, "weight table");
    *out = w;
    w    = NULL;
done:
    br_weights_destroy(&w);
    return st;
}

void br_weights_destroy(br_weights **weights)
{
    br_weights *w = *weights;

    if (w == NULL)
        return;
    for (int32_t i = 0; i < w->n_homes && w->home != NULL; i++)
        if (w->home[i].same_as == NULL)
            br_dev_free(&w->home[i].mat);
    br_free(&w->home);
    br_free(&w->weight);
    br_free(weights);
}

/* Whole allocations: views of several tensors stand in them. */
br_status br_weights_visit(const br_weights *w, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < w->n_weights; i++) {
        const br_weight *weight = &w->weight[i];

        if (weight->home >= 0 && w->home[weight->home].same_as == NULL &&
            (i == 0 || w->weight[i - 1].home != weight->home))
            BR_TRY(st, fn(context, weight->name, w->home[weight->home].mat));
    }
done:
    return st;
}

/* Matrices read from one tensor share its memory; a home of any rows takes those of its tensor. */
static void settle_homes(br_weights *w)
{
    for (int32_t i = 0; i < w->n_weights; i++) {
        const br_weight *weight = &w->weight[i];
        br_home         *home   = weight->home < 0 ? NULL : &w->home[weight->home];

        if (home == NULL)
            continue;
        if (home->n_rows == BR_ANY_ROWS)
            home->n_rows = weight->tensor->dim[0];
        if (home->is_matrix && weight->twin != NULL && weight->twin->home >= 0 &&
            w->home[weight->twin->home].is_matrix)
            home->same_as = &w->home[weight->twin->home];
    }
}

/* One tensor, to its place in its home. */
static br_status upload(const br_weights *w, const br_weight *weight, br_dev *dev)
{
    const br_home *home = weight->home < 0 ? NULL : &w->home[weight->home];
    br_mat         part;

    if (home == NULL)
        *weight->host_slot = weight->tensor->data[0];
    if (home == NULL || home->same_as != NULL || !br_dev_is_source(dev))
        return BR_OK;
    part = home->mat;
    if (weight->rank > 1 || part.n_rows == 1) {
        int64_t n_rows = weight->rank > 1 ? weight->tensor->dim[0] : 1;
        int64_t n_cols = weight->tensor->dim[weight->rank > 1 ? 1 : 0];

        part = br_mat_cols(br_mat_rows(part, weight->row, n_rows), weight->col, n_cols);
    }
    return br_upload(dev, part, weight->tensor->data);
}

static br_status place(br_weights *w, br_dev *dev)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < w->n_homes; i++)
        if (w->home[i].same_as == NULL)
            BR_TRY(st, br_dev_alloc(dev, BR_F32, w->home[i].n_rows, w->home[i].n_cols,
                                    &w->home[i].mat));
    for (int32_t i = 0; i < w->n_weights; i++)
        BR_TRY(st, upload(w, &w->weight[i], dev));
    for (int32_t i = 0; i < w->n_homes; i++)
        if (w->home[i].same_as == NULL)
            BR_TRY(st, br_dev_share(dev, w->home[i].name, w->home[i].mat));
    BR_TRY(st, br_dev_sync(dev));
done:
    return st;
}

br_status br_weights_fill(br_weights *weights, br_dev *dev, const char *model,
                          const br_tensor *tensors, int32_t n_tensors)
{
    br_status st = BR_OK;

    BR_TRY(st, br_weights_match(weights, model, tensors, n_tensors));
    settle_homes(weights);
    BR_TRY(st, place(weights, dev));
    for (int32_t i = 0; i < weights->n_homes; i++) {
        const br_home *home = &weights->home[i];
        *home->slot         = home->same_as == NULL ? home->mat : home->same_as->mat;
    }
done:
    return st;
}
