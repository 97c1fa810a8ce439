/* SPDX-License-Identifier: Apache-2.0
 *
 * The weight table of a model: architectures declare names, shapes and where the device view goes;
 * then all of it is matched with the tensors of a bundle and uploaded. Used once per model. */
#ifndef BR_MODELS_WEIGHTS_H
#define BR_MODELS_WEIGHTS_H

#include "models/model.h"

#define BR_ANY_ROWS ((int64_t)-1) /* as many rows as the tensor has */

typedef struct br_weights br_weights;

/* Room for n_weights declarations (br_weights_* calls below); more is our mistake. */
br_status br_weights_create(int32_t n_weights, br_weights **out);
void      br_weights_destroy(br_weights **weights); /* and the device memory of the views */
/* That memory, named by its (first) tensor. */
br_status br_weights_visit(const br_weights *weights, br_resident_fn fn, void *context);

/* A tensor [n] seen as [1, n]; one [rows, cols]; one [V] seen as [V, 1]; one [1] read to the host.
 * Matrices of one name are uploaded once. */
void br_weights_vector(br_weights *weights, br_mat *slot, int64_t n, const char *fmt, ...)
    BR_PRINTF(4, 5);
void br_weights_matrix(br_weights *weights, br_mat *slot, int64_t n_rows, int64_t n_cols,
                       const char *fmt, ...) BR_PRINTF(5, 6);
void br_weights_column(br_weights *weights, br_mat *slot, const char *fmt, ...) BR_PRINTF(3, 4);
void br_weights_scalar(br_weights *weights, float *slot, const char *fmt, ...) BR_PRINTF(3, 4);

/* One view [rows, cols] put together from several tensors: declared once, then its parts. A part of
 * rank 1 is [n_cols]; one of rank 2 [n_rows, n_cols]; of rank 3 [n_rows, n_cols, 1]. */
typedef struct br_part {
    int32_t stack;
    int32_t rank;
    int64_t row; /* where it begins in the stack */
    int64_t col;
    int64_t n_rows;
    int64_t n_cols;
} br_part;
int32_t br_weights_stack(br_weights *weights, br_mat *slot, int64_t n_rows, int64_t n_cols);
void    br_weights_part(br_weights *weights, const br_part *part, const char *fmt, ...)
    BR_PRINTF(3, 4);

/* Every declared tensor is there with its shape and finite values, no other is, none comes twice:
 * else BR_E_INPUT naming `model`, tensor, found and expected. Then all slots are filled. */
br_status br_weights_fill(br_weights *weights, br_dev *dev, const char *model,
                          const br_tensor *tensors, int32_t n_tensors);

#endif
