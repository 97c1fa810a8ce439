/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's .npy files (format 1 to 3): the header, strictly parsed, and raw rows. */
#ifndef BR_HOST_IO_MATRIX_NPY_H
#define BR_HOST_IO_MATRIX_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

typedef struct br_npy {
    int     fd;
    char    dtype[16]; /* "<f4", "|S12", "<u8", ... */
    int32_t item_bytes;
    int64_t n_rows;
    int64_t n_cols; /* 1 for a 1-d array */
    int64_t data_at;
} br_npy;

/* BR_E_IO: unreadable; BR_E_INPUT: no .npy file, Fortran order, rank other than 1 or 2, a size that
 * does not match the file. The caller judges the dtype. */
br_status br_npy_open(const char *path, br_npy *out);
void      br_npy_close(br_npy *npy);
/* Rows [row, row + n_rows), as stored. */
br_status br_npy_read(const br_npy *npy, const char *path, int64_t row, int64_t n_rows, void *to);

#endif
