/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices, buffers and views, the same for every backend. Opened once per lane; scratch is taken
 * and rewound once per chunk. */

#include "host/base/log.h"
#include "kernels/backend.h"
#ifdef BR_WITH_CUDA
#include "kernels/cuda/cuda.h"
#endif

#define SCRATCH_ALIGN_BYTES ((size_t)64)

static size_t round_up(size_t bytes)
{
    return (bytes + SCRATCH_ALIGN_BYTES - 1) & ~(SCRATCH_ALIGN_BYTES - 1);
}

size_t br_dtype_bytes(br_dtype dtype)
{
    static const size_t bytes[] = {[BR_F32] = 4, [BR_I32] = 4,  [BR_I64] = 8, [BR_U64] = 8,
                                   [BR_U8] = 1,  [BR_BF16] = 2, [BR_F64] = 8};
    return bytes[dtype];
}

static br_status open_on(const br_backend_table *table, size_t scratch_bytes, br_dev **out)
{
    br_status st  = BR_OK;
    br_dev   *dev = NULL;

    BR_ALLOC(st, dev, 1, "device");
    dev->table         = table;
    dev->scratch.table = table;
    BR_TRY(st, table->open(dev));
    if (scratch_bytes > 0)
        BR_TRY(st, table->allocate(round_up(scratch_bytes), &dev->scratch.memory));
    dev->scratch.bytes = round_up(scratch_bytes);
    *out               = dev;
    dev                = NULL;
done:
    br_dev_close(&dev);
    return st;
}

br_status br_dev_choose(int32_t place, bool is_asked_for)
{
#ifdef BR_WITH_CUDA
    return br_cuda_choose(place, is_asked_for);
#else
    (void)place;
    (void)is_asked_for;
    return BR_OK;
#endif
}

br_status br_dev_open(br_backend backend, size_t scratch_bytes, br_dev **out)
{
    *out = NULL;
    if (backend == BR_BACKEND_REF)
        return open_on(&br_backend_ref, scratch_bytes, out);
    if (backend == BR_BACKEND_CUDA)
#ifdef BR_WITH_CUDA
        return open_on(&br_backend_cuda, scratch_bytes, out);
#else
        return br_fail(BR_E_DEVICE, "backend cuda: not in this build (BR_CUDA); "
                                    "use backend cpu or auto");
#endif
#ifdef BR_WITH_CUDA
    if (backend == BR_BACKEND_AUTO) {
        br_status st = open_on(&br_backend_cuda, scratch_bytes, out);
        br_error  error;

        if (st == BR_OK || st == BR_E_USAGE)
            return st;
        if (br_cuda_is_there()) { /* its lists would be others', and hours late */
            br_error_take(&error);
            return br_fail(st, "%s; without this GPU: run.backend=cpu", error.text);
        }
        br_log(BR_LOG_INFO, "device", "no usable GPU: %s", br_error_last()->text);
    }
#endif
    return open_on(&br_backend_cpu, scratch_bytes, out);
}

br_status br_dev_open_lane(br_dev *dev, size_t scratch_bytes, br_dev **out)
{
    *out = NULL;
    return open_on(dev->table, scratch_bytes, out);
}

void br_dev_close(br_dev **dev)
{
    if (*dev == NULL)
        return;
    if ((*dev)->scratch.memory != NULL)
        (*dev)->table->release((*dev)->scratch.memory);
    (*dev)->table->close(*dev);
    br_free(dev);
}

const char *br_dev_backend_name(const br_dev *dev)
{
    return dev->table->name;
}

const char *br_dev_description(const br_dev *dev)
{
    return dev->description;
}

const char *br_dev_identity(const br_dev *dev)
{
    return dev->identity;
}

br_grain br_dev_grain(const br_dev *dev)
{
    return dev->table->grain;
}

br_status br_dev_room(br_dev *dev, size_t *bytes)
{
    *bytes = SIZE_MAX;
    return dev->table->room == NULL ? BR_OK : dev->table->room(dev, bytes);
}

br_launches br_dev_launches(const br_dev *dev)
{
    return dev->table->launches == NULL ? (br_launches){0} : dev->table->launches(dev);
}

br_status br_dev_sync(br_dev *dev)
{
    return dev->table->sync(dev);
}

br_status br_dev_alloc(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out)
{
    br_status st    = BR_OK;
    br_buf   *buf   = NULL;
    size_t    bytes = (size_t)n_rows * (size_t)n_cols * br_dtype_bytes(dtype);

    *out = (br_mat){0};
    BR_ALLOC(st, buf, 1, "device buffer");
    buf->table = dev->table;
    buf->bytes = bytes;
    BR_TRY(st, dev->table->allocate(bytes, &buf->memory));
    *out = (br_mat){buf, 0, n_rows, n_cols, n_cols, dtype};
    buf  = NULL;
done:
    br_free(&buf);
    return st;
}

void br_dev_free(br_mat *mat)
{
    if (mat->buf == NULL)
        return;
    mat->buf->table->release(mat->buf->memory);
    br_free(&mat->buf);
    *mat = (br_mat){0};
}

br_status br_dev_scratch(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out)
{
    size_t unit = br_dtype_bytes(dtype);
    size_t need = round_up((size_t)n_rows * (size_t)n_cols * unit);

    *out = (br_mat){0};
    if (need > dev->scratch.bytes - dev->scratch_used)
        return br_fail(BR_E_MEMORY, "scratch of %s: %zu bytes wanted, %zu of %zu left",
                       dev->table->name, need, dev->scratch.bytes - dev->scratch_used,
                       dev->scratch.bytes);
    *out =
        (br_mat){&dev->scratch, (int64_t)(dev->scratch_used / unit), n_rows, n_cols, n_cols, dtype};
    dev->scratch_used += need;
    if (dev->scratch_used > dev->scratch_peak)
        dev->scratch_peak = dev->scratch_used;
    return BR_OK;
}

size_t br_dev_mark(const br_dev *dev)
{
    return dev->scratch_used;
}

void br_dev_rewind(br_dev *dev, size_t mark)
{
    dev->scratch_used = mark;
}

size_t br_dev_scratch_peak(const br_dev *dev)
{
    return dev->scratch_peak;
}

br_status br_upload(br_dev *dev, br_mat to, const void *from)
{
    return dev->table->upload(dev, to, from);
}

br_status br_download(br_dev *dev, br_mat from, void *to)
{
    return dev->table->download(dev, from, to);
}

br_mat br_mat_rows(br_mat mat, int64_t row, int64_t n_rows)
{
    mat.offset += row * mat.ld;
    mat.n_rows = n_rows;
    return mat;
}

br_mat br_mat_cols(br_mat mat, int64_t col, int64_t n_cols)
{
    mat.offset += col;
    mat.n_cols = n_cols;
    return mat;
}
