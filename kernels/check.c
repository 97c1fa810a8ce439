/* SPDX-License-Identifier: Apache-2.0
 *
 * The argument checks of every op. Called once per op. */
#include "kernels/check.h"

#include <math.h>

static const char *dtype_name(br_dtype dtype)
{
    static const char *const names[] = {
        [BR_F32] = "f32", [BR_I32] = "i32",   [BR_I64] = "i64", [BR_U64] = "u64",
        [BR_U8] = "u8",   [BR_BF16] = "bf16", [BR_F64] = "f64"};
    return names[dtype];
}

/* Does the view lie inside its buffer? Written so that no product can overflow. */
static bool is_inside(br_mat mat)
{
    int64_t n_units = (int64_t)(mat.buf->bytes / br_dtype_bytes(mat.dtype));

    if (mat.n_rows < 0 || mat.n_cols < 0 || mat.offset < 0 || mat.ld < mat.n_cols)
        return false;
    if (mat.n_rows == 0 || mat.n_cols == 0)
        return true;
    if (mat.n_cols > n_units || mat.offset > n_units - mat.n_cols)
        return false;
    return (n_units - mat.offset - mat.n_cols) / mat.ld >= mat.n_rows - 1;
}

static br_status check_view(const br_dev *dev, const char *op, const br_want *want)
{
    br_mat  mat    = want->mat;
    int64_t n_rows = want->n_rows == BR_ANY ? mat.n_rows : want->n_rows;
    int64_t n_cols = want->n_cols == BR_ANY ? mat.n_cols : want->n_cols;

    if (mat.buf == NULL) {
        if (want->presence == BR_MAY || want->n_rows == 0)
            return BR_OK;
        return br_fail(BR_E_SELFCHECK, "%s: %s is absent, expected %s", op, want->name,
                       dtype_name(want->dtype));
    }
    if (mat.buf->table != dev->table)
        return br_fail(BR_E_SELFCHECK, "%s: %s lies in memory of backend %s, expected %s", op,
                       want->name, mat.buf->table->name, dev->table->name);
    if (mat.dtype != want->dtype || mat.n_rows != n_rows || mat.n_cols != n_cols)
        return br_fail(BR_E_SELFCHECK, "%s: %s is %s [%lld, %lld], expected %s [%lld, %lld]", op,
                       want->name, dtype_name(mat.dtype), (long long)mat.n_rows,
                       (long long)mat.n_cols, dtype_name(want->dtype), (long long)n_rows,
                       (long long)n_cols);
    if (!is_inside(mat))
        return br_fail(BR_E_SELFCHECK,
                       "%s: %s [%lld, %lld] at offset %lld, ld %lld, reaches outside its buffer "
                       "of %zu bytes",
                       op, want->name, (long long)mat.n_rows, (long long)mat.n_cols,
                       (long long)mat.offset, (long long)mat.ld, mat.buf->bytes);
    return BR_OK;
}

br_status br_check_views(const br_dev *dev, const char *op, const br_want *wants, int32_t n_wants)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < n_wants; i++)
        BR_TRY(st, check_view(dev, op, &wants[i]));
done:
    return st;
}

br_status br_check_eps(const char *op, double eps)
{
    if (!(eps >= 0.0) || isinf(eps))
        return br_fail(BR_E_SELFCHECK, "%s: eps is %g, expected a finite value >= 0", op, eps);
    return BR_OK;
}

br_status br_check_range(const char *op, const char *name, int64_t value, int64_t lo, int64_t hi)
{
    if (value >= lo && value <= hi)
        return BR_OK;
    return br_fail(BR_E_SELFCHECK, "%s: %s is %lld, expected %lld..%lld", op, name,
                   (long long)value, (long long)lo, (long long)hi);
}

static br_status check_offsets(const char *op, const br_seqs *seqs, int32_t max_length)
{
    const int32_t *offset = seqs->host_offset_B1;

    if (offset == NULL)
        return br_fail(BR_E_SELFCHECK, "%s: host_offset_B1 is absent", op);
    if (offset[0] < 0 || offset[seqs->n_seqs] > seqs->n_events)
        return br_fail(BR_E_SELFCHECK, "%s: sequences own events %d..%d, expected within 0..%lld",
                       op, (int)offset[0], (int)offset[seqs->n_seqs], (long long)seqs->n_events);
    for (int64_t b = 0; b < seqs->n_seqs; b++) {
        if (offset[b + 1] < offset[b])
            return br_fail(BR_E_SELFCHECK, "%s: host_offset_B1[%lld] is %d after %d", op,
                           (long long)b + 1, (int)offset[b + 1], (int)offset[b]);
        if (offset[b + 1] - offset[b] > max_length)
            return br_fail(BR_E_SELFCHECK, "%s: sequence %lld has %d events, expected at most %d",
                           op, (long long)b, (int)(offset[b + 1] - offset[b]), (int)max_length);
    }
    return BR_OK;
}

br_status br_check_seqs(const br_dev *dev, const char *op, const br_seqs *seqs, int32_t max_length)
{
    br_status st       = BR_OK;
    int64_t   n_events = seqs == NULL ? 0 : seqs->n_events;

    if (seqs == NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "%s: seqs is absent", op);
    BR_TRY(st, br_check_range(op, "n_seqs", seqs->n_seqs, 0, INT32_MAX));
    BR_TRY(st, br_check_range(op, "n_events", n_events, 0, INT32_MAX));
    {
        const br_want wants[] = {
            {"offset_B1", seqs->offset_B1, BR_I32, seqs->n_seqs + 1, 1, BR_MUST},
            {"item_E", seqs->item_E, BR_I32, n_events, 1, BR_MAY},
            {"time_E", seqs->time_E, BR_I64, n_events, 1, BR_MAY},
            {"type_E", seqs->type_E, BR_U8, n_events, 1, BR_MAY},
            {"weight_E", seqs->weight_E, BR_F32, n_events, 1, BR_MAY},
        };
        BR_TRY(st, BR_CHECK_VIEWS(dev, op, wants));
        for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
            if (wants[i].mat.buf != NULL && wants[i].mat.ld != 1)
                BR_FAIL(st, BR_E_SELFCHECK, "%s: %s has ld %lld, expected 1", op, wants[i].name,
                        (long long)wants[i].mat.ld);
    }
    BR_TRY(st, check_offsets(op, seqs, max_length));
done:
    return st;
}
