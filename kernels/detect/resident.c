/* SPDX-License-Identifier: Apache-2.0
 *
 * Visits and digests of resident memory. Called a few times per run. */
#include "host/base/hash.h"
#include "host/base/memory.h"
#include "kernels/backend.h"

#define SLICE_BYTES ((int64_t)1 << 20)

static br_status visit(const br_backend_table *table, const br_piece *piece, int32_t n,
                       br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < n; i++) {
        br_buf buf = {table, piece[i].memory, piece[i].bytes};
        br_mat mat = {&buf, 0, (int64_t)piece[i].bytes, 1, 1, BR_U8};

        if (piece[i].memory != NULL)
            BR_TRY(st, fn(context, piece[i].what, mat));
    }
done:
    return st;
}

br_status br_prepared_visit(const br_prepared *weight, br_resident_fn fn, void *context)
{
    br_piece piece[BR_MAX_PIECES];
    int32_t  n;

    if (weight == NULL || weight->table->weight_pieces == NULL)
        return BR_OK;
    n = weight->table->weight_pieces(weight, piece);
    return visit(weight->table, piece, n, fn, context);
}

br_status br_items_visit(const br_items *items, br_resident_fn fn, void *context)
{
    br_piece piece[BR_MAX_PIECES];
    int32_t  n;

    if (items->table->items_pieces == NULL)
        return BR_OK;
    n = items->table->items_pieces(items, piece);
    return visit(items->table, piece, n, fn, context);
}

br_status br_dev_digest(br_dev *dev, br_mat mat, uint64_t *digest)
{
    br_status st        = BR_OK;
    void     *slice     = NULL;
    int64_t   row_bytes = mat.n_cols * (int64_t)br_dtype_bytes(mat.dtype);
    int64_t   step      = row_bytes > 0 && row_bytes < SLICE_BYTES ? SLICE_BYTES / row_bytes : 1;

    step = step < mat.n_rows ? step : mat.n_rows;
    if (mat.n_rows == 0 || row_bytes == 0)
        return BR_OK;
    BR_TRY(st, br_alloc(step, (size_t)row_bytes, "slice of a digest", &slice));
    for (int64_t row = 0; row < mat.n_rows; row += step) {
        int64_t n = mat.n_rows - row < step ? mat.n_rows - row : step;

        BR_TRY(st, br_download(dev, br_mat_rows(mat, row, n), slice));
        *digest = br_hash_mix(*digest ^ br_hash_bulk(slice, (size_t)(n * row_bytes)));
    }
done:
    br_free(&slice);
    return st;
}
