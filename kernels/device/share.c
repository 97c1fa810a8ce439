/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes, native handles and sharing: checks once, then the backend or host/comm. */
#include "kernels/check.h"

br_status br_op_hash(br_dev *dev, br_mat x_RC, br_mat out_11)
{
    br_status     st      = BR_OK;
    const br_want wants[] = {
        {"x_RC", x_RC, x_RC.dtype, BR_ANY, BR_ANY, BR_MUST},
        {"out_11", out_11, BR_U64, 1, 1, BR_MUST},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "hash", wants));
    if (x_RC.ld != x_RC.n_cols && x_RC.n_rows > 1)
        BR_FAIL(st, BR_E_SELFCHECK, "hash: x_RC has ld %lld, expected %lld, its columns",
                (long long)x_RC.ld, (long long)x_RC.n_cols);
    if ((size_t)x_RC.offset * br_dtype_bytes(x_RC.dtype) % 4 != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "hash: x_RC begins at byte %zu, expected a multiple of 4",
                (size_t)x_RC.offset * br_dtype_bytes(x_RC.dtype));
    BR_TRY(st, dev->table->hash(dev, x_RC, out_11));
done:
    return st;
}

void *br_dev_stream(const br_dev *dev)
{
    return dev->table->stream == NULL ? NULL : dev->table->stream(dev);
}

void *br_dev_address(br_mat mat)
{
    return br_mat_at(mat);
}

br_status br_dev_poll(br_dev *dev, bool *is_done)
{
    *is_done = true;
    return dev->table->poll == NULL ? BR_OK : dev->table->poll(dev, is_done);
}

void br_dev_share_by(br_dev *dev, const br_share *share)
{
    dev->share = share;
}

bool br_dev_is_source(const br_dev *dev)
{
    return dev->share == NULL || dev->share->is_source;
}

br_status br_dev_share(br_dev *dev, const char *what, br_mat mat)
{
    return dev->share == NULL ? BR_OK : dev->share->send(dev->share->context, what, mat);
}
