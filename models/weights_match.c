/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds each declared weight among the tensors of a bundle. Called once per model; tensors are
 * looked up in an order of their names, so that large models stay quick. */
#include "models/weights_match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

#define SHAPE_BYTES 96

typedef struct entry {
    const br_tensor *tensor;
    const br_weight *reader; /* the first weight that asks for it */
} entry;

typedef struct matcher {
    const char *model;
    entry      *entry;
    int32_t     n_entries;
} matcher;

static const char *shape_text(int32_t rank, const int64_t *dim, char text[SHAPE_BYTES])
{
    int at = snprintf(text, SHAPE_BYTES, "[");

    for (int32_t i = 0; i < rank && i < 4; i++) {
        const char *comma = i == 0 ? "" : ", ";
        if (dim[i] == BR_ANY_ROWS)
            at += snprintf(text + at, (size_t)(SHAPE_BYTES - at), "%sV", comma);
        else
            at +=
                snprintf(text + at, (size_t)(SHAPE_BYTES - at), "%s%lld", comma, (long long)dim[i]);
    }
    (void)snprintf(text + at, (size_t)(SHAPE_BYTES - at), "]");
    return text;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->tensor->name, ((const entry *)b)->tensor->name);
}

static br_status sort_tensors(matcher *m, const br_tensor *tensors, int32_t n_tensors)
{
    br_status st = BR_OK;

    BR_ALLOC(st, m->entry, n_tensors, "tensor names");
    m->n_entries = n_tensors;
    for (int32_t i = 0; i < n_tensors; i++)
        m->entry[i].tensor = &tensors[i];
    if (n_tensors > 0)
        qsort(m->entry, (size_t)n_tensors, sizeof *m->entry, by_name);
    for (int32_t i = 1; i < n_tensors; i++)
        if (by_name(&m->entry[i - 1], &m->entry[i]) == 0)
            BR_FAIL(st, BR_E_INPUT, "model '%s': tensor '%s' is there twice, expected once",
                    m->model, m->entry[i].tensor->name);
done:
    return st;
}

static entry *find(const matcher *m, const char *name)
{
    br_tensor wanted;
    entry     key = {.tensor = &wanted};

    if (m->n_entries == 0)
        return NULL;
    (void)snprintf(wanted.name, sizeof wanted.name, "%s", name);
    return bsearch(&key, m->entry, (size_t)m->n_entries, sizeof *m->entry, by_name);
}

static bool is_declared(const br_weights *w, const char *name)
{
    for (int32_t i = 0; i < w->n_weights; i++)
        if (strcmp(w->weight[i].name, name) == 0)
            return true;
    return false;
}

/* Says also which tensor nobody asks for: often it is the missing one under another name. */
static br_status fail_missing(const matcher *m, const br_weights *w, const br_weight *weight)
{
    char wanted[SHAPE_BYTES], found[SHAPE_BYTES];

    (void)shape_text(weight->rank, weight->dim, wanted);
    for (int32_t i = 0; i < m->n_entries; i++) {
        const br_tensor *tensor = m->entry[i].tensor;

        if (is_declared(w, tensor->name))
            continue;
        return br_fail(BR_E_INPUT,
                       "model '%s': tensor '%s' is missing, expected shape %s; '%s' %s is there, "
                       "but nothing asks for it",
                       m->model, weight->name, wanted, tensor->name,
                       shape_text(tensor->rank, tensor->dim, found));
    }
    return br_fail(BR_E_INPUT, "model '%s': tensor '%s' is missing, expected shape %s", m->model,
                   weight->name, wanted);
}

static br_status check_shape(const matcher *m, const br_weight *weight, const br_tensor *tensor)
{
    char wanted[SHAPE_BYTES], found[SHAPE_BYTES];
    bool is_same = tensor->rank == weight->rank;

    for (int32_t i = 0; i < weight->rank && is_same; i++)
        is_same = tensor->dim[i] == weight->dim[i] ||
                  (weight->dim[i] == BR_ANY_ROWS && tensor->dim[i] >= 1);
    if (is_same)
        return BR_OK;
    return br_fail(BR_E_INPUT, "model '%s': tensor '%s': found shape %s, expected %s", m->model,
                   tensor->name, shape_text(tensor->rank, tensor->dim, found),
                   shape_text(weight->rank, weight->dim, wanted));
}

static br_status check_values(const matcher *m, const br_tensor *tensor)
{
    int64_t n = 1;

    for (int32_t i = 0; i < tensor->rank; i++)
        n *= tensor->dim[i];
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(tensor->data[i])) {
            int64_t n_cols = n / tensor->dim[0];
            return br_fail(BR_E_INPUT,
                           "model '%s': tensor '%s': found %s in row %lld, place %lld, expected "
                           "finite values",
                           m->model, tensor->name, isnan(tensor->data[i]) ? "NaN" : "Inf",
                           (long long)(i / n_cols), (long long)(i % n_cols));
        }
    return BR_OK;
}

br_status br_weights_match(br_weights *weights, const char *model, const br_tensor *tensors,
                           int32_t n_tensors)
{
    br_status st = BR_OK;
    matcher   m  = {.model = model};
    char      shape[SHAPE_BYTES];

    BR_TRY(st, sort_tensors(&m, tensors, n_tensors));
    for (int32_t i = 0; i < weights->n_weights; i++) {
        br_weight *weight = &weights->weight[i];
        entry     *found  = find(&m, weight->name);

        if (found == NULL)
            BR_TRY(st, fail_missing(&m, weights, weight));
        BR_TRY(st, check_shape(&m, weight, found->tensor));
        weight->tensor = found->tensor;
        weight->twin   = found->reader;
        if (found->reader == NULL)
            found->reader = weight;
    }
    for (int32_t i = 0; i < m.n_entries; i++) {
        const br_tensor *tensor = m.entry[i].tensor;

        if (m.entry[i].reader == NULL)
            BR_FAIL(st, BR_E_INPUT, "model '%s': tensor '%s' %s: nothing in the model asks for it",
                    model, tensor->name, shape_text(tensor->rank, tensor->dim, shape));
        BR_TRY(st, check_values(&m, tensor));
    }
done:
    br_free(&m.entry);
    return st;
}
