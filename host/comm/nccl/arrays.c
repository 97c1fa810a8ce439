/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays from device to device: all ranks agree that they are there with the same array, NCCL moves
 * it, hashes of what arrived are compared. Called once per array. */
#include <string.h>

#include "host/base/clock.h"
#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/comm/nccl/state.h"

#ifndef BR_NCCL_CHUNK_BYTES /* what moves at a time, and has to within a deadline */
#define BR_NCCL_CHUNK_BYTES ((size_t)1 << 30)
#endif

static size_t bytes_of(br_mat mat)
{
    return (size_t)mat.n_rows * (size_t)mat.n_cols * br_dtype_bytes(mat.dtype);
}

static br_status check_dense(const char *what, br_mat mat)
{
    if (mat.ld == mat.n_cols || mat.n_rows <= 1)
        return BR_OK;
    return br_fail(BR_E_SELFCHECK, "NCCL: %s: found rows %lld apart, expected %lld: a dense view",
                   what, (long long)mat.ld, (long long)mat.n_cols);
}

/* Ranks with different sizes would hang in NCCL, or get wrong bytes. */
static br_status meet(br_nccl *n, const char *what, br_mat mat, br_status st)
{
    int64_t n_bytes = (int64_t)bytes_of(mat);
    int64_t name    = (int64_t)(br_hash_bytes(what, strlen(what)) >> 1);
    int64_t most[4] = {n_bytes, -n_bytes, name, -name};

    BR_TRY(st, br_comm_agree(n->comm, st));
    br_comm_max_i64(n->comm, most, 4);
    if (most[2] != -most[3])
        BR_FAIL(st, BR_E_SELFCHECK, "NCCL: ranks came with different arrays, rank %d with %s",
                n->comm->rank, what);
    if (most[0] != -most[1])
        BR_FAIL(st, BR_E_SELFCHECK,
                "NCCL: %s: ranks came with %lld to %lld bytes, expected the same on all", what,
                (long long)-most[1], (long long)most[0]);
done:
    return st;
}

static size_t chunk_at(size_t at, size_t n_bytes)
{
    return n_bytes - at < BR_NCCL_CHUNK_BYTES ? n_bytes - at : BR_NCCL_CHUNK_BYTES;
}

/* n_bytes of the root's `from` to everybody's `to`. */
static br_status move(br_nccl *n, int root, const char *what, const void *from, void *to,
                      size_t n_bytes)
{
    br_status st     = BR_OK;
    void     *stream = br_dev_stream(n->dev);

    for (size_t at = 0; at < n_bytes; at += BR_NCCL_CHUNK_BYTES)
        BR_TRY(st, br_nccl_wait(n, what,
                                n->library.Broadcast((const char *)from + at, (char *)to + at,
                                                     chunk_at(at, n_bytes), ncclUint8, root,
                                                     n->handle, stream)));
done:
    return st;
}

static void count(br_nccl *n, double begun_s, size_t n_bytes)
{
    n->n_arrays++;
    n->bytes += (double)n_bytes;
    n->seconds += br_clock_wall_s() - begun_s;
}

br_status br_nccl_broadcast(br_nccl *n, const char *what, br_mat mat)
{
    br_status st      = BR_OK;
    size_t    n_bytes = bytes_of(mat);
    uint64_t  hash    = 0;
    double    begun_s;
    void     *at = br_dev_address(mat);

    BR_TRY(st, meet(n, what, mat, check_dense(what, mat)));
    begun_s = br_clock_wall_s();
    BR_TRY(st, move(n, 0, what, at, at, n_bytes));
    count(n, begun_s, n_bytes);
    st = br_op_hash(n->dev, mat, br_mat_rows(n->hash_W1, 0, 1));
    if (st == BR_OK)
        st = br_download(n->dev, br_mat_rows(n->hash_W1, 0, 1), &hash);
    BR_TRY(st, br_comm_agree(n->comm, st));
    BR_TRY(st, br_comm_compare(n->comm, what, hash, n_bytes));
done:
    return st;
}

/* ---- allgather ---- */

static br_status check_pieces(const br_nccl *n, const char *what, br_mat own, br_mat all)
{
    br_status st = BR_OK;

    BR_TRY(st, check_dense(what, own));
    BR_TRY(st, check_dense(what, all));
    if (all.n_rows != own.n_rows * n->comm->size || all.n_cols != own.n_cols ||
        all.dtype != own.dtype)
        BR_FAIL(st, BR_E_SELFCHECK,
                "NCCL: %s: found [%lld, %lld] for %d pieces of [%lld, %lld], expected [%lld, %lld]",
                what, (long long)all.n_rows, (long long)all.n_cols, n->comm->size,
                (long long)own.n_rows, (long long)own.n_cols,
                (long long)(own.n_rows * n->comm->size), (long long)own.n_cols);
done:
    return st;
}

static br_status gather(br_nccl *n, const char *what, br_mat own, br_mat all)
{
    br_status   st      = BR_OK;
    size_t      n_bytes = bytes_of(own);
    const void *from    = br_dev_address(own);
    char       *to      = br_dev_address(all);

    if (n_bytes <= BR_NCCL_CHUNK_BYTES && n_bytes > 0)
        BR_TRY(st, br_nccl_wait(n, what,
                                n->library.AllGather(from, to, n_bytes, ncclUint8, n->handle,
                                                     br_dev_stream(n->dev))));
    for (int r = 0; r < n->comm->size && n_bytes > BR_NCCL_CHUNK_BYTES; r++)
        BR_TRY(st, move(n, r, what, from, to + (size_t)r * n_bytes, n_bytes));
done:
    return st;
}

/* hash_W1[r] of piece r as it arrived; the last of what this rank sent. */
static br_status hash_pieces(br_nccl *n, br_mat own, br_mat all, uint64_t *hash_W1)
{
    br_status st = BR_OK;

    for (int r = 0; r < n->comm->size; r++)
        BR_TRY(st, br_op_hash(n->dev, br_mat_rows(all, r * own.n_rows, own.n_rows),
                              br_mat_rows(n->hash_W1, r, 1)));
    BR_TRY(st, br_op_hash(n->dev, own, br_mat_rows(n->hash_W1, n->comm->size, 1)));
    BR_TRY(st, br_download(n->dev, n->hash_W1, hash_W1));
done:
    return st;
}

static br_status compare_pieces(br_nccl *n, const char *what, const uint64_t *hash_W1,
                                int64_t *sent_W)
{
    int     size  = n->comm->size;
    int64_t wrong = 0; /* of the first of both: (size - receiver) size + size - sender; 0: none */

    for (int r = 0; r < size; r++)
        sent_W[r] = 0;
    sent_W[n->comm->rank] = (int64_t)hash_W1[size];
    br_comm_sum_i64(n->comm, sent_W, size);
    for (int r = 0; r < size && wrong == 0; r++)
        if ((uint64_t)sent_W[r] != hash_W1[r])
            wrong = (int64_t)(size - n->comm->rank) * (size + 1) + size - r;
    br_comm_max_i64(n->comm, &wrong, 1);
    if (wrong == 0)
        return BR_OK;
    return br_fail(BR_E_DEVICE, "%s: rank %lld received other bytes than rank %lld sent", what,
                   (long long)(size - wrong / (size + 1)), (long long)(size - wrong % (size + 1)));
}

br_status br_nccl_allgather(br_nccl *n, const char *what, br_mat own_RC, br_mat all_WRC)
{
    br_status st      = BR_OK;
    uint64_t *hash_W1 = NULL;
    int64_t  *sent_W  = NULL;
    double    begun_s;

    st = check_pieces(n, what, own_RC, all_WRC);
    if (st == BR_OK)
        st = br_alloc(n->comm->size + 1, sizeof *hash_W1, "hashes of ranks", (void **)&hash_W1);
    if (st == BR_OK)
        st = br_alloc(n->comm->size, sizeof *sent_W, "hashes of ranks", (void **)&sent_W);
    BR_TRY(st, meet(n, what, own_RC, st));
    begun_s = br_clock_wall_s();
    BR_TRY(st, gather(n, what, own_RC, all_WRC));
    count(n, begun_s, bytes_of(all_WRC));
    BR_TRY(st, br_comm_agree(n->comm, hash_pieces(n, own_RC, all_WRC, hash_W1)));
    BR_TRY(st, compare_pieces(n, what, hash_W1, sent_W));
done:
    br_free(&hash_W1);
    br_free(&sent_W);
    return st;
}
