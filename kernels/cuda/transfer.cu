/* SPDX-License-Identifier: Apache-2.0
 *
 * Between host and device, through a ring of page-locked slices per lane: the host fills or empties
 * one slice while the device copies others, and an upload's source is free as soon as the call
 * returns. Called a few times per chunk of customers. */
#include <string.h>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/transfer.cuh"

#define N_SLICES    4
#define SLICE_BYTES ((size_t)4 << 20)

struct br_cuda_ring {
    unsigned char *slice[N_SLICES];
    cudaEvent_t    is_free[N_SLICES]; /* the device is done with it */
    int            next;
};

/* A view's rows as bytes. */
typedef struct rows {
    unsigned char *device;
    size_t         pitch; /* of the device */
    size_t         row_bytes;
    size_t         n;
    size_t         per_slice; /* rows that fit a slice */
} rows;

void br_cuda_ring_close(br_cuda_lane *lane)
{
    br_cuda_ring *ring = lane->ring;

    if (ring == NULL)
        return;
    for (int i = 0; i < N_SLICES; i++) {
        (void)cudaFreeHost(ring->slice[i]);
        if (ring->is_free[i] != NULL)
            (void)cudaEventDestroy(ring->is_free[i]);
    }
    br_free(&lane->ring);
}

static br_status open_ring(br_cuda_lane *lane)
{
    br_status     st   = BR_OK;
    br_cuda_ring *ring = NULL;

    if (lane->ring != NULL)
        return BR_OK;
    BR_ALLOC(st, ring, 1, "ring of a cuda lane");
    lane->ring = ring;
    for (int i = 0; i < N_SLICES; i++) {
        BR_CUDA(st, cudaMallocHost(reinterpret_cast<void **>(&ring->slice[i]), SLICE_BYTES));
        BR_CUDA(st, cudaEventCreateWithFlags(&ring->is_free[i], cudaEventDisableTiming));
        BR_CUDA(st, cudaEventRecord(ring->is_free[i], lane->stream));
    }
done:
    if (st != BR_OK)
        br_cuda_ring_close(lane);
    return st;
}

/* Dense views are cut anywhere, others between rows. */
static rows rows_of(br_mat mat)
{
    size_t unit = br_dtype_bytes(mat.dtype);
    rows   r    = {static_cast<unsigned char *>(br_mat_at(mat)), (size_t)mat.ld * unit,
                   (size_t)mat.n_cols * unit, (size_t)mat.n_rows, 0};

    if (r.pitch == r.row_bytes) {
        r.row_bytes *= r.n;
        r.n         = r.row_bytes;
        r.pitch     = 1;
        r.row_bytes = 1;
    }
    r.per_slice = r.row_bytes > 0 ? SLICE_BYTES / r.row_bytes : 0;
    return r;
}

/* n rows from row `first`, between the device and a slice, on the lane's stream. */
static br_status enqueue(br_cuda_lane *lane, const rows &r, size_t first, size_t n, bool is_up)
{
    br_status      st     = BR_OK;
    br_cuda_ring  *ring   = lane->ring;
    unsigned char *slice  = ring->slice[ring->next];
    unsigned char *device = r.device + first * r.pitch;
    bool           dense  = r.pitch == r.row_bytes;
    size_t         width = dense ? n * r.row_bytes : r.row_bytes, height = dense ? 1 : n;

    if (is_up)
        BR_CUDA(st, cudaMemcpy2DAsync(device, dense ? width : r.pitch, slice, width, width, height,
                                      cudaMemcpyHostToDevice, lane->stream));
    else
        BR_CUDA(st, cudaMemcpy2DAsync(slice, width, device, dense ? width : r.pitch, width, height,
                                      cudaMemcpyDeviceToHost, lane->stream));
    BR_CUDA(st, cudaEventRecord(ring->is_free[ring->next], lane->stream));
    ring->next = (ring->next + 1) % N_SLICES;
done:
    return st;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

br_status br_cuda_upload(br_dev *dev, br_mat to, const void *from)
{
    br_status            st   = BR_OK;
    br_cuda_lane        *lane = br_cuda_lane_of(dev);
    const rows           r    = rows_of(to);
    const unsigned char *host = static_cast<const unsigned char *>(from);

    if (r.n == 0 || r.row_bytes == 0)
        return BR_OK;
    if (r.per_slice == 0)
        BR_FAIL(st, BR_E_SELFCHECK, "cuda: a row of %zu bytes, at most %zu are copied apart",
                r.row_bytes, SLICE_BYTES);
    BR_TRY(st, open_ring(lane));
    for (size_t at = 0; at < r.n; at += r.per_slice) {
        size_t        n    = smaller(r.n - at, r.per_slice);
        br_cuda_ring *ring = lane->ring;

        BR_CUDA(st, cudaEventSynchronize(ring->is_free[ring->next]));
        memcpy(ring->slice[ring->next], host + at * r.row_bytes, n * r.row_bytes);
        BR_TRY(st, enqueue(lane, r, at, n, true));
    }
done:
    return st;
}

/* Empties the slice that was filled `behind` turns ago into `to`. */
static br_status take(br_cuda_lane *lane, size_t behind, void *to, size_t n_bytes)
{
    br_status     st   = BR_OK;
    br_cuda_ring *ring = lane->ring;
    size_t        i    = ((size_t)ring->next + N_SLICES - behind) % N_SLICES;

    BR_CUDA(st, cudaEventSynchronize(ring->is_free[i]));
    memcpy(to, ring->slice[i], n_bytes);
done:
    return st;
}

br_status br_cuda_download(br_dev *dev, br_mat from, void *to)
{
    br_status      st   = BR_OK;
    br_cuda_lane  *lane = br_cuda_lane_of(dev);
    const rows     r    = rows_of(from);
    unsigned char *host = static_cast<unsigned char *>(to);
    size_t         sent = 0, n_under_way = 0;

    if (r.n > 0 && r.row_bytes > 0 && r.per_slice == 0)
        BR_FAIL(st, BR_E_SELFCHECK, "cuda: a row of %zu bytes, at most %zu are copied apart",
                r.row_bytes, SLICE_BYTES);
    if (r.n > 0 && r.row_bytes > 0)
        BR_TRY(st, open_ring(lane));
    for (size_t at = 0; at < r.n && r.row_bytes > 0; at += r.per_slice) {
        for (; sent < r.n && n_under_way < N_SLICES; n_under_way++) {
            size_t n = smaller(r.n - sent, r.per_slice);

            BR_CUDA(st, cudaEventSynchronize(lane->ring->is_free[lane->ring->next]));
            BR_TRY(st, enqueue(lane, r, sent, n, false));
            sent += n;
        }
        BR_TRY(st, take(lane, n_under_way--, host + at * r.row_bytes,
                        smaller(r.n - at, r.per_slice) * r.row_bytes));
    }
    BR_TRY(st, br_cuda_sync(dev));
done:
    return st;
}
