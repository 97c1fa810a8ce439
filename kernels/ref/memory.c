/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers in host memory: zeroed on allocation, copied row by row because views may be strided.
 * Used by ref and cpu; ops there finish before they return, so sync has nothing to wait for. */
#include <stdio.h>
#include <string.h>

#include "kernels/ref/ref.h"

br_status br_ref_open(br_dev *dev)
{
    snprintf(dev->description, sizeof dev->description, "ref: plain loops, fp64 sums");
    return BR_OK;
}

void br_ref_close(br_dev *dev)
{
    (void)dev;
}

br_status br_ref_allocate(size_t bytes, void **memory)
{
    /* an empty matrix still has an address */
    return br_alloc(bytes > 0 ? (int64_t)bytes : 1, 1, "buffer in host memory", memory);
}

void br_ref_release(void *memory)
{
    br_free(&memory);
}

br_status br_ref_upload(br_dev *dev, br_mat to, const void *from)
{
    size_t         unit      = br_dtype_bytes(to.dtype);
    size_t         row_bytes = (size_t)to.n_cols * unit;
    size_t         ld_bytes  = (size_t)to.ld * unit;
    unsigned char *target    = br_mat_at(to);

    (void)dev;
    for (int64_t row = 0; row < to.n_rows; row++)
        memcpy(target + (size_t)row * ld_bytes,
               (const unsigned char *)from + (size_t)row * row_bytes, row_bytes);
    return BR_OK;
}

br_status br_ref_download(br_dev *dev, br_mat from, void *to)
{
    size_t               unit      = br_dtype_bytes(from.dtype);
    size_t               row_bytes = (size_t)from.n_cols * unit;
    size_t               ld_bytes  = (size_t)from.ld * unit;
    const unsigned char *source    = br_mat_at(from);

    (void)dev;
    for (int64_t row = 0; row < from.n_rows; row++)
        memcpy((unsigned char *)to + (size_t)row * row_bytes, source + (size_t)row * ld_bytes,
               row_bytes);
    return BR_OK;
}

br_status br_ref_sync(br_dev *dev)
{
    (void)dev;
    return BR_OK;
}

br_status br_ref_check_row(const char *op, int64_t at, int64_t row, int64_t n_rows)
{
    if (row >= 0 && row < n_rows)
        return BR_OK;
    return br_fail(BR_E_SELFCHECK, "%s: index %lld names row %lld of a table of %lld rows", op,
                   (long long)at, (long long)row, (long long)n_rows);
}
