/* SPDX-License-Identifier: Apache-2.0
 *
 * A plain float32 matrix from "x.npy" (C order, '<f4') or "file.h5:/dataset" (2-d float32), read
 * in row blocks. */
#ifndef BR_HOST_IO_MATRIX_H
#define BR_HOST_IO_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/io/keys.h"

typedef struct br_matrix br_matrix;

/* Checks type, shape and size. BR_E_IO: unreadable; BR_E_INPUT: not such a matrix. A 1-d array is
 * taken as [n, 1]. */
br_status br_matrix_open(const char *where, br_matrix **out);
void      br_matrix_close(br_matrix **matrix);
int64_t   br_matrix_n_rows(const br_matrix *matrix);
int64_t   br_matrix_n_cols(const br_matrix *matrix);
/* Rows [row, row + n_rows) into `to`; a NaN or Inf is BR_E_INPUT naming file, row and column. */
br_status br_matrix_read(br_matrix *matrix, int64_t row, int64_t n_rows, float *to);

/* Publishes one column of n numbers as a .npy file. */
br_status br_matrix_write_npy(const char *path, const float *x, int64_t n);

/* Keys of rows from "x.npy" (S<n>, uint64, int64 >= 0), "file.h5:/dataset" (S<n>, u64) or any other
 * name: text, one key a line. There must be n_wanted. br_keys_free it. */
br_status br_matrix_read_keys(const char *where, int64_t n_wanted, br_keys *out);

/* "file.h5:/dataset" into its two parts; false when `where` is no such text. */
bool br_matrix_split_h5(const char *where, char *path, size_t path_bytes, const char **dataset);

#endif
