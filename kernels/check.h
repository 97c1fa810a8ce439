/* SPDX-License-Identifier: Apache-2.0
 *
 * What an op expects of its arguments, as a table: every view's name, type and shape is one row.
 * Called once per op, before the backend. */
#ifndef BR_KERNELS_CHECK_H
#define BR_KERNELS_CHECK_H

#include "kernels/backend.h"

#define BR_ANY ((int64_t)-1) /* an extent that the view itself decides */

typedef enum { BR_MUST, BR_MAY } br_presence;

typedef struct br_want {
    const char *name;
    br_mat      mat;
    br_dtype    dtype;
    int64_t     n_rows;
    int64_t     n_cols;
    br_presence presence;
} br_want;

/* BR_E_SELFCHECK naming op and view when a view is absent (BR_MUST, and its rows are not 0), of
 * another backend, of another type or shape, or reaches outside its buffer. */
br_status br_check_views(const br_dev *dev, const char *op, const br_want *wants, int32_t n_wants);

/* Offsets ascend within [0, n_events]; no sequence is longer than max_length; the views agree. */
br_status br_check_seqs(const br_dev *dev, const char *op, const br_seqs *seqs, int32_t max_length);

/* A prepared weight (or NULL) is of this very view, in as many blocks, transposed alike. */
br_status br_check_prepared(const br_dev *dev, const char *op, const br_prepared *weight,
                            const br_weight_args *want);

/* 0 <= eps, and finite */
br_status br_check_eps(const char *op, double eps);

/* lo <= value <= hi */
br_status br_check_range(const char *op, const char *name, int64_t value, int64_t lo, int64_t hi);

#define BR_CHECK_VIEWS(dev, op, wants)                                                             \
    br_check_views((dev), (op), (wants), (int32_t)(sizeof(wants) / sizeof *(wants)))

#endif
