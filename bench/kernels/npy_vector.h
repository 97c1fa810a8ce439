/* SPDX-License-Identifier: Apache-2.0
 *
 * A plain vector of integers from a .npy file, for what the benchmarks read beside matrices (which
 * host/io reads): the offsets and items of never-lists. Called once per file. */
#ifndef BR_BENCH_KERNELS_NPY_VECTOR_H
#define BR_BENCH_KERNELS_NPY_VECTOR_H

#include <stdint.h>

#include "host/base/status.h"

/* descr is the type in NumPy's words, "<i8" or "<i4"; BR_E_INPUT when the file holds another, or
 * more than one dimension. *out is freed with br_free; NULL when the file holds no element. */
br_status br_npy_vector(const char *path, const char *descr, void **out, int64_t *n);

#endif
